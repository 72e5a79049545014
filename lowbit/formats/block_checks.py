"""Which fields of a block format fit together. Every refusal names the field that does not fit and what would."""

from fractions import Fraction
from typing import TYPE_CHECKING

from lowbit.errors import FormatError
from lowbit.formats.codes import MAX_ENUMERATED_BITS, Element
from lowbit.formats.elements import SCALES
from lowbit.formats.floats import FloatElement
from lowbit.formats.grids import IntElement, number_text
from lowbit.formats.rounding import (
    Arithmetic,
    Correction,
    Overflow,
    Peak,
    ScaleDomain,
    ScaleFloor,
    ScaleRule,
    Statistic,
    ZeroPoint,
)

if TYPE_CHECKING:
    from lowbit.formats.block import BlockFormat

POWER_OF_TWO_RULES = (
    ScaleRule.FLOOR,
    ScaleRule.EVEN,
    ScaleRule.CEIL,
    ScaleRule.RCEIL,
    ScaleRule.NEAREST,
    ScaleRule.MSE,
)
FLOAT_RULES = (ScaleRule.NEAREST_EVEN, ScaleRule.CEIL)
RMS_RULES = (ScaleRule.FLOOR, ScaleRule.RCEIL, ScaleRule.NEAREST, *FLOAT_RULES)
MAX_SIDE_BITS = 32
MAX_SPARSITY_RUN = 64


def check_format(fmt: "BlockFormat") -> None:
    """FormatError for the first contradiction among the fields."""
    _check_element(fmt)
    _check_sparsity(fmt)
    if fmt.scale is None or fmt.block is None:
        _check_cast(fmt)
        return
    _check_tensor_target(fmt)
    _check_rule(fmt)
    _check_scale_options(fmt)
    _check_candidates(fmt)
    _check_side_bits(fmt)
    _check_correction(fmt)


def can_overflow(element: Element) -> bool:
    """Whether numbers beyond the largest value can become infinity, as a wide cast's do by default."""
    return element.has_infinity and element.regular is not None and element.signed


def _check_element(fmt: "BlockFormat") -> None:
    element = fmt.element
    lacks_zero = isinstance(element, FloatElement) and not element.zero
    if element in SCALES or lacks_zero or element.bits > MAX_ENUMERATED_BITS:
        raise FormatError(f"element {element.name}: it is a scale; elements have a zero and at most 19 bits")
    if fmt.overflow is Overflow.INF_NAN and not element.has_nan:
        raise FormatError(f"overflow=inf_nan needs an element with NaN or infinity; {element.name} has none")
    if fmt.overflow is Overflow.INF_NAN and (element.regular is None or not element.signed):
        raise FormatError(
            f"overflow=inf_nan needs a signed float with mantissa bits, {element.name} is none; use overflow=saturate"
        )


def _check_sparsity(fmt: "BlockFormat") -> None:
    if fmt.sparsity is None:
        return
    if len(fmt.sparsity) != 2 or not 1 <= fmt.sparsity[0] < fmt.sparsity[1] <= MAX_SPARSITY_RUN:
        raise FormatError(f"sparsity={fmt.sparsity}: give (kept, of) with 1 <= kept < of <= {MAX_SPARSITY_RUN}, as 2:4")
    if fmt.block is None or len(fmt.block.sizes) != 1:
        raise FormatError("sparsity runs along the axis of 1-D blocks; the format has none, use k32 or row")


def _check_cast(fmt: "BlockFormat") -> None:
    if (fmt.block is None) != (fmt.scale is None):
        raise FormatError(f"{fmt.element.name}: a block needs a scale and a scale needs a block; give both or neither")
    if fmt.tensor_target is not None:
        raise FormatError(f"{fmt.element.name}: a tensor scale needs block scales below it; add a block and a scale")
    blocks_only = {"scale_rule", "target_max", "scale_floor", "scale_domain", "statistic", "alternatives", "select"}
    blocks_only |= {"peak", "micro_exponents", "zero_point", "correction", "correction_group", "arithmetic"}
    for option in fmt.options():
        if option in blocks_only:
            raise FormatError(f"{option}={getattr(fmt, option)} needs a block and a scale; a plain cast has neither")


def _check_tensor_target(fmt: "BlockFormat") -> None:
    target, scale = fmt.tensor_target, fmt.scale
    if target is None or scale is None:
        return
    if fmt.is_power_of_two_scale or fmt.is_float32_scale:
        raise FormatError(f"a tensor scale over {scale.name} block scales is not defined; use ue4m3 or ue5m3 scales")
    if fmt.block is None or fmt.block.is_tensor:
        raise FormatError("a tensor scale needs blocks smaller than the tensor")
    if not 0 < target <= scale.max_fraction:
        raise FormatError(f"tensor target {number_text(target)} is outside (0, {scale.max:g}] of {scale.name}")


def _check_rule(fmt: "BlockFormat") -> None:
    assert fmt.scale is not None
    allowed = POWER_OF_TWO_RULES if fmt.is_power_of_two_scale else FLOAT_RULES
    if fmt.is_float32_scale:
        allowed = (ScaleRule.NEAREST_EVEN,)
    if fmt.scale_rule not in allowed:
        names = ", ".join(rule.value for rule in allowed)
        raise FormatError(f"scale_rule={fmt.scale_rule} does not fit the scale {fmt.scale.name}; choose from: {names}")
    if fmt.scale_rule is ScaleRule.EVEN and not isinstance(fmt.element, FloatElement):
        raise FormatError(f"scale_rule=even needs a float element, not {fmt.element.name} (contract §3)")
    if fmt.statistic is Statistic.RMS:
        if fmt.scale_rule not in RMS_RULES:
            names = ", ".join(rule.value for rule in RMS_RULES if rule in allowed)
            raise FormatError(f"scale_rule={fmt.scale_rule} needs statistic=amax; with rms choose from: {names}")
        if fmt.tensor_target is not None:
            raise FormatError("statistic=rms is defined with one level of scales; leave out /ts")
    if fmt.target_max is None:
        raise FormatError(f"statistic=rms with {fmt.element.name}: give target_max, the magnitude that the RMS maps to")


def _check_scale_options(fmt: "BlockFormat") -> None:
    if fmt.is_power_of_two_scale and fmt.arithmetic is not Arithmetic.DIVIDE:
        raise FormatError("power-of-two scales divide exactly: arithmetic must be divide")
    if fmt.is_power_of_two_scale and fmt.scale_floor is not ScaleFloor.ZERO:
        raise FormatError("power-of-two scales are never zero: scale_floor must stay zero")
    if fmt.arithmetic is Arithmetic.TRANSFORMER_ENGINE and fmt.tensor_target is None:
        raise FormatError("arithmetic=transformer_engine is defined with a tensor scale; add /ts")
    if fmt.scale_domain is ScaleDomain.ENCODE:
        if fmt.is_power_of_two_scale:
            raise FormatError("scale_domain=encode: the inverse of a power of two is one; use the mirrored scale_rule")
        if fmt.is_float32_scale:
            raise FormatError("scale_domain=encode: binary32 scales are not rounded, so there is nothing to choose")
        if fmt.arithmetic not in (Arithmetic.DIVIDE, Arithmetic.TRANSFORMER_ENGINE):
            raise FormatError("scale_domain=encode is not defined with torchao's arithmetic; use arithmetic=divide")


def _check_candidates(fmt: "BlockFormat") -> None:
    chooses = len(fmt.candidates) > 1 or fmt.scale_rule is ScaleRule.MSE
    if not chooses and fmt.select is not None:
        raise FormatError(f"select={fmt.select} decides between candidates; give alternatives or scale_rule=mse")
    if not chooses:
        return
    if len(fmt.candidates) > 1 and fmt.scale_rule is ScaleRule.MSE:
        raise FormatError("scale_rule=mse is itself a choice between candidates: use another rule with alternatives")
    if fmt.statistic is not Statistic.AMAX or fmt.overflow is not Overflow.SATURATE:
        raise FormatError("candidates are compared with statistic=amax and overflow=saturate")
    if fmt.scale_domain is not ScaleDomain.DECODE:
        raise FormatError("candidates are compared with scale_domain=decode")
    for candidate in fmt.candidates[1:]:
        if candidate.element.bits != fmt.element.bits:
            raise FormatError(f"alternative {candidate}: its codes need {fmt.element.bits} bits like the element's")
        if fmt.scale_rule is ScaleRule.EVEN and not isinstance(candidate.element, FloatElement):
            raise FormatError(f"scale_rule=even needs a float element, not {candidate.element.name} (contract §3)")


def _check_side_bits(fmt: "BlockFormat") -> None:
    """Peaks, micro exponents and zero points: one kind of side bits a format."""
    peak, zero = fmt.peak is Peak.EXTRA_MANTISSA, fmt.zero_point is ZeroPoint.INTEGER
    kinds = [bool(fmt.selector_bits), peak, bool(fmt.micro_exponents), zero]
    if sum(kinds) > 1 or (len(fmt.candidates) > 1 and any(kinds[1:])):
        raise FormatError("alternatives, peak, micro_exponents and zero_point exclude each other: choose one")
    if any(kinds[1:]) and (fmt.statistic is not Statistic.AMAX or fmt.scale_rule is ScaleRule.MSE):
        raise FormatError("peak, micro_exponents and zero_point need statistic=amax and another rule than mse")
    if any(kinds[1:]) and (fmt.overflow is not Overflow.SATURATE or fmt.scale_domain is not ScaleDomain.DECODE):
        raise FormatError("peak, micro_exponents and zero_point need overflow=saturate and scale_domain=decode")
    if peak:
        _check_peak(fmt)
    if fmt.micro_exponents:
        _check_micro_exponents(fmt, fmt.micro_exponents)
    if zero:
        _check_zero_point(fmt)
    if fmt.side_bits > MAX_SIDE_BITS:
        raise FormatError(f"{fmt.side_bits} side bits a block; at most {MAX_SIDE_BITS} are stored")


def _check_peak(fmt: "BlockFormat") -> None:
    regular = isinstance(fmt.element, FloatElement) and fmt.element.mantissa_bits > 0
    largest = fmt.element.max_fraction
    if not regular or not fmt.is_power_of_two_scale or fmt.scale_rule is not ScaleRule.FLOOR:
        raise FormatError("peak=extra_mantissa needs a float element and power-of-two scales of rule floor")
    if fmt.target_max != largest or fmt.block is None or fmt.block.elements is None:
        raise FormatError("peak=extra_mantissa needs the element's own target_max and blocks of fixed size")


def _check_micro_exponents(fmt: "BlockFormat", sizes: tuple[int, ...]) -> None:
    block = fmt.block.sizes if fmt.block is not None else ()
    if len(block) != 1 or block[0] is None:
        raise FormatError("micro_exponents split 1-D blocks of fixed size, such as k64")
    for outer, inner in zip((block[0], *sizes), sizes, strict=False):
        if inner >= outer or outer % inner:
            raise FormatError(
                f"micro_exponents={sizes}: each run must divide the one around it, the block of {block[0]}"
            )


def _check_zero_point(fmt: "BlockFormat") -> None:
    if not isinstance(fmt.element, IntElement) or fmt.element.signed or fmt.element.fraction_bits:
        raise FormatError(f"zero_point=integer needs an unsigned integer element such as uint8, not {fmt.element.name}")
    if fmt.is_power_of_two_scale or fmt.tensor_target is not None or fmt.arithmetic is not Arithmetic.DIVIDE:
        raise FormatError("zero_point=integer needs one level of float scales and arithmetic=divide")
    if fmt.target_max != fmt.element.max_fraction:
        raise FormatError("zero_point=integer maps a block's range to all codes: leave out target_max")


def _check_correction(fmt: "BlockFormat") -> None:
    if fmt.correction is not Correction.EDEN:
        if fmt.correction_group is not None:
            raise FormatError(f"correction_group={fmt.correction_group} belongs to correction=eden; add it")
        return
    size = fmt.block.sizes[0] if fmt.block is not None and len(fmt.block.sizes) == 1 else None
    if size is None:
        raise FormatError("correction=eden needs 1-D blocks of fixed size, such as k16")
    if fmt.is_power_of_two_scale or fmt.is_float32_scale or fmt.scale_domain is not ScaleDomain.DECODE:
        raise FormatError("correction=eden rounds scales of a few bits stochastically: use ue4m3 or ue5m3, decoded")
    if len(fmt.candidates) > 1 or fmt.side_bits:
        raise FormatError("correction=eden does not combine with alternatives or side bits")
    if Fraction(fmt.correction_group or 0, size).denominator != 1 or not size <= (fmt.correction_group or 0) <= 4096:
        raise FormatError(f"correction_group={fmt.correction_group}: give a multiple of the block {size}, up to 4096")
