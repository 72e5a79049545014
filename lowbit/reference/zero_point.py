"""Unsigned integers with a zero point: the range of a block, not its magnitude, meets the codes (contract §12)."""

from collections.abc import Sequence
from fractions import Fraction
from math import copysign, floor, isfinite

from lowbit.formats import BlockFormat, Rounding
from lowbit.reference.binary32 import FLT_MAX, add, divide
from lowbit.reference.elements import Encoded
from lowbit.reference.rounding import Mode, goes_up
from lowbit.reference.scale import BlockScale, float_scale
from lowbit.reference.tensor_scale import TensorScale
from lowbit.reference.units import scaled, unscaled


def range_scale(numbers: Sequence[float], fmt: BlockFormat) -> BlockScale:
    """q(fl(fl(hi - lo) / M)), with hi and lo the largest and smallest number of the block and zero."""
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    return float_scale(divide(add(high, -low), float(fmt.element.max_fraction)), fmt)


def encode(
    numbers: Sequence[float], modes: Sequence[Mode], scale: BlockScale, fmt: BlockFormat, tensor: TensorScale
) -> Encoded:
    """clamp(n + z, 0, M), n the integer that fl(x / scale) rounds to; side bits: z."""
    largest = int(fmt.element.max_fraction)
    low = min(0.0, *numbers)
    zero = round_to_integer(divide(-low, scale.value), Rounding.NEAREST_EVEN) if scale.value else 0
    zero = min(max(zero, 0), largest)
    units = tuple(scaled(x, scale, fmt, tensor) for x in numbers)
    integers = [round_to_integer(y, mode) for y, mode in zip(units, modes, strict=True)]
    return Encoded(tuple(min(max(n + zero, 0), largest) for n in integers), zero, units)


def decode(codes: Sequence[int], scale: BlockScale, side: int, fmt: BlockFormat, tensor: TensorScale) -> list[float]:
    """fl((code - z) × scale)."""
    return [unscaled(float(code - side), scale, fmt, tensor) for code in codes]


def round_to_integer(y: float | Fraction, mode: Mode) -> int:
    """y as an integer in any rounding mode (an infinity as the integer beyond all codes)."""
    if not isfinite(y):
        return int(copysign(FLT_MAX, y))
    magnitude, negative = abs(Fraction(y)), y < 0
    below = floor(magnitude)
    if magnitude != below and goes_up(magnitude - below, below, mode, mirrored=negative, outward=True):
        below += 1
    return -below if negative else below
