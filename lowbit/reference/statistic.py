"""The number that stands for a block when its scale is chosen: its largest magnitude or its root mean square."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

from lowbit.formats import BlockFormat, Statistic
from lowbit.reference.binary32 import fl


@dataclass(frozen=True, slots=True)
class BlockStatistic:
    """A block's statistic: `magnitude` as a binary32 number, for float scales, and its exact `square`.

    For the root mean square the square is the (binary64) mean square, and the magnitude is rounded from its root.
    """

    magnitude: float
    square: Fraction


def block_statistic(numbers: Sequence[float], fmt: BlockFormat, amax: float | None) -> BlockStatistic:
    """The statistic of finite numbers; `amax` replaces their own largest magnitude.

    RMS: binary64 squares, summed in order, divided by how many there are (contract §12).
    """
    if fmt.statistic is Statistic.RMS:
        mean = sum((x * x for x in numbers), start=0.0) / len(numbers)
        return BlockStatistic(fl(Fraction(sqrt(mean))), Fraction(mean))
    largest = max((abs(x) for x in numbers), default=0.0) if amax is None else amax
    return BlockStatistic(largest, Fraction(largest) ** 2)
