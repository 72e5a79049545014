"""Inputs of the clauses on options beyond the published formats (contract §12): each looks at one option's stage."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from lowbit.formats import Correction, Peak, ScaleDomain, Statistic, ZeroPoint
from lowbit.testing.blocks import Block, along_axis, cases, cleaned
from lowbit.testing.features import ORDINARY, UNDERFLOW
from lowbit.testing.frames import block_size, quiet_level
from lowbit.testing.numbers import nearest, short
from lowbit.testing.subject import Case, Subject

FREE = ORDINARY | {UNDERFLOW}


def _random_blocks(subject: Subject, count: int, signs: tuple[float, float] = (-1.0, 1.0)) -> Iterator[Block | None]:
    """Blocks of normal numbers of ten significant bits whose runs of eight have magnitudes of their own."""
    fmt = subject.fmt
    rng = np.random.default_rng(12)
    size = min(block_size(fmt), 64)
    target = float(fmt.candidates[0].target)
    for _ in range(count):
        magnitudes = np.abs(rng.standard_normal(size)) * 2.0 ** np.repeat(rng.integers(-3, 2, -(-size // 8)), 8)[:size]
        signed = magnitudes * rng.choice(signs, size)
        scaled = signed / magnitudes.max() * target * rng.choice((1.0, 0.8, 1.7))
        yield cleaned(subject, Block(tuple(short(x) for x in scaled.tolist()), 0), FREE, quiet_level(fmt))


def statistics(subject: Subject) -> Iterator[Case]:
    """Blocks whose root mean square, not their amax, decides the scale."""
    if subject.fmt.statistic is Statistic.RMS:
        yield from cases(subject, _random_blocks(subject, 6))


def encoded_scales(subject: Subject) -> Iterator[Case]:
    """Blocks whose inverse scale is what is rounded."""
    if subject.fmt.scale_domain is ScaleDomain.ENCODE:
        yield from cases(subject, _random_blocks(subject, 6))


def micro_exponents(subject: Subject) -> Iterator[Case]:
    """Blocks whose runs have different magnitudes, so that their exponent bits differ."""
    if subject.fmt.micro_exponents:
        yield from cases(subject, _random_blocks(subject, 6))


def peaks(subject: Subject) -> Iterator[Case]:
    """Largest magnitudes that only the peak's finer grid holds, also two equal ones."""
    fmt = subject.fmt
    if fmt.peak is not Peak.EXTRA_MANTISSA:
        return
    lowest = Fraction(2) ** fmt.element.max_exponent
    blocks = list[Block | None]()
    for part in ("17/16", "21/16", "27/16", "31/16"):
        peak = nearest(lowest * Fraction(part))
        blocks.append(Block((peak / 8, 0.0, peak, float(lowest) / 2), 4))
        blocks.append(Block((0.0, -peak, float(lowest) / 2, peak), 4))
    yield from cases(subject, [cleaned(subject, block) for block in blocks if block])


def zero_points(subject: Subject) -> Iterator[Case]:
    """Ranges on one side of zero and across it, whose zero point has to be rounded or clamped."""
    if subject.fmt.zero_point is ZeroPoint.INTEGER:
        for signs in ((-1.0, 1.0), (1.0, 1.0), (-1.0, -1.0)):
            yield from cases(subject, _random_blocks(subject, 2, signs))


def corrections(subject: Subject) -> Iterator[Case]:
    """Groups whose elements are together too short or too long."""
    if subject.fmt.correction is Correction.EDEN:
        yield from cases(subject, _random_blocks(subject, 4))


def sparse_runs(subject: Subject) -> Iterator[Case]:
    """Runs with equal magnitudes, and runs where a small number is all that is kept."""
    if subject.fmt.sparsity is None or subject.fmt.block is None:
        return
    kept, run = subject.fmt.sparsity
    rng = np.random.default_rng(24)
    length = max(2 * block_size(subject.fmt), 2 * run)
    numbers = rng.choice(np.array([1.0, -1.0, 2.0, -2.0, 4.0, 0.5, 0.0], np.float32), length).astype(np.float32)
    numbers[: kept + 1] = 4.0
    if not subject.is_stochastic:
        yield Case(x=along_axis(subject, numbers), arguments=subject.draws)
