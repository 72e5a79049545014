"""How a block's statistic becomes its scale (contract §3, §4 and §12).

Every `fl`, `multiply` and `divide` below is one of the roundings that the contract names; everything else is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from lowbit.reference.parts import Part
from lowbit.reference.rounding import Rounded, rounded
from lowbit.reference.statistic import BlockStatistic
from lowbit.reference.tensor_scale import ONE_LEVEL, TensorScale

QUIET_NAN = 0x7FC00000
"""Pattern of the NaN that a binary32 scale gets."""


@dataclass(frozen=True, slots=True)
class BlockScale:
    """A stored scale: its code (for binary32 scales the 32-bit pattern) and the value the code stands for.

    How it came about, where it was chosen and not decoded: a power of two has its `exponent` before clamping; a float
    scale the intermediate results of its target, which are the `parts` (the last one is what was rounded), and, unless
    it is binary32 itself, how that was `rounded` to the scale's grid.
    """

    code: int
    value: float
    exponent: int | None = field(default=None, compare=False)
    parts: tuple[Part, ...] = field(default=(), compare=False)
    rounded: Rounded | None = field(default=None, compare=False)


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
    clamped = _scale_of_value(float(Fraction(2) ** min(max(exponent, smallest), largest)), scale)
    return replace(clamped, exponent=exponent)


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


def float_scale(parts: Sequence[Part], fmt: BlockFormat) -> BlockScale:
    """The target that the parts end with, on the grid of a float scale by the format's rule, saturated.

    The scale floor applies.
    """
    scale, steps = scale_element(fmt), tuple(parts)
    if fmt.scale_floor is ScaleFloor.MIN_NORMAL:
        steps += (Part("max(target, smallest normal scale)", max(steps[-1].value, scale.min_normal)),)
    nearest = replace(_round_scale(steps[-1].value, fmt), parts=steps)
    if fmt.scale_floor is ScaleFloor.ONE and nearest.value == 0:
        return replace(_scale_of_value(1.0, scale), parts=steps, rounded=nearest.rounded)
    return nearest


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


def _scale_target(amax: float, fmt: BlockFormat, way: Alternative, tensor: TensorScale) -> tuple[Part, ...]:
    """What the scale would be if its grid had every binary32 number: the last of the parts."""
    if fmt.arithmetic is not Arithmetic.TRANSFORMER_ENGINE:
        own = Part("fl(amax / T)", fl(Fraction(amax) / way.target))
        return (own, Part("fl(fl(amax / T) / t)", divide(own.value, tensor.decode)))
    own = fmt.candidates[0].target
    if len(fmt.candidates) > 1:  # four over six: two roundings, and no bound but the largest scale
        return _candidate_target(amax, fmt, way, tensor)
    assert fmt.tensor_target is not None  # the format refuses this arithmetic with one level
    inverse = Part("fl(1/T)", fl(1 / own))
    encode = Part("fl(g × fl(1/T))", multiply(tensor.encode, inverse.value))
    product = Part("fl(amax × fl(g × fl(1/T)))", multiply(amax, encode.value))
    return (inverse, encode, product, Part("min(…, S)", min(product.value, float(fmt.tensor_target))))


def _candidate_target(amax: float, fmt: BlockFormat, way: Alternative, tensor: TensorScale) -> tuple[Part, ...]:
    """Four over six: fl(base × fl(T0/T)), base = fl(fl(amax / T0) × g), T0 the target of the first candidate."""
    own = fmt.candidates[0].target
    quotient = Part("fl(amax / T0)", fl(Fraction(amax) / own))
    base = Part("base = fl(fl(amax / T0) × g)", multiply(quotient.value, tensor.encode))
    product = Part("fl(base × fl(T0/T))", multiply(base.value, fl(own / way.target)))
    return (quotient, base, product, Part("min(…, largest scale)", min(product.value, largest_scale(fmt))))


def _encode_target(amax: float, fmt: BlockFormat, way: Alternative, tensor: TensorScale) -> tuple[Part, ...]:
    """min(fl(T/a), largest scale) with a = fl(amax/t); the largest scale for a block of zeros."""
    own = Part("a = fl(amax / t)", divide(amax, tensor.decode))
    inverse = Part("fl(T / a)", divide(float(way.target), own.value))
    return (own, inverse, Part("min(fl(T / a), largest scale)", min(inverse.value, largest_scale(fmt))))


def _round_scale(target: float, fmt: BlockFormat) -> BlockScale:
    """`target` on the scale's own grid, saturated."""
    scale = scale_element(fmt)
    if fmt.is_float32_scale:
        value = min(target, FLT_MAX)
        return BlockScale(to_bits(value), value)
    mode = Rounding.TOWARD_POSITIVE if fmt.scale_rule is ScaleRule.CEIL else Rounding.NEAREST_EVEN
    steps = rounded(target, grid_of(scale), mode, Overflow.SATURATE)
    return BlockScale(steps.code, scale.decode(steps.code), rounded=steps)


def _scale_of_value(value: float, scale: FloatElement) -> BlockScale:
    return BlockScale(to_bits(value) if scale.bits == 32 else grid_of(scale).code_of(value), value)
