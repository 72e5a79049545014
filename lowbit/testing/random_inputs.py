"""Inputs of the clauses on stochastic rounding with the contract's random bits (contract §5): exact, bit for bit."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import cycle

import numpy as np

from lowbit.formats import Stochastic
from lowbit.reference import random_bits
from lowbit.testing.blocks import along_axis, side_by_side
from lowbit.testing.expected import single
from lowbit.testing.frames import CAPACITY, Frame, block_size, quiet_amax, quiet_frames
from lowbit.testing.numbers import few, shifted
from lowbit.testing.subject import Case, Subject

Number = Callable[[Frame, int, tuple[Fraction, Fraction]], float]
"""Makes the number of an element from the frame of its block, its index in the tensor and a gap of the grid."""

LENGTH = 96
"""Numbers that draw bits in one tensor: 24 counters of 32-bit draws, 6 of 8-bit ones."""


def drawn(subject: Subject, **arguments: int) -> Iterator[Case]:
    """Numbers in the middle of their gap or a fourth beside it, so that every bit pattern decides."""
    yield from _case(subject, _at_parts("1/2", "1/4", "3/4", "3/8"), False, **arguments)


def tiny(subject: Subject) -> Iterator[Case]:
    """Numbers below half the smallest value, of which those with large random integers go up."""
    yield from _case(subject, _at_parts("1/16", "3/16", "7/16", "1/64"), lowest=True)


def thresholds(subject: Subject) -> Iterator[Case]:
    """Numbers on, just below and just above where the element's own random integer makes it go up."""
    rounding = subject.rounding
    assert isinstance(rounding, Stochastic)  # the table asks for it
    whole = 1 << rounding.bits

    def number(frame: Frame, place: int, pair: tuple[Fraction, Fraction]) -> float:
        random = random_bits(place, bits=rounding.bits, seed=subject.seed)
        d = Fraction(2 * (whole - random) - place // 2 % 2, 2 * whole)
        low, high = pair
        return shifted(frame.near(low + (high - low) * d), (0, -1, 1)[place % 3])

    yield from _case(subject, number)


def seeds(subject: Subject) -> Iterator[Case]:
    """Seeds that use both words of the key."""
    for seed in (1, (1 << 32) + 5, (1 << 64) - 1):
        yield from drawn(subject, seed=seed)


def streams(subject: Subject) -> Iterator[Case]:
    """Other streams of the seed."""
    for stream in (1, 0xFFFFFFFF):
        yield from drawn(subject, stream=stream)


def offsets(subject: Subject) -> Iterator[Case]:
    """Pieces that begin inside a counter, and beyond 2^32 counters."""
    for offset in () if subject.fmt.needs_seed else (3, 1000, (1 << 35) + 1):
        yield from drawn(subject, offset=offset)


def indices(subject: Subject) -> Iterator[Case]:
    """Matrices: the row-major index counts, whatever the axis of the blocks and the order in memory."""
    fmt, axis = subject.fmt, subject.axis
    if (fmt.block is not None and fmt.block.is_tile) or isinstance(axis, tuple):
        return
    other_axis = {"axis": 0} if "axis" in subject.accepts else {}
    for case in _case(subject, _at_parts("1/2", "1/4", "3/4")):
        lines = np.stack([case.x.reshape(-1)] * 3)
        tensor_wide = fmt.block is None or fmt.block.is_tensor
        if (axis in (-1, 1) and subject.ndim <= 2) or tensor_wide:
            yield replace(case, x=lines)
            yield replace(case, x=np.asfortranarray(lines))
        if not tensor_wide and (axis in (0, -2) or other_axis):
            yield replace(case, x=np.ascontiguousarray(lines.T), arguments={**case.arguments, **other_axis})


def shards(subject: Subject) -> Iterator[Case]:
    """Boxes of a larger tensor, which say where they lie."""
    for case in () if subject.fmt.needs_seed else drawn(subject):
        shape = case.x.shape
        place = {"origin": tuple(3 + i for i in range(len(shape))), "global_shape": tuple(n + 10 for n in shape)}
        yield replace(case, arguments={**case.arguments, **place})


def _at_parts(*parts: str) -> Number:
    """Numbers a part of the way up, in one gap after the other."""

    def number(frame: Frame, place: int, pair: tuple[Fraction, Fraction]) -> float:
        low, high = pair
        part = Fraction(parts[place % len(parts)])
        return frame.near(low + (high - low) * (part if low >= 0 else 1 - part))

    return number


def _case(subject: Subject, number: Number, lowest: bool = False, **arguments: int) -> Iterator[Case]:
    """A tensor of LENGTH such numbers, each told its row-major index; rows and whole tensors come one by one."""
    fmt = subject.fmt
    frame = quiet_frames(fmt, 1)[0]
    pairs = _pairs(frame, lowest)
    if not pairs:
        return
    room = min(block_size(fmt), CAPACITY) if fmt.scale is not None else LENGTH
    blocks: list[list[float]] = []
    stride = block_size(fmt) if fmt.block is None or fmt.block.elements else room
    gaps = cycle(pairs)
    for start in range(0, LENGTH, room):
        block = list(frame.anchor)
        begin = start // room * stride if fmt.scale is not None else start
        block += [number(frame, begin + place, next(gaps)) for place in range(len(block), room)]
        blocks.append(block)
    if fmt.tensor_target is not None:
        blocks.append([quiet_amax(fmt)])
    draws = {**subject.draws, **arguments}
    sized = fmt.block is None or fmt.block.elements is not None
    for x in [side_by_side(subject, blocks)] if sized else [along_axis(subject, single(block)) for block in blocks]:
        yield Case(x=x, arguments=draws)


def _pairs(frame: Frame, lowest: bool) -> list[tuple[Fraction, Fraction]]:
    """Gaps of the grid away from zero, or the gap above zero alone."""
    if lowest:
        zero = bisect_left(frame.values, 0.0)
        gap = [Fraction(value) for value in frame.values[zero : zero + 2]]
        return [(gap[0], gap[1])] if len(gap) == 2 and gap[0] == 0 else []
    amax = max((abs(frame.y(x)) for x in frame.anchor), default=Fraction(max(frame.values)))
    inside = [(low, high) for low, high in frame.gaps(200) if -amax <= low and high <= amax]
    return few([(low, high) for low, high in inside if low and high], 40)
