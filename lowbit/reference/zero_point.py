"""Unsigned integers with a zero point: the range of a block, not its magnitude, meets the codes (contract §12)."""

from collections.abc import Sequence
from fractions import Fraction
from math import copysign, floor, isfinite

from lowbit.formats import BlockFormat, Rounding
from lowbit.reference.binary32 import FLT_MAX, add, divide
from lowbit.reference.elements import Encoded
from lowbit.reference.parts import Part
from lowbit.reference.rounding import Mode, Rounded, goes_up
from lowbit.reference.scale import BlockScale, float_scale
from lowbit.reference.tensor_scale import TensorScale
from lowbit.reference.units import scaled, unscaled


def range_scale(numbers: Sequence[float], fmt: BlockFormat) -> BlockScale:
    """q(fl(fl(hi - lo) / M)), with hi and lo the largest and smallest number of the block and zero."""
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    width = Part("fl(hi - lo)", add(high, -low))
    return float_scale([width, Part("fl(fl(hi - lo) / M)", divide(width.value, float(fmt.element.max_fraction)))], fmt)


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
    return rounded_integer(y, mode).code


def rounded_integer(y: float | Fraction, mode: Mode) -> Rounded:
    """As `round_to_integer`, with the neighbours of the magnitude; `code` is the signed integer."""
    if not isfinite(y):
        return Rounded(code=int(copysign(FLT_MAX, y)))
    magnitude, negative = abs(Fraction(y)), y < 0
    below, sign = floor(magnitude), -1 if negative else 1
    if magnitude == below:
        return Rounded(code=sign * below, low=magnitude, low_code=below)
    up = goes_up(magnitude - below, below, mode, mirrored=negative, outward=True)
    return Rounded(
        code=sign * (below + up),
        low=Fraction(below),
        low_code=below,
        high=Fraction(below + 1),
        high_code=below + 1,
        distance=magnitude - below,
        up=up,
    )
