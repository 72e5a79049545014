"""How a block's statistic becomes its scale (contract §3, §4 and §12).

Every `fl`, `multiply` and `divide` below is one of the roundings that the contract names; everything else is exact.
"""

from dataclasses import dataclass
from fractions import Fraction

from lowbit.errors import UnsupportedError
from lowbit.formats import (
    Alternative,
    Arithmetic,
    BlockFormat,
    FloatElement,
    Overflow,
    Rounding,
    ScaleDomain,
    ScaleFloor,
    ScaleRule,
    Statistic,
)
from lowbit.reference.binary32 import FLT_MAX, ceil_log2, divide, fl, floor_log2, from_bits, multiply, to_bits
from lowbit.reference.grid import grid_of
from lowbit.reference.rounding import round_to_code
from lowbit.reference.statistic import BlockStatistic
from lowbit.reference.tensor_scale import ONE_LEVEL, TensorScale

QUIET_NAN = 0x7FC00000
"""Pattern of the NaN that a binary32 scale gets."""


@dataclass(frozen=True, slots=True)
class BlockScale:
    """A stored scale: its code (for binary32 scales the 32-bit pattern) and the value the code stands for."""

    code: int
    value: float


def choose_scale(
    statistic: BlockStatistic, fmt: BlockFormat, way: Alternative, tensor: TensorScale = ONE_LEVEL
) -> BlockScale:
    """The scale of a block with this statistic that is stored in this way (one of the format's candidates)."""
    if fmt.is_power_of_two_scale:
        if statistic.square == 0:
            return zero_block_scale(fmt)
        return power_of_two_scale(shared_exponent(statistic, fmt, way), fmt)
    if fmt.scale_domain is ScaleDomain.ENCODE:
        return float_scale(_encode_target(statistic.magnitude, fmt, way, tensor), fmt)
    return float_scale(_scale_target(statistic.magnitude, fmt, way, tensor), fmt)


def zero_block_scale(fmt: BlockFormat) -> BlockScale:
    """The power-of-two scale of a block of zeros: code 0, the smallest."""
    return BlockScale(0, scale_element(fmt).decode(0))


def power_of_two_scale(exponent: int, fmt: BlockFormat) -> BlockScale:
    """2^exponent, clamped to the scale's range."""
    scale = scale_element(fmt)
    smallest, largest = floor_log2(Fraction(scale.min_positive)), scale.max_exponent
    return _scale_of_value(float(Fraction(2) ** min(max(exponent, smallest), largest)), scale)


def shared_exponent(statistic: BlockStatistic, fmt: BlockFormat, way: Alternative) -> int:
    """The scale exponent before clamping, for a statistic > 0: the table of contract §3; mse gives the smaller one."""
    ratio_squared = statistic.square / way.target**2  # (statistic / T)², exact
    amax, emax = Fraction(statistic.magnitude), floor_log2(way.target)
    match fmt.scale_rule:
        case ScaleRule.FLOOR if fmt.statistic is Statistic.RMS:
            return floor_log2(ratio_squared) // 2
        case ScaleRule.FLOOR | ScaleRule.MSE:
            return floor_log2(amax) - emax
        case ScaleRule.EVEN:
            assert isinstance(way.element, FloatElement)  # the format refuses the rule for other elements
            exponent = floor_log2(amax)
            half_unit = Fraction(1, 2 ** (way.element.mantissa_bits + 1))
            return exponent + floor_log2(amax / Fraction(2) ** exponent + half_unit) - emax
        case ScaleRule.CEIL:
            return ceil_log2(amax) - emax
        case ScaleRule.RCEIL:
            return -(-ceil_log2(ratio_squared) // 2)
        case ScaleRule.NEAREST:
            return (floor_log2(ratio_squared) + 1) // 2
        case ScaleRule.NEAREST_EVEN | None:
            raise UnsupportedError(f"scale rule {fmt.scale_rule} has no power-of-two form; use floor or rceil")


def float_scale(target: float, fmt: BlockFormat) -> BlockScale:
    """`target` on the grid of a float scale by the format's rule, saturated; the scale floor applies."""
    scale = scale_element(fmt)
    if fmt.scale_floor is ScaleFloor.MIN_NORMAL:
        target = max(target, scale.min_normal)
    rounded = _round_scale(target, fmt)
    if fmt.scale_floor is ScaleFloor.ONE and rounded.value == 0:
        return _scale_of_value(1.0, scale)
    return rounded


def decode_scale(code: int, fmt: BlockFormat) -> BlockScale:
    """The scale that a stored scale code stands for."""
    return BlockScale(code, from_bits(code) if fmt.is_float32_scale else scale_element(fmt).decode(code))


def nan_scale_code(fmt: BlockFormat) -> int | None:
    """The code that marks a block with NaN or infinity, or None where the scale has no NaN."""
    return QUIET_NAN if fmt.is_float32_scale else scale_element(fmt).nan_code


def scale_element(fmt: BlockFormat) -> FloatElement:
    """The scale's element of a block format."""
    assert fmt.scale is not None  # callers handle plain casts first
    return fmt.scale


def largest_scale(fmt: BlockFormat) -> float:
    """The largest scale that can be stored."""
    return FLT_MAX if fmt.is_float32_scale else scale_element(fmt).max


def _scale_target(amax: float, fmt: BlockFormat, way: Alternative, tensor: TensorScale) -> float:
    """What the scale would be if its grid had every binary32 number."""
    if fmt.arithmetic is not Arithmetic.TRANSFORMER_ENGINE:
        return divide(fl(Fraction(amax) / way.target), tensor.decode)
    own = fmt.candidates[0].target
    if len(fmt.candidates) > 1:  # four over six: two roundings, and no bound but the largest scale
        base = multiply(fl(Fraction(amax) / own), tensor.encode)
        return min(multiply(base, fl(own / way.target)), largest_scale(fmt))
    assert fmt.tensor_target is not None  # the format refuses this arithmetic with one level
    return min(multiply(amax, multiply(tensor.encode, fl(1 / own))), float(fmt.tensor_target))


def _encode_target(amax: float, fmt: BlockFormat, way: Alternative, tensor: TensorScale) -> float:
    """min(fl(T/a), largest scale) with a = fl(amax/t); the largest scale for a block of zeros."""
    scaled_amax = divide(amax, tensor.decode)
    return min(divide(float(way.target), scaled_amax), largest_scale(fmt))


def _round_scale(target: float, fmt: BlockFormat) -> BlockScale:
    """`target` on the scale's own grid, saturated."""
    scale = scale_element(fmt)
    if fmt.is_float32_scale:
        value = min(target, FLT_MAX)
        return BlockScale(to_bits(value), value)
    mode = Rounding.TOWARD_POSITIVE if fmt.scale_rule is ScaleRule.CEIL else Rounding.NEAREST_EVEN
    code = round_to_code(target, grid_of(scale), mode, Overflow.SATURATE)
    return BlockScale(code, scale.decode(code))


def _scale_of_value(value: float, scale: FloatElement) -> BlockScale:
    return BlockScale(to_bits(value) if scale.bits == 32 else grid_of(scale).code_of(value), value)
