"""Every rounding mode as numbers: the thresholds at which a number goes to its upper neighbour (contract §5).

On regular grids all modes are one formula. With t the magnitude in grid steps, b and r the random bits and their
number (b = r = 0 where nothing is drawn), the rounded magnitude is floor((R(t * 2^b) + r) / 2^b) steps, where R goes up
from a fraction on that depends on the sign and on the parity below: four numbers. Irregular grids are a table whose
entries start at exact thresholds.

A mode is one line of `_ascent`, a stochastic rule one of `_RULES`.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import frexp, inf, nan

import numpy as np

from lowbit.errors import ArgumentError
from lowbit.formats.block import BlockFormat
from lowbit.formats.codes import Element
from lowbit.formats.floats import FloatElement
from lowbit.formats.rounding import Overflow, Rounding, ScaleDomain, Stochastic, StochasticRule

PRECISION = 24
"""Significant bits of a scaled element, whatever its exponent."""

TINY = 2.0**-1000
"""Stands for the smallest positive number: below every scaled element, yet normal in binary64."""

HALF = Fraction(1, 2)

Ascent = tuple[Fraction, bool]
"""A fraction of the gap, and whether only numbers beyond it go up (else those on it do too)."""

NEAREST = (Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY)

ALWAYS, NEVER = (Fraction(0), True), (Fraction(1), False)

TABLE = np.dtype([("start", np.float64), ("value", np.float64), ("code", np.uint32)])
"""An entry of an irregular grid: numbers from `start` on, up to the next entry's, become `value`."""

TABLE_LANES = 16
"""Entries that the vector path looks up at once."""

Lanes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Starts, values and codes of a table, padded to sixteen entries."""

DRAW = np.dtype(
    [
        ("seed", np.uint64),
        ("stream", np.uint64),
        ("offset", np.uint64),  # index of the first element in the whole logical tensor
        ("length", np.int64),  # of an axis of the memory that the kernel sees
        ("stride", np.uint64),  # of that axis in the logical tensor
    ]
)
"""What random bits follow from: an entry an axis, the fastest in memory first; the first three are the same in all."""


@dataclass(frozen=True, slots=True)
class RoundingRule:
    """A mode in numbers: random bits an element, and from which fraction R goes up, by sign and parity below."""

    bits: int
    positive_even: float
    positive_odd: float
    negative_even: float
    negative_odd: float

    @property
    def is_directed(self) -> bool:
        """Whether some numbers go up however close they are to their lower neighbour."""
        return TINY in (self.positive_even, self.positive_odd, self.negative_even, self.negative_odd)


FRACTIONS = ("positive_even", "positive_odd", "negative_even", "negative_odd")
"""The fields of a rule that a plan has too."""

_RULES: dict[StochasticRule, tuple[Ascent, Ascent]] = {
    StochasticRule.MIDPOINT: ((HALF, False), (HALF, False)),
    StochasticRule.NEAREST_EVEN: ((HALF, True), (HALF, False)),
    StochasticRule.NEAREST_ODD: ((HALF, False), (HALF, True)),
    StochasticRule.BIASED: (NEVER, NEVER),
}
"""How d * 2^b is rounded to an integer that is even or odd below."""


def rounding_rule(mode: Rounding | Stochastic) -> RoundingRule:
    """The numbers of a mode on a regular grid."""
    if isinstance(mode, Stochastic):
        even, odd = (_first_number(*ascent) for ascent in _RULES[mode.rule])
        return RoundingRule(mode.bits, even, odd, even, odd)
    positive = [_first_number(*_ascent(mode, away=True, odd=odd)) for odd in (False, True)]
    # Up on the magnitudes of negative numbers is down on the line, and the lower code is the upper magnitude's.
    negative = [_first_number(*_mirrored(_ascent(mode, away=False, odd=not odd))) for odd in (False, True)]
    return RoundingRule(0, *positive, *negative)


def lower_rounding(record: np.ndarray, fmt: BlockFormat, mode: Rounding | Stochastic) -> None:
    """Fill a plan's record: the mode's numbers, where magnitudes are cut, and bounds of the vector path."""
    rule, element = rounding_rule(mode), fmt.element
    record["draw_bits"] = rule.bits
    for fraction in FRACTIONS:
        record[fraction] = getattr(rule, fraction)
    record["clamp"] = max(element.max, -float(record[0]["min"]))
    if rule.bits:  # stochastic rounding saturates
        record["overflow"], record["overflow_code"] = element.max, element.max_code
    elif fmt.overflow is Overflow.INF_NAN and mode in NEAREST:
        record["clamp"] = 4 * 2.0**element.max_exponent
    elif fmt.overflow is Overflow.INF_NAN and isinstance(element, FloatElement):  # at most one gap beyond the largest
        last_place = Fraction(2) ** (element.max_exponent - PRECISION + 1)
        record["clamp"] = float(beyond_largest(element) - last_place)
    if mode is Rounding.NEAREST_EVEN or fmt.scale is None:
        return
    # d is read from numbers that flush to zero below 2^-126: by then it must lie below all thresholds (2^-33).
    ratio = frexp(element.max / element.min_positive)[1]
    record["amax_low"] = max(int(record[0]["amax_low"]), (127 + ratio - 92) << 23)
    if rule.is_directed and not fmt.is_power_of_two_scale:
        record["least_bits"] = (127 - 40) << 23  # so that quotients are normal or zero


def vector_rounds(fmt: BlockFormat, mode: Rounding | Stochastic) -> bool:
    """Whether the vector path can round so: not where quotients may be infinite, or binary32 lacks the clamp."""
    if mode in NEAREST or fmt.overflow is not Overflow.INF_NAN:
        return True
    element = fmt.element
    return fmt.tensor_target is None and isinstance(element, FloatElement) and element.mantissa_bits < PRECISION - 2


def table_of(element: Element, mode: Rounding | Stochastic) -> np.ndarray:
    """The TABLE of an irregular grid, ascending: in deterministic modes the last start up to y is that of y's entry.

    For stochastic modes entries start at their values.
    """
    values = [Fraction(value) for value, _ in element.grid]
    starts = [-inf, *map(float, values[1:])]
    if not isinstance(mode, Stochastic):
        for entry, (low, high) in enumerate(pairwise(values)):
            odd = element.grid[entry][1] % 2 == 1
            point, beyond = _ascent(mode, away=abs(high) >= abs(low), odd=odd)
            starts[entry + 1] = _first_number(low + (high - low) * point, beyond)
    return np.array([(start, *entry) for start, entry in zip(starts, element.grid, strict=True)], TABLE)


def vector_entries(table: np.ndarray, fmt: BlockFormat, mode: Rounding | Stochastic) -> Lanes | None:
    """A small table in sixteen lanes, if the vector path finds its entries exactly.

    That is where no start or value lies near zero, so that flushed quotients compare as they should. Power-of-two
    scales round on the scaled grid, which a table is not.
    """
    no_division = fmt.is_power_of_two_scale or fmt.scale_domain is ScaleDomain.ENCODE
    if isinstance(mode, Stochastic) or fmt.element.has_negative_zero or no_division:
        return None
    return padded_entries(table)


def padded_entries(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(starts, values, codes) of a deterministic mode's table in sixteen lanes, None if longer or too near zero."""
    if len(table) > TABLE_LANES:
        return None
    starts, values = np.abs(table["start"][1:]), np.abs(table["value"])
    if min(starts.min(), values[values != 0].min()) < 2.0**-24 or values.max() > 2.0**40:
        return None
    lanes = np.full(TABLE_LANES, inf, np.float32), np.zeros(TABLE_LANES, np.float32), np.zeros(TABLE_LANES, np.uint32)
    for lane, name in zip(lanes, ("start", "value", "code"), strict=True):
        lane[: len(table)] = table[name]
        lane.flags.writeable = False
    return lanes


def beyond_largest(element: FloatElement) -> Fraction:
    """The value that would follow the largest one."""
    return element.max_fraction + Fraction(2) ** (element.max_exponent - element.mantissa_bits)


def overflow_entry(element: Element) -> tuple[float, int]:
    """(value, code) of what lies beyond the largest number: infinity where the element has one, else NaN."""
    if element.inf_code is not None:
        return inf, element.inf_code
    assert element.nan_code is not None  # the format refuses inf_nan without either
    return nan, element.nan_code


def _ascent(mode: Rounding, *, away: bool, odd: bool) -> Ascent:
    """From where between two neighbours a number goes to the upper one.

    away: the upper neighbour is the farther one from zero (or as far). odd: the lower one has the odd code.
    """
    match mode:
        case Rounding.NEAREST_EVEN:
            return HALF, not odd
        case Rounding.NEAREST_AWAY:
            return HALF, not away
        case Rounding.TOWARD_ZERO:
            return NEVER if away else ALWAYS
        case Rounding.TOWARD_POSITIVE:
            return ALWAYS
        case Rounding.TOWARD_NEGATIVE:
            return NEVER
        case Rounding.TO_ODD:
            return NEVER if odd else ALWAYS
        case Rounding.STOCHASTIC:
            raise ArgumentError("rounding='stochastic' has random bits; give a Stochastic")


def _mirrored(ascent: Ascent) -> Ascent:
    """The same neighbours seen from the other side of zero: what went up stays below."""
    point, beyond = ascent
    return 1 - point, not beyond


def _first_number(point: Fraction, beyond: bool) -> float:
    """The smallest number of 24 significant bits that is at least (or, if `beyond`, above) a point."""
    if point == 0:
        return TINY if beyond else 0.0
    magnitude = abs(point)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent -= int(Fraction(2) ** exponent > magnitude)
    # Numbers on the smaller side of a power of two are twice as close.
    halved = int(point < 0 and magnitude == Fraction(2) ** exponent)
    step = Fraction(2) ** (exponent - PRECISION + 1 - halved)
    steps = -(-point // step)
    return float((steps + int(beyond and steps * step == point)) * step)
