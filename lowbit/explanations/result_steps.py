"""The steps back: what the code and the block's word decode to, and how far that is from the number (contract §2)."""

from collections.abc import Sequence
from fractions import Fraction
from math import isfinite
from typing import Any

from lowbit.explanations.blocks import OneElement
from lowbit.explanations.records import Step
from lowbit.explanations.scale_steps import binary32_step
from lowbit.formats import BlockFormat, FloatElement, Peak, ScaleDomain, ZeroPoint
from lowbit.reference import micro_exponents
from lowbit.reference.level import Level
from lowbit.reference.peak import peak_grid
from lowbit.reference.scale import decode_scale, scale_element
from lowbit.reference.word import split_word

SECTION = "value"


def decode_steps(found: OneElement, fmt: BlockFormat, level: Level) -> list[Step]:
    """The element, the stored scale and their products."""
    code, side = split_word(found.block.word, fmt)
    scale = decode_scale(code, fmt).value
    width = scale_element(fmt).bits + fmt.side_bits
    word = Step(
        section=SECTION, name="block word", symbol="word", value=found.block.word,
        bits=f"0x{found.block.word:0{-(-width // 4)}X}", formula=_word_formula(fmt, code, side), clause="§12",
    )  # fmt: skip
    if scale != scale:
        note = "the block holds NaN or infinity: codes 0, the NaN scale, NaN for every element"
        return [word, binary32_step(SECTION, "value", "decoded value", found.value, "NaN", "§8", note)]
    formula = "fl(fl(element × s) × t)" if fmt.tensor_target is not None else "fl(element × s)"
    if fmt.scale_domain is ScaleDomain.ENCODE:
        formula = "fl(fl(element × min(fl(1/s), FLT_MAX)) × t)"
    element, how = _element(found, fmt, side)
    return [
        word,
        _step("element", "element", element, "", how, "§1"),
        binary32_step(SECTION, "value", "decoded value", found.value, formula, "§2"),
    ]


def narrowing_steps(value: float, narrow: float, dtype: str, bits: str) -> list[Step]:
    """The result in the tensor's own dtype, where that is not float32."""
    if dtype == "float32":
        return []
    notes = ("overflow: beyond the range of the dtype",) if isfinite(value) and not isfinite(narrow) else ()
    return [
        _step("result", f"value in {dtype}", narrow, bits, f"rounded once to {dtype}, to nearest even", "§2", *notes)
    ]


def error_steps(x: float, value: float, step_size: Fraction | None) -> list[Step]:
    """value - x, and the same in steps of the grid at that place."""
    if not (isfinite(x) and isfinite(value)):
        return []
    error = Fraction(value) - Fraction(x)
    steps = [_step("error", "error", error, "", "value - x, exact", "")]
    if step_size:
        steps.append(_step("steps", "error in steps", error / step_size, "", "error / ((hi - lo) × scale)", ""))
    return steps


def grid_gap(steps: Sequence[Step]) -> Fraction | None:
    """The distance of the element's neighbours on its grid, None where it had only one."""
    ends = {step.symbol: step.value for step in steps if step.section == "element"}
    low, high = ends.get("lo"), ends.get("hi")
    return high - low if isinstance(low, Fraction) and isinstance(high, Fraction) else None


def value_gap(steps: Sequence[Step], value: float) -> Fraction | None:
    """The same times all that the element is multiplied with; None where that is not known from a finite value."""
    gap = grid_gap(steps)
    element = next((step.value for step in steps if step.symbol == "element"), None)
    if gap is None or not isinstance(element, float) or not element or not isfinite(value) or not isfinite(element):
        return None
    return gap * abs(Fraction(value) / Fraction(element)) or None


def _element(found: OneElement, fmt: BlockFormat, side: int) -> tuple[float, str]:
    """What the code stands for before the scales, and how."""
    code = found.block.codes[found.slot]
    if fmt.zero_point is ZeroPoint.INTEGER:
        return float(code - side), "code - z"
    if fmt.peak is Peak.EXTRA_MANTISSA and side == found.slot + 1:
        assert isinstance(fmt.element, FloatElement)  # the format refuses other elements
        negative, place = divmod(code, 1 << (fmt.element.bits - 1))
        magnitude = peak_grid(fmt.element).positive.values[place]
        return (-magnitude if negative else magnitude), "the code on the peak's grid"
    if fmt.micro_exponents:
        halved = micro_exponents.halvings(found.slot, side, fmt)
        return fmt.element.decode(code) * 2**halved, f"the code's value × 2^{halved}"
    way = fmt.candidates[side if fmt.selector_bits else 0]
    return way.element.decode(code), f"the code's value in {way.element.name}"


def _word_formula(fmt: BlockFormat, code: int, side: int) -> str:
    if not fmt.side_bits:
        return "the scale's code"
    what = "zero point" if fmt.zero_point is ZeroPoint.INTEGER else "micro exponents"
    if fmt.peak is Peak.EXTRA_MANTISSA:
        what = "1 + place of the peak, 0 for none"
    elif fmt.selector_bits:
        what = "candidate"
    return f"side bits {side} ({what}) above the scale's code {code}"


def _step(symbol: str, name: str, value: Any, bits: str, formula: str, clause: str, *notes: str) -> Step:
    return Step(
        section=SECTION, name=name, symbol=symbol, value=value, bits=bits, formula=formula, clause=clause, notes=notes
    )
