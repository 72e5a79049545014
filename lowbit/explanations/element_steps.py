"""The steps of the element itself: its units, its grid, the rounding, its code, and the way back to a value."""

from fractions import Fraction
from math import inf
from typing import Any

from lowbit.explanations.blocks import BlockPlace, OneElement
from lowbit.explanations.draws import Draws, logical_index
from lowbit.explanations.numbers import bits_text, code_text, number_text
from lowbit.explanations.records import Step
from lowbit.explanations.rounding_steps import Target, philox_steps, random_steps, rounding_steps
from lowbit.explanations.scale_steps import binary32_step, scale_step
from lowbit.formats import BlockFormat, FloatElement, Overflow, Peak, ScaleDomain, StochasticRule, ZeroPoint
from lowbit.reference import micro_exponents
from lowbit.reference.correction import rounded_scale
from lowbit.reference.grid import Grid, grid_of
from lowbit.reference.level import Level
from lowbit.reference.peak import peak_grid
from lowbit.reference.philox import random_bits
from lowbit.reference.rounding import Draw, Mode, Rounded, rounded
from lowbit.reference.scale import decode_scale, scale_element
from lowbit.reference.units import units
from lowbit.reference.word import split_word
from lowbit.reference.zero_point import rounded_integer

SECTION = "element"


def element_steps(
    x: float, found: OneElement, fmt: BlockFormat, level: Level, draws: Draws, position: tuple[int, ...], mode: Mode
) -> list[Step]:
    """From x to its code, in a block that has a scale (and is finite)."""
    block = found.block
    chosen = block.candidates[block.chosen]
    y = block.scaled[found.slot]
    steps = _unit_steps(x, found, fmt, level) + random_steps(SECTION, draws, position)
    if fmt.zero_point is ZeroPoint.INTEGER:
        return steps + _zero_point_steps(y, found, fmt, mode)
    grid, what = grid_of(chosen.way.element), f"the grid {chosen.way.element.name}"
    if fmt.peak is Peak.EXTRA_MANTISSA and block.side == found.slot + 1:
        assert isinstance(fmt.element, FloatElement)  # the format refuses other elements
        grid, what = (
            peak_grid(fmt.element),
            f"the peak's grid of {fmt.element.name}, exponent bits spent on mantissa",
        )
    return steps + _grid_steps(y, grid, mode, fmt, what)


def cast_steps(x: float, fmt: BlockFormat, draws: Draws, position: tuple[int, ...], mode: Mode) -> list[Step]:
    """From x to its code in a format without scales."""
    steps = random_steps(SECTION, draws, position)
    return steps + _grid_steps(x, grid_of(fmt.element), mode, fmt, f"the grid {fmt.element.name}", symbol="x")


def _unit_steps(x: float, found: OneElement, fmt: BlockFormat, level: Level) -> list[Step]:
    """x divided by the scale, as the format's arithmetic does it."""
    block = found.block
    how = units(block.candidates[block.chosen].scale, fmt, level.scale)
    steps = [
        binary32_step(SECTION, f"u{number}", "part of the factor", part.value, part.formula, "§4")
        for number, part in enumerate(how.parts, start=1)
    ]
    formula, notes = "fl(x / fl(s × t))", tuple[str, ...]()
    if how.exact:
        formula = "x / s, exact"
    elif how.divisor is None and how.factor is None:
        formula, notes = "zero, with the sign of x", ("the scale is zero: every code is zero",)
    elif fmt.scale_domain is ScaleDomain.ENCODE:
        formula = "fl(fl(x / t) × s)"
    elif how.factor is not None:
        formula = "fl(x × enc)"
    if fmt.micro_exponents:
        halved = micro_exponents.halvings(found.slot, block.side, fmt)
        formula += f", / 2^{halved} for its {halved} micro exponents of {len(fmt.micro_exponents)} levels"
    y = block.scaled[found.slot]
    pattern = bits_text(float(y)) if not how.exact and not fmt.micro_exponents else ""
    return [*steps, _step("y", "number in units of the grid", y, pattern, formula, "§4" if how.parts else "§3", *notes)]


def _grid_steps(
    y: float | Fraction, grid: Grid, mode: Mode, fmt: BlockFormat, what: str, symbol: str = "y"
) -> list[Step]:
    """The rounding of y to a grid, and the code."""
    overflow = fmt.overflow or Overflow.SATURATE
    found = rounded(y, grid, mode, Overflow.SATURATE if symbol == "y" and fmt.peak is Peak.EXTRA_MANTISSA else overflow)
    bits = grid.element.bits
    notes = _code_notes(y, found, grid, overflow)
    code = _step("code", "code", found.code, code_text(found.code, bits), _fields(grid, found.code), "§1", *notes)
    target = Target(section=SECTION, symbol=symbol, grid=what, bits=bits, signed=grid.is_signed_list)
    return [*rounding_steps(y, found, mode, target), code]


def _code_notes(y: float | Fraction, found: Rounded, grid: Grid, overflow: Overflow) -> tuple[str, ...]:
    if y != y:
        return ("NaN stays NaN",)
    if found.low is None and abs(y) == inf:
        return ("infinity becomes the element's special value (overflow=inf_nan)",)
    if found.low is None:
        return ("a negative number, an unsigned element: the code nearest to it, or NaN with overflow=inf_nan",)
    if found.up and found.high_code is None:
        return (f"overflow={overflow.value}: beyond the largest value, the element's special value",)
    if found.low == 0 and not found.up and y:
        return ("underflow: a number that is not zero becomes zero",)
    return ()


def _fields(grid: Grid, code: int) -> str:
    """A float's code as its sign, exponent and mantissa bits."""
    element = grid.element
    if not isinstance(element, FloatElement) or grid is not grid_of(element):
        return f"of {1 << element.bits} codes"
    text = f"{code:0{element.bits}b}"
    start = int(element.signed)
    parts = [text[:start], text[start : start + element.exponent_bits], text[start + element.exponent_bits :]]
    names = [name for name, part in zip(("sign", "exponent", "mantissa"), parts, strict=True) if part]
    return " · ".join(f"{name} {part}" for name, part in zip(names, filter(None, parts), strict=True))


def _zero_point_steps(y: float | Fraction, found: OneElement, fmt: BlockFormat, mode: Mode) -> list[Step]:
    """An integer, shifted by the zero point and clamped to the codes."""
    integer, zero, bits = rounded_integer(y, mode), found.block.side, fmt.element.bits
    code, shifted = found.block.codes[found.slot], integer.code + zero
    formula = f"clamp(n + z, 0, M) with n = {number_text(float(integer.code))}"
    notes = () if code == shifted else (f"saturated: {number_text(float(shifted))} is outside the codes",)
    return [
        *rounding_steps(y, integer, mode, Target(section=SECTION, symbol="y", grid="the integers", bits=bits)),
        _step("z", "zero point", zero, code_text(zero, bits), "clamp(round(fl(-min / s)), 0, M)", "§12"),
        _step(
            "code",
            "code",
            code,
            code_text(code, bits),
            formula,
            "§12",
            *notes,
        ),
    ]


def correction_steps(found: OneElement, fmt: BlockFormat, place: BlockPlace, draws: Draws) -> list[Step]:
    """MS-EDEN: the scale of the rounded block corrected and rounded stochastically."""
    if found.uncorrected is None or found.block.ratio is None or draws.blocks is None:
        return []
    section, scale = "corrected scale", scale_element(fmt)
    code, _ = split_word(found.uncorrected.word, fmt)
    index, seed, stream = logical_index(draws.blocks, place.index), draws.blocks.seed, draws.blocks.stream
    random = random_bits(index, bits=32, seed=seed, stream=stream)
    steps = rounded_scale(code, found.block.ratio, random, fmt)
    exact = decode_scale(code, fmt).value * found.block.ratio
    draw = Draw(rule=StochasticRule.MIDPOINT, bits=32, random=random)
    group = f"<x,x> / <x,q> over the group of {fmt.correction_group}, binary64 sums in order"
    target = Target(section=section, symbol="s·ratio", grid=f"the scale grid {scale.name}", bits=scale.bits)

    def step(symbol: str, name: str, value: Any, formula: str) -> Step:
        return Step(section=section, name=name, symbol=symbol, value=value, formula=formula, clause="§12")

    return [
        step("ratio", "ratio of the group", found.block.ratio, group),
        step("s·ratio", "corrected scale", exact, "scale × ratio, one binary64 product"),
        *philox_steps(section, index, 32, seed, stream),
        *rounding_steps(exact, steps, draw, target),
        scale_step(section, fmt, decode_scale(split_word(found.block.word, fmt)[0], fmt), "the scale that is stored"),
    ]


def _step(symbol: str, name: str, value: Any, bits: str, formula: str, clause: str, *notes: str) -> Step:
    return Step(
        section=SECTION, name=name, symbol=symbol, value=value, bits=bits, formula=formula, clause=clause, notes=notes
    )
