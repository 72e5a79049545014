"""Where codes change: the decision boundaries of a rounding mode between neighbouring values of an element.

Between neighbours lo < hi a mode is one exact rational, and whether that number itself still goes to lo (contract §5).
Neighbours are magnitudes, or signed values for codebooks; even and odd mean the last bit of lo's code.
"""

from fractions import Fraction
from itertools import pairwise

from lowbit.formats import BlockFormat, Overflow, Rounding
from lowbit.testing.certificates.definitions import Definition, Pairs, definition_of
from lowbit.testing.certificates.patterns import END, INFINITY, QUIET_NAN, SIGN, least_pattern, pattern_of
from lowbit.testing.certificates.runs import REFUSED, Runs, runs_of

MODES = tuple(mode for mode in Rounding if mode is not Rounding.STOCHASTIC)
"""The deterministic modes."""

Boundary = tuple[Fraction, bool]
"""A number and whether only numbers beyond it go to the upper neighbour (else it does too)."""

Part = tuple[int, int, int]
"""First pattern, code and value bits of a run."""


def element_runs(fmt: BlockFormat, mode: Rounding) -> Runs:
    """The expected codes and values of all 2^32 patterns in a plain cast.

    Source: contract §1 and §5, and §11 for infinities, NaN, negative numbers of unsigned elements and codebook ties.
    """
    definition = definition_of(fmt.element)
    overflows = fmt.overflow is Overflow.INF_NAN
    if definition.signed:
        positive, negative = _signed_sides(definition.signed, mode)
    else:
        positive = _side(definition, definition.positive, mode, overflows=overflows, negative=False)
        negative = _side(definition, definition.negative, mode, overflows=overflows, negative=True)
    parts = [*positive, *((first | SIGN, code, value) for first, code, value in negative)]
    for sign in (0, SIGN):
        if definition.nan is None:
            parts.append((sign | INFINITY, REFUSED, 0))
        else:
            parts.append((sign | INFINITY + 1, definition.nan, QUIET_NAN))
    return runs_of(parts, END)


def boundary(low: Fraction, high: Fraction, low_code: int, mode: Rounding, *, negative: bool) -> Boundary:
    """Where numbers between two neighbours start to go to the upper one.

    negative: the neighbours are magnitudes of negative numbers, so that up is down on the line. Of two signed
    neighbours around zero the one nearer to zero is meant by toward_zero, the lower one where both are as near, and
    ties away from zero go up there.
    """
    outward = abs(high) >= abs(low)
    match mode:
        case Rounding.NEAREST_EVEN:
            return (low + high) / 2, low_code % 2 == 0
        case Rounding.NEAREST_AWAY:
            return (low + high) / 2, not outward
        case Rounding.TOWARD_ZERO:
            up_at_once = not outward
        case Rounding.TOWARD_POSITIVE:
            up_at_once = not negative
        case Rounding.TOWARD_NEGATIVE:
            up_at_once = negative
        case Rounding.TO_ODD:
            up_at_once = low_code % 2 == 0
        case Rounding.STOCHASTIC:
            raise AssertionError("not deterministic")
    return (low, True) if up_at_once else (high, False)


def _side(definition: Definition, values: Pairs, mode: Rounding, *, overflows: bool, negative: bool) -> list[Part]:
    """Runs of magnitudes of one sign, infinity included."""
    if not values:  # negative numbers of an unsigned element become its smallest value
        value, code = definition.positive[0]
        return [(0, code, pattern_of(value))]
    sign = SIGN if negative else 0
    same_zero = negative and values[0] == definition.positive[0]
    parts = [(0, values[0][1], pattern_of(values[0][0]) | (0 if same_zero else sign))]
    for (low, low_code), (high, high_code) in pairwise(values):
        bound, beyond = boundary(low, high, low_code, mode, negative=negative)
        parts.append((least_pattern(bound, beyond=beyond), high_code, pattern_of(high) | sign))
    if overflows:
        parts += _overflow(definition, values[-1], mode, negative=negative)
    return parts


def _overflow(definition: Definition, largest: tuple[Fraction, int], mode: Rounding, *, negative: bool) -> list[Part]:
    """Magnitudes that round beyond the largest, and infinity, become infinity or NaN (IEEE 754 §7.4)."""
    value, code = largest
    assert definition.beyond is not None  # the format refuses inf_nan without it
    if definition.infinities is not None:
        special, bits = definition.infinities[negative], INFINITY | (SIGN if negative else 0)
    else:
        assert definition.nan is not None
        special, bits = definition.nan, QUIET_NAN
    bound, beyond = boundary(value, definition.beyond, code, mode, negative=negative)
    stays = bound == definition.beyond  # then no finite number goes up, however large
    first = INFINITY if stays else least_pattern(bound, beyond=beyond)
    return [(first, special, bits), (INFINITY, special, bits)]


def _signed_sides(values: Pairs, mode: Rounding) -> tuple[list[Part], list[Part]]:
    """Runs of the patterns of positive and of negative numbers, on a list of signed values.

    A boundary b divides x >= b from x < b; for x = -m these are m <= -b and m > -b.
    """
    bounds = [boundary(low, high, code, mode, negative=False) for (low, code), (high, _) in pairwise(values)]
    at_zero = sum(bound < 0 or (bound == 0 and not beyond) for bound, beyond in bounds)
    coded = [(code, pattern_of(value)) for value, code in values]
    positive = [(0, *coded[at_zero])]
    for entry in range(at_zero, len(bounds)):
        bound, beyond = bounds[entry]
        positive.append((least_pattern(bound, beyond=beyond), *coded[entry + 1]))
    negative = [(0, *coded[at_zero])]
    for entry in range(at_zero - 1, -1, -1):
        bound, beyond = bounds[entry]
        negative.append((least_pattern(-bound, beyond=not beyond), *coded[entry]))
    return positive, negative
