"""How a block's largest magnitude becomes its scale, and how the scale divides the elements (contract §3 and §4).

Every `fl`, `multiply` and `divide` below is one of the roundings that the contract names; everything else is exact.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import copysign

from lowbit.errors import UnsupportedError
from lowbit.formats import Arithmetic, BlockFormat, FloatElement, Overflow, Rounding, ScaleFloor, ScaleRule
from lowbit.reference.binary32 import FLT_MAX, ceil_log2, divide, fl, floor_log2, from_bits, multiply, to_bits
from lowbit.reference.grid import grid_of
from lowbit.reference.rounding import round_to_code

QUIET_NAN = 0x7FC00000
"""Pattern of the NaN that a binary32 scale gets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorScale:
    """The second level: `encode` (g of contract §4) multiplies on the way in, `decode` (t) on the way out."""

    encode: float
    decode: float


ONE_LEVEL = TensorScale(encode=1.0, decode=1.0)
"""Stands for no tensor scale: multiplying or dividing by 1 changes nothing."""


@dataclass(frozen=True, slots=True)
class BlockScale:
    """A stored scale: its code (for binary32 scales the 32-bit pattern) and the value the code stands for."""

    code: int
    value: float


def tensor_scale_from_amax(fmt: BlockFormat, amax: float) -> TensorScale:
    """g = min(fl(fl(S·M) / A), FLT_MAX) and t = fl(A / fl(S·M)), or t = fl(1/g) where g was clamped (as for A = 0)."""
    largest = _largest(fmt)
    unclamped = divide(largest, amax)
    if unclamped > FLT_MAX:
        return TensorScale(encode=FLT_MAX, decode=divide(1.0, FLT_MAX))
    return TensorScale(encode=unclamped, decode=divide(amax, largest))


def tensor_scale_from_static(scale: float) -> TensorScale:
    """g = fl(1/t), clamped to FLT_MAX like the dynamic one; t itself decodes."""
    return TensorScale(encode=min(divide(1.0, scale), FLT_MAX), decode=scale)


def choose_scale(amax: float, fmt: BlockFormat, tensor: TensorScale = ONE_LEVEL) -> BlockScale:
    """The scale of a block whose largest magnitude is `amax` (finite, >= 0)."""
    if fmt.is_power_of_two_scale:
        return power_of_two_scale(amax, fmt)
    target = _scale_target(amax, fmt, tensor)
    scale = scale_element(fmt)
    if fmt.scale_floor is ScaleFloor.MIN_NORMAL:
        target = max(target, scale.min_normal)
    rounded = _round_scale(target, fmt)
    if fmt.scale_floor is ScaleFloor.ONE and rounded.value == 0:
        return _scale_of_value(1.0, scale)
    return rounded


def power_of_two_scale(amax: float, fmt: BlockFormat) -> BlockScale:
    """The exponent that the rule gives, clamped to the scale's range; code 0 for a block of zeros."""
    scale = scale_element(fmt)
    if amax == 0:
        return BlockScale(0, scale.decode(0))
    smallest, largest = floor_log2(Fraction(scale.min_positive)), scale.max_exponent
    exponent = min(max(shared_exponent(Fraction(amax), fmt), smallest), largest)
    return _scale_of_value(float(Fraction(2) ** exponent), scale)


def shared_exponent(amax: Fraction, fmt: BlockFormat) -> int:
    """The scale exponent before clamping, for amax > 0: the table of contract §3."""
    largest = fmt.element.max_fraction
    match fmt.scale_rule:
        case ScaleRule.FLOOR:
            return floor_log2(amax) - floor_log2(largest)
        case ScaleRule.EVEN:
            exponent = floor_log2(amax)
            significand = amax / Fraction(2) ** exponent
            assert isinstance(fmt.element, FloatElement)  # the format refuses the rule for other elements
            half_unit = Fraction(1, 2 ** (fmt.element.mantissa_bits + 1))
            return exponent + floor_log2(significand + half_unit) - floor_log2(largest)
        case ScaleRule.CEIL:
            return ceil_log2(amax) - floor_log2(largest)
        case ScaleRule.RCEIL:
            return ceil_log2(amax / largest)
        case ScaleRule.NEAREST_EVEN | None:
            raise UnsupportedError(f"scale rule {fmt.scale_rule} has no power-of-two form; use floor or rceil")


def scaled(x: float, scale: BlockScale, fmt: BlockFormat, tensor: TensorScale = ONE_LEVEL) -> float | Fraction:
    """x in units of the element grid, about to be rounded to an element (contract §3 and §4).

    Exact for power-of-two scales. With a scale that underflowed to zero the codes are zeros, signs kept; only
    TransformerEngine's arithmetic, whose factor is clamped to FLT_MAX, gives such a block its largest codes (they
    decode to ±0 all the same). torchao's inverses are clamped in the same way, which contract §4 leaves open.
    """
    if x == 0:
        return x
    if fmt.is_power_of_two_scale:
        return Fraction(x) / Fraction(scale.value)
    match fmt.arithmetic:
        case Arithmetic.TRANSFORMER_ENGINE:
            effective = multiply(scale.value, divide(1.0, tensor.encode))
            return multiply(x, min(divide(1.0, effective), FLT_MAX))
        case Arithmetic.TORCHAO:
            if not scale.value:
                return copysign(0.0, x)
            inverse = min(divide(1.0, tensor.decode), FLT_MAX)
            return multiply(x, min(divide(inverse, scale.value), FLT_MAX))
        case Arithmetic.DIVIDE | None:
            effective = multiply(scale.value, tensor.decode)
            return divide(x, effective) if effective else copysign(0.0, x)


def decode_scale(code: int, fmt: BlockFormat) -> float:
    """The value of a stored scale code."""
    return from_bits(code) if fmt.is_float32_scale else scale_element(fmt).decode(code)


def nan_scale_code(fmt: BlockFormat) -> int | None:
    """The code that marks a block with NaN or infinity, or None where the scale has no NaN."""
    return QUIET_NAN if fmt.is_float32_scale else scale_element(fmt).nan_code


def scale_element(fmt: BlockFormat) -> FloatElement:
    """The scale's element of a block format."""
    assert fmt.scale is not None  # callers handle plain casts first
    return fmt.scale


def _largest(fmt: BlockFormat) -> float:
    """fl(S·M): the largest magnitude that two levels of scales can reach before the tensor scale."""
    assert fmt.tensor_target is not None  # callers handle one-level formats first
    return fl(fmt.tensor_target * fmt.element.max_fraction)


def _scale_target(amax: float, fmt: BlockFormat, tensor: TensorScale) -> float:
    """What the scale would be if its grid had every binary32 number."""
    largest = fmt.element.max_fraction
    if fmt.arithmetic is Arithmetic.TRANSFORMER_ENGINE:
        assert fmt.tensor_target is not None  # the format refuses this arithmetic with one level
        target = multiply(amax, multiply(tensor.encode, fl(1 / largest)))
        return target if target <= fmt.tensor_target else float(fmt.tensor_target)
    return divide(fl(Fraction(amax) / largest), tensor.decode)


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
