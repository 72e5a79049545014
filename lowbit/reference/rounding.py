"""Exact rounding of one number to an element, in every mode of contract §5.

A number lies between two neighbours of the grid; its distance d from the lower one, as a fraction of the gap, is an
exact rational, and every mode is one comparison of d.
"""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from math import copysign, isinf, isnan

from lowbit.errors import ArgumentError, FormatError, NonfiniteError
from lowbit.formats import Element, FloatElement, Overflow, Rounding, StochasticRule
from lowbit.formats.rounding import enum_member
from lowbit.reference.grid import Grid, Side, grid_of, next_beyond

HALF = Fraction(1, 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """Stochastic rounding of one element: the rule and its random integer, uniform in [0, 2^bits)."""

    rule: StochasticRule
    bits: int
    random: int


Mode = Rounding | Draw


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounded:
    """A number rounded to a grid, step by step.

    `code` is the result. `low` and `high` are the neighbours (magnitudes, or signed values on a signed list) with their
    codes, `distance` is where the number lies between them, 0 to 1, and `up` whether it took the upper one. A number on
    the grid, or beyond its end when saturating, has no upper neighbour and no distance; NaN and infinities that become
    special values have neither neighbour. `high_code` is None where the upper neighbour stands for overflow.
    """

    code: int
    low: Fraction | None = None
    low_code: int | None = None
    high: Fraction | None = None
    high_code: int | None = None
    distance: Fraction | None = None
    up: bool = False


def round(
    y: float | Fraction,
    element: Element,
    rounding: str = "nearest_even",
    *,
    bits: int | None = None,
    random: int | None = None,
    overflow: str = "saturate",
) -> float:
    """The value of `element` that `y` rounds to.

    With `bits` and `random` (0 <= random < 2^bits) rounding is stochastic and `rounding` names its rule: midpoint,
    nearest_even, nearest_odd or biased. Stochastic rounding saturates in both overflow modes.
    NaN gives NaN; infinities give the largest value when saturating, else Inf, or NaN where there is no Inf. -0 stays
    -0, and negative numbers that round to zero give -0, in elements that have it; others give +0. A negative number
    gives the smallest value of an unsigned element (NaN with inf_nan).
    Raises NonfiniteError for NaN where the element has none, FormatError for overflow="inf_nan" where it has neither
    Inf nor NaN, ArgumentError for unknown names or a random number that does not fit. Source: contract §1, §5.
    """
    policy = enum_member(Overflow, overflow, "overflow")
    code = round_to_code(y, grid_of(element), _mode(rounding, bits, random), policy)
    return element.decode(code)


def round_to_code(y: float | Fraction, grid: Grid, mode: Mode, overflow: Overflow) -> int:
    """As `round`, giving the code."""
    return rounded(y, grid, mode, overflow).code


def rounded(y: float | Fraction, grid: Grid, mode: Mode, overflow: Overflow) -> Rounded:
    """As `round`, giving the code and how it came about."""
    if overflow is Overflow.INF_NAN:
        _overflow_code(grid.element, negative=False)  # refuses elements without a special value, whatever y is
    if isnan(y):
        return Rounded(code=_nan_code(grid.element))
    negative = copysign(1.0, y) < 0 if isinstance(y, float) else y < 0
    if isinf(y):
        if overflow is Overflow.INF_NAN:
            return Rounded(code=_overflow_code(grid.element, negative=negative))
        y = copysign(2 * grid.element.max, y)  # beyond every neighbour: saturates below
    side, position = (grid.positive, y) if grid.is_signed_list else (_side(grid, negative), abs(y))
    if not side.values:  # a negative number, an unsigned element
        below = overflow is Overflow.INF_NAN and y != 0
        return Rounded(code=_overflow_code(grid.element, negative=True) if below else grid.positive.codes[0])
    return _rounded_on_side(position, grid, side, mode=mode, overflow=overflow, negative=negative)


def _rounded_on_side(
    position: float | Fraction, grid: Grid, side: Side, *, mode: Mode, overflow: Overflow, negative: bool
) -> Rounded:
    """Rounds a position on a side of the grid; `negative` is the sign of the number."""
    index = max(bisect_right(side.values, position) - 1, 0)
    low, low_code = Fraction(side.values[index]), side.codes[index]
    last = index + 1 == len(side.values)
    if position <= low or (last and (overflow is Overflow.SATURATE or isinstance(mode, Draw))):
        return Rounded(code=low_code, low=low, low_code=low_code)
    high, high_code = (
        (_beyond(grid.element), None) if last else (Fraction(side.values[index + 1]), side.codes[index + 1])
    )
    distance = min((Fraction(position) - low) / (high - low), Fraction(1))
    mirrored = negative and not grid.is_signed_list
    up = goes_up(distance, low_code, mode, mirrored=mirrored, outward=abs(high) >= abs(low))
    code = low_code
    if up:
        code = _overflow_code(grid.element, negative=negative) if high_code is None else high_code
    return Rounded(code=code, low=low, low_code=low_code, high=high, high_code=high_code, distance=distance, up=up)


def goes_up(distance: Fraction, low_code: int, mode: Mode, *, mirrored: bool, outward: bool) -> bool:
    """Whether a number at 0 < distance between its neighbours takes the upper one.

    `mirrored`: the neighbours are magnitudes of a negative number, so up means toward minus infinity. `outward`: the
    upper neighbour is the farther one from zero, or as far: on a signed list neighbours may have zero between them.
    """
    if isinstance(mode, Draw):
        return stochastic_up(distance, mode)
    match mode:
        case Rounding.NEAREST_EVEN:
            return distance > HALF or (distance == HALF and low_code % 2 == 1)
        case Rounding.NEAREST_AWAY:
            return distance > HALF or (distance == HALF and outward)
        case Rounding.TOWARD_ZERO:
            return not outward
        case Rounding.TOWARD_POSITIVE:
            return not mirrored
        case Rounding.TOWARD_NEGATIVE:
            return mirrored
        case Rounding.TO_ODD:
            return low_code % 2 == 0
        case Rounding.STOCHASTIC:
            raise ArgumentError("rounding='stochastic' needs random bits; give bits= and random=")


def stochastic_up(distance: Fraction, draw: Draw) -> bool:
    """The four rules of contract §5 for 0 <= distance < 1."""
    whole = 1 << draw.bits
    match draw.rule:
        case StochasticRule.MIDPOINT:
            return distance + Fraction(2 * draw.random + 1, 2 * whole) >= 1
        case StochasticRule.BIASED:
            return distance + Fraction(draw.random, whole) >= 1
        case StochasticRule.NEAREST_EVEN | StochasticRule.NEAREST_ODD:
            steps, rest = divmod(distance * whole, 1)
            odd = steps % 2 == 1
            tie_up = odd if draw.rule is StochasticRule.NEAREST_EVEN else not odd
            steps += int(rest > HALF or (rest == HALF and tie_up))
            return steps + draw.random >= whole


def _mode(rounding: str, bits: int | None, random: int | None) -> Mode:
    if bits is None and random is None:
        return enum_member(Rounding, rounding, "rounding")
    if bits is None or random is None or bits < 1 or not 0 <= random < 1 << bits:
        raise ArgumentError(f"bits={bits}, random={random}: stochastic rounding needs both, with 0 <= random < 2^bits")
    return Draw(rule=enum_member(StochasticRule, rounding, "rounding"), bits=bits, random=random)


def _side(grid: Grid, negative: bool) -> Side:
    return grid.negative if negative and grid.negative is not None else grid.positive


def _beyond(element: Element) -> Fraction:
    assert isinstance(element, FloatElement)  # only floats have a special value to overflow to
    return next_beyond(element)


def _nan_code(element: Element) -> int:
    if element.nan_code is None:
        raise NonfiniteError(f"{element.name} has no NaN; remove NaN from the input or use a format that has it")
    return element.nan_code


def _overflow_code(element: Element, *, negative: bool) -> int:
    """The code of ±Inf, or of NaN where there is no Inf; only a float's grid says where overflow begins."""
    if element.has_nan and not isinstance(element, FloatElement):
        raise FormatError(f"overflow='inf_nan' is defined for floats, {element.name} is none; use 'saturate'")
    if isinstance(element, FloatElement) and element.inf_code is not None:
        if negative and element.signed:
            return element.inf_code | (1 << element.magnitude_bits)
        return element.nan_code if negative and element.nan_code is not None else element.inf_code
    if element.nan_code is None:
        raise FormatError(f"{element.name} has neither Inf nor NaN: overflow='inf_nan' needs one; use 'saturate'")
    return element.nan_code
