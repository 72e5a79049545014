"""The steps of the scales: tensor amax, the block's statistic, and every candidate's scale (contract §3, §4, §12)."""

from fractions import Fraction
from typing import Any

from lowbit.explanations.blocks import BlockPlace, OneElement
from lowbit.explanations.numbers import bits_text, code_text, number_text
from lowbit.explanations.records import Step
from lowbit.explanations.rounding_steps import Target, rounding_steps
from lowbit.formats import BlockFormat, Rounding, ScaleFloor, ScaleRule, Select, Statistic, ZeroPoint
from lowbit.reference.binary32 import FLT_MAX, ceil_log2, floor_log2
from lowbit.reference.candidates import Candidate
from lowbit.reference.level import Level
from lowbit.reference.scale import BlockScale, scale_element
from lowbit.reference.statistic import BlockStatistic
from lowbit.reference.tensor_scale import largest_product

EXPONENTS = {
    ScaleRule.FLOOR: "floor(log2 amax) - floor(log2 T)",
    ScaleRule.EVEN: "floor(log2(amax + half a unit of its last kept place)) - floor(log2 T)",
    ScaleRule.CEIL: "ceil(log2 amax) - floor(log2 T)",
    ScaleRule.RCEIL: "ceil(log2(statistic / T)), exact",
    ScaleRule.NEAREST: "round(log2(statistic / T)), exact, ties up",
    ScaleRule.MSE: "floor(log2 amax) - floor(log2 T), and one more",
}


def binary32_step(section: str, symbol: str, name: str, value: float, formula: str, clause: str, *notes: str) -> Step:
    """A step whose value is a binary32 number."""
    return Step(
        section=section, name=name, symbol=symbol, value=value, bits=bits_text(value), formula=formula, clause=clause,
        notes=notes,
    )  # fmt: skip


def tensor_steps(fmt: BlockFormat, level: Level, given: str) -> list[Step]:
    """A, g and t of a two-level format; `given` says where A comes from."""
    if fmt.tensor_target is None:
        return []
    section, scale = "tensor scale", level.scale
    notes = ("A = 0: every value is zero",) if scale.amax == 0 else ()
    clamped = ("g is clamped to the largest binary32 number",) if scale.encode == FLT_MAX else ()
    product = largest_product(fmt)
    return [
        binary32_step(section, "A", "tensor amax", scale.amax, given, "§4", *notes),
        binary32_step(section, "S·T", "largest product", product, "fl(S × T), S the target of the largest scale", "§4"),
        binary32_step(section, "g", "encode scale", scale.encode, "min(fl(fl(S·T) / A), FLT_MAX)", "§4", *clamped),
        binary32_step(section, "t", "decode scale", scale.decode, "fl(A / fl(S·T)); fl(1/g) where g is clamped", "§4"),
    ]


def statistic_steps(fmt: BlockFormat, found: OneElement, place: BlockPlace, level: Level) -> list[Step]:
    """The number that stands for the block, and which element gave it."""
    section = "block scale"
    where = number_text(place.member(found.peak_place))
    if fmt.zero_point is ZeroPoint.INTEGER:
        return [
            binary32_step(section, "max", "largest number", found.high, "the largest of the block and 0", "§12"),
            binary32_step(section, "min", "smallest number", found.low, "the smallest of the block and 0", "§12"),
        ]
    statistic = found.block.statistic
    if statistic is None:
        return []
    zeros = ("a block of zeros",) if statistic.square == 0 else ()
    if fmt.statistic is Statistic.RMS:
        formula = "root of the mean square; squares summed in order in binary64"
        return [binary32_step(section, "RMS", "root mean square", statistic.magnitude, formula, "§12", *zeros)]
    formula = f"largest magnitude of the block, element {where}" if level.block_amax is None else "given tensor_amax"
    return [binary32_step(section, "amax", "block amax", statistic.magnitude, formula, "§3", *zeros)]


def candidate_steps(fmt: BlockFormat, found: OneElement) -> list[Step]:
    """Every candidate's scale and error, and the winner."""
    block, steps = found.block, list[Step]()
    several = len(block.candidates) > 1
    for number, candidate in enumerate(block.candidates):
        section = f"block scale, candidate {number}: {candidate.way}" if several else "block scale"
        target = float(candidate.way.target)
        if fmt.zero_point is ZeroPoint.NONE:
            name = "what the statistic maps to on the element grid"
            steps.append(binary32_step(section, "T", "target of the statistic", target, name, "§3"))
        steps += _scale_steps(section, fmt, candidate.scale, block.statistic, candidate)
        if candidate.error is not None:
            what = "Σ |d|" if fmt.select is Select.MAE else "Σ fl(d·d)"
            formula = f"{what} over the block, d = decoded - x, elements rounded to nearest even"
            steps.append(binary32_step(section, "error", "error of the block", candidate.error, formula, "§4"))
    if several:
        formula = "the smallest error; a later candidate must be strictly smaller"
        steps.append(_step("block scale", "chosen", "winner", block.chosen, "", formula, "§4"))
    return steps


def _scale_steps(
    section: str, fmt: BlockFormat, scale: BlockScale, statistic: BlockStatistic | None, candidate: Candidate
) -> list[Step]:
    if fmt.is_power_of_two_scale:
        return _power_of_two_steps(section, fmt, scale, statistic, candidate)
    clause = "§4" if fmt.tensor_target is not None else "§3"
    steps = [
        binary32_step(section, f"p{number}", "part of the target", part.value, part.formula, clause)
        for number, part in enumerate(scale.parts, start=1)
    ]
    element = scale_element(fmt)
    if scale.rounded is not None and scale.parts:
        mode = Rounding.TOWARD_POSITIVE if fmt.scale_rule is ScaleRule.CEIL else Rounding.NEAREST_EVEN
        target = scale.parts[-1].value
        grid = Target(section=section, symbol="target", grid=f"the scale grid {element.name}", bits=element.bits)
        steps += rounding_steps(target, scale.rounded, mode, grid)
    notes: list[str] = []
    if scale.value == 0 and any(part.value for part in scale.parts):
        notes.append("the scale underflows to zero: the block decodes to zeros")
    if fmt.scale_floor is ScaleFloor.ONE and scale.rounded is not None and element.decode(scale.rounded.code) == 0:
        notes.append("scale_floor=one: a scale that would be zero becomes one")
    return [*steps, scale_step(section, fmt, scale, "the last part on the scale's grid", *notes)]


def scale_step(section: str, fmt: BlockFormat, scale: BlockScale, formula: str, *notes: str) -> Step:
    """The scale with its code."""
    element = scale_element(fmt)
    pattern = bits_text(scale.value) if fmt.is_float32_scale else code_text(scale.code, element.bits)
    return _step(section, "s", "block scale", scale.value, pattern, formula, "§3", *notes)


def _power_of_two_steps(
    section: str, fmt: BlockFormat, scale: BlockScale, statistic: BlockStatistic | None, candidate: Candidate
) -> list[Step]:
    element = scale_element(fmt)
    if scale.exponent is None or statistic is None:
        return [scale_step(section, fmt, scale, "a block of zeros takes the smallest scale, code 0")]
    assert fmt.scale_rule is not None
    amax, emax = Fraction(statistic.magnitude), floor_log2(candidate.way.target)
    formula = EXPONENTS[fmt.scale_rule]
    if fmt.statistic is Statistic.RMS and fmt.scale_rule is ScaleRule.FLOOR:
        formula = "floor(log2(RMS / T)), exact"
    elif fmt.scale_rule in (ScaleRule.FLOOR, ScaleRule.MSE):
        formula += f" = {floor_log2(amax)} - {emax}"
    elif fmt.scale_rule is ScaleRule.CEIL:
        formula += f" = {ceil_log2(amax)} - {emax}"
    exact = Fraction(2) ** scale.exponent
    clamped = (
        () if exact == Fraction(scale.value) else (f"the exponent {scale.exponent} is clamped to the scale's range",)
    )
    beside = [code for code in (scale.code - 1, scale.code + 1) if 0 <= code <= element.max_code]
    texts = [f"{number_text(element.decode(code))} ({code_text(code, element.bits)})" for code in beside]
    around = f"2^e; beside it on the scale grid: {' and '.join(texts)}"
    return [
        _step(section, "e", "scale exponent", scale.exponent, "", formula, "§3"),
        scale_step(section, fmt, scale, around, *clamped),
    ]


def _step(section: str, symbol: str, name: str, value: Any, bits: str, formula: str, clause: str, *notes: str) -> Step:
    return Step(
        section=section, name=name, symbol=symbol, value=value, bits=bits, formula=formula, clause=clause, notes=notes
    )
