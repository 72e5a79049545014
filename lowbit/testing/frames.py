"""Blocks whose scale is known before their elements are chosen, so that an element can be put exactly where a clause
wants it: on a value of the grid, on a midpoint, next to one.

The oracle settles a frame from the numbers that decide the scale (the anchor); everything derives from the format.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import frexp, isfinite, sqrt

from lowbit.formats import BlockFormat, Rounding, Statistic, ZeroPoint
from lowbit.reference.block import QuantizedBlock, quantize_block
from lowbit.reference.tensor_scale import ONE_LEVEL, TensorScale, largest_product, tensor_scale_from_amax
from lowbit.reference.units import Units, units
from lowbit.testing.numbers import between, few, nearest, shifted

CAPACITY = 64
"""Most numbers that are put into a block; longer blocks end in zeros."""

WHOLE = Units(divisor=1.0, exact=True)


@dataclass(frozen=True)
class Frame:
    """A settled block: the `anchor` at its head, the `values` (ascending, signed) its other elements may have in units
    of the grid, and the units themselves. For plain casts there is no anchor and a unit is 1.
    """

    anchor: tuple[float, ...]
    values: tuple[float, ...]
    units: Units

    @property
    def unit(self) -> Fraction:
        """About what a number is for every unit of the grid."""
        factor = Fraction(self.units.factor) if self.units.factor else Fraction(1)
        return (Fraction(self.units.divisor) if self.units.divisor else Fraction(1)) / factor

    @property
    def works(self) -> bool:
        """Whether the block has a scale at all."""
        return self.units.divisor is not None or self.units.factor is not None

    def y(self, x: float) -> Fraction:
        """A number in units of the grid (2^200 for one that overflows on the way)."""
        scaled = self.units.scaled(x)
        return Fraction(scaled) if isfinite(scaled) else Fraction(2) ** 200

    def near(self, y: Fraction) -> float:
        """The binary32 number whose multiple of the unit is about y."""
        return nearest(y * self.unit)

    def solve(self, y: Fraction) -> float | None:
        """A binary32 number that is exactly y units after the rounding of the division, None where there is none."""
        guess = self.near(y)
        return next((x for n in (0, 1, -1, 2, -2) if self.y(x := shifted(guess, n)) == y), None)

    def reachable(self, ys: Iterable[Fraction]) -> list[float]:
        """Numbers that are exactly these multiples of the unit and no larger than the anchor; others are left out."""
        return self.within(x for y in ys if (x := self.solve(y)) is not None)

    def within(self, numbers: Iterable[float]) -> list[float]:
        """The numbers that leave the scale to the anchor."""
        if not self.anchor:
            return list(numbers)
        low, high = min(0.0, *self.anchor), max(0.0, *self.anchor)
        amax = max(-low, high)
        return [x for x in numbers if (low <= x <= high if low and high else abs(x) <= amax)]

    def flip(self, middle: Fraction) -> list[float]:
        """Neighbouring binary32 numbers, the first below a midpoint in units of the grid and the second not."""
        around = sorted(shifted(self.near(middle), step) for step in range(-3, 4))
        return next(([low, high] for low, high in pairwise(around) if self.y(low) < middle <= self.y(high)), [])

    def gaps(self, count: int) -> list[tuple[Fraction, Fraction]]:
        """At most `count` pairs of neighbours, evenly spread, ascending."""
        places = few(range(len(self.values) - 1), count)
        return [(Fraction(self.values[i]), Fraction(self.values[i + 1])) for i in places]

    def midpoints(self, count: int) -> list[Fraction]:
        """The middles of those gaps."""
        return [(low + high) / 2 for low, high in self.gaps(count)]


@lru_cache(maxsize=4096)
def settle(fmt: BlockFormat, numbers: tuple[float, ...], level: TensorScale = ONE_LEVEL) -> Frame:
    """The frame of a block that begins with these numbers and ends in zeros."""
    if fmt.scale is None:
        return Frame((), fmt.element.values(), WHOLE)
    block = quantized(fmt, numbers, level)
    if not block.candidates:
        return Frame(numbers, (), Units())
    chosen = block.candidates[block.chosen]
    values = chosen.way.element.values()
    if fmt.zero_point is ZeroPoint.INTEGER:
        values = tuple(float(n - block.side) for n in range(int(fmt.element.max_fraction) + 1))
    return Frame(numbers, values, units(chosen.scale, fmt, level))


def quantized(fmt: BlockFormat, numbers: Sequence[float], level: TensorScale) -> QuantizedBlock:
    """The steps of a block, rounded to nearest even; where the statistic counts elements, zeros fill it up."""
    full = block_size(fmt) if fmt.statistic is Statistic.RMS else 0
    padded = [*numbers, *[0.0] * (full - len(numbers))]
    return quantize_block(padded, [Rounding.NEAREST_EVEN] * len(padded), fmt, tensor=level)


def block_size(fmt: BlockFormat) -> int:
    """Elements of a full block; rows and tensors, which have any length, get CAPACITY."""
    return (fmt.block.elements if fmt.block is not None else None) or CAPACITY


def quiet_level(fmt: BlockFormat) -> TensorScale:
    """The second level of a tensor whose amax makes both tensor-wide factors 1; no second level for others."""
    return ONE_LEVEL if fmt.tensor_target is None else tensor_scale_from_amax(fmt, quiet_amax(fmt))


def quiet_amax(fmt: BlockFormat) -> float:
    """The amax of that tensor."""
    return largest_product(fmt)


def quiet_anchor(fmt: BlockFormat, scale: float) -> tuple[float, ...]:
    """Numbers that give a block this scale, which the scale's grid should have: nothing is rounded on the way."""
    if fmt.scale is None:
        return ()
    if fmt.zero_point is ZeroPoint.INTEGER:
        zero = int(fmt.element.max_fraction) // 3
        return (float(fmt.element.max_fraction - zero) * scale, -zero * scale)
    target = float(fmt.candidates[0].target)
    if fmt.statistic is Statistic.RMS:  # one number among zeros, and a little more, so that others do not matter
        return (nearest(Fraction(1.2 * target * scale * sqrt(block_size(fmt)))),)
    return (nearest(Fraction(target) * Fraction(scale)),)


def quiet_scales(fmt: BlockFormat) -> tuple[float, ...]:
    """Powers of two in the middle of the scale's range, the first of them 1."""
    low, high = (-10, 10) if fmt.scale is None else (exponent_of(fmt.scale.min_positive), fmt.scale.max_exponent)
    return tuple(2.0**e for e in (0, -3, 5, 2) if low + 3 <= e <= min(high - 2, 8)) or (1.0,)


def exponent_of(value: float) -> int:
    """floor(log2) of a positive number."""
    return frexp(value)[1] - 1


def quiet_frames(fmt: BlockFormat, count: int = 2) -> list[Frame]:
    """Frames of ordinary blocks: exact scales, nothing tiny or huge."""
    level = quiet_level(fmt)
    frames = [settle(fmt, quiet_anchor(fmt, scale), level) for scale in quiet_scales(fmt)[:count]]
    return [frame for frame in frames if frame.works] if fmt.scale is not None else frames[:1]


def points(frame: Frame, parts: Sequence[float], count: int) -> list[float]:
    """Numbers a part of the way between neighbours of the grid, for at most `count` pairs of neighbours.

    None is larger than the anchor. Where the division is rounded they are near that part, and exact where they can be.
    """
    wanted = [y for low, high in frame.gaps(count) for y in between(low, high, parts)]
    found = [frame.near(y) if (x := frame.solve(y)) is None else x for y in wanted]
    return frame.within(found)
