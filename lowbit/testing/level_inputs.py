"""Inputs of the clauses on the tensor scale and on candidates (contract §4)."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from lowbit.formats import BlockFormat
from lowbit.reference.tensor_scale import TensorScale, tensor_scale_from_amax, tensor_scale_from_static
from lowbit.testing.blocks import Block, cases, cleaned, filled
from lowbit.testing.features import INEXACT, NEAR_TIE, ORDINARY, UNDERFLOW
from lowbit.testing.frames import block_size, points, quiet_amax, quiet_level, settle
from lowbit.testing.numbers import nearest, short
from lowbit.testing.subject import Case, Subject

CLOSE_CALLS = frozenset({INEXACT, NEAR_TIE, UNDERFLOW})
AMAXES = (1.0, 0.1, 3.7e-3, 1234.5)
"""Tensor amaxes that make g and t numbers of many digits, in this order."""


def tensor_amaxes(subject: Subject) -> Iterator[Case]:
    """Tensors of several amaxes, with blocks at ordinary fractions of it."""
    if subject.fmt.tensor_target is None:
        return
    for amax in AMAXES:
        yield from cases(subject, _blocks(subject, amax, tensor_scale_from_amax(subject.fmt, amax)), amax)


def arithmetic(subject: Subject) -> Iterator[Case]:
    """Numbers next to where the element changes, in tensors whose factors have many digits: the order of the
    operations decides."""
    fmt = subject.fmt
    if fmt.tensor_target is None:
        return
    for amax in AMAXES[1:3]:
        level, blocks = tensor_scale_from_amax(fmt, amax), list[Block | None]()
        for part in (1.0, 0.53, 0.29):
            frame = settle(fmt, (nearest(amax * part),), level)
            if frame.works:
                numbers = [x for y in frame.midpoints(24) for x in frame.flip(y)]
                numbers = [x for x in numbers if abs(x) < amax * part]
                blocks += [cleaned(subject, b, CLOSE_CALLS, level) for b in filled(subject, frame, numbers)][:2]
        yield from cases(subject, blocks, amax)


def small_blocks(subject: Subject) -> Iterator[Case]:
    """Blocks so far below the tensor's amax that their scale is subnormal or zero."""
    fmt = subject.fmt
    if fmt.tensor_target is None or fmt.scale is None:
        return
    level, blocks = quiet_level(fmt), list[Block | None]()
    target = fmt.candidates[0].target
    for part in ("4", "1", "5/8", "3/8", "1/100"):
        amax = nearest(target * Fraction(fmt.scale.min_positive) * Fraction(part))
        frame = settle(fmt, (amax,), level)
        numbers = points(frame, (0.25, 0.75), 6) if frame.works else [amax / 3]
        blocks += [cleaned(subject, b, ORDINARY | {UNDERFLOW}) for b in filled(subject, frame, numbers)]
    yield from cases(subject, blocks)


def zero_tensors(subject: Subject) -> Iterator[Case]:
    """Tensors of zeros: the amax is 0, the tensor scale is not."""
    if subject.fmt.tensor_target is not None:
        yield from cases(subject, [Block((0.0, 0.0), 2)], 0)


def extreme_tensors(subject: Subject) -> Iterator[Case]:
    """Tensors whose g is clamped to the largest float or nearly vanishes."""
    fmt = subject.fmt
    if fmt.tensor_target is None:
        return
    for amax in (2.0**-149, 1.5 * 2.0**-140, 1.25 * 2.0**-126, 1.5 * 2.0**-118, 1.5 * 2.0**118, 1.75 * 2.0**126):
        level = tensor_scale_from_amax(fmt, amax)
        frame = settle(fmt, (amax,), level)
        numbers = points(frame, (0.25, 0.75), 6) if frame.works else []
        allowed = ORDINARY | {UNDERFLOW, "subnormal"}
        yield from cases(subject, [cleaned(subject, b, allowed, level) for b in filled(subject, frame, numbers)], 0)


def given_amaxes(subject: Subject) -> Iterator[Case]:
    """Pieces of a larger tensor: `tensor_amax` is larger than anything in them."""
    for amax in AMAXES if subject.fmt.tensor_target is not None else ():
        whole = nearest(3.3 * amax)
        level = tensor_scale_from_amax(subject.fmt, whole)
        yield from cases(subject, _blocks(subject, nearest(amax), level), 0, tensor_amax=whole)


def given_scales(subject: Subject) -> Iterator[Case]:
    """Static tensor scales, also such that blocks are clipped."""
    for scale in (1.0, 0.0123, 3.0) if subject.fmt.tensor_target is not None else ():
        level = tensor_scale_from_static(subject.fmt, float(np.float32(scale)))
        for part in (0.5, 1.5):
            amax = nearest(quiet_amax(subject.fmt) * scale * part)
            yield from cases(subject, _blocks(subject, amax, level), 0, tensor_scale=float(np.float32(scale)))


def _blocks(subject: Subject, amax: float, level: TensorScale) -> list[Block | None]:
    blocks = list[Block | None]()
    for part in (1.0, 0.37, 0.113):
        frame = settle(subject.fmt, (nearest(amax * part),), level)
        if frame.works:
            numbers = points(frame, (0.25, 0.375, 0.75), 8)
            blocks += [cleaned(subject, b, level=level) for b in filled(subject, frame, numbers)][:1]
    return blocks


def candidates(subject: Subject) -> Iterator[Case]:
    """Blocks that each candidate wins, blocks where they tie, and blocks where it is close."""
    fmt = subject.fmt
    if fmt.select is None:
        return
    level = quiet_level(fmt)
    rng = np.random.default_rng(20)
    scale = float(fmt.candidates[0].target)
    tied = Block(tuple(scale * part for part in (1.0, 0.0, 0.0)), 1)
    blocks: list[Block | None] = [cleaned(subject, tied, ORDINARY | {UNDERFLOW}, level)]
    for number in range(max(6, len(fmt.candidates))):
        block = _random_block(fmt, rng, scale * (1.0, 0.75, 0.9)[number % 3])
        blocks.append(cleaned(subject, block, ORDINARY | {UNDERFLOW}, level))
    yield from cases(subject, blocks)


def _random_block(fmt: BlockFormat, rng: np.random.Generator, amax: float) -> Block:
    """Normal numbers of 10 significant bits with this amax; long blocks end in zeros."""
    count = min(block_size(fmt), 32 if len(fmt.candidates) < 5 else 12)
    numbers = rng.standard_normal(count)
    return Block(tuple(short(x) for x in (numbers / np.abs(numbers).max() * amax).tolist()), 0)
