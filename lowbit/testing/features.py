"""What is special about a number in its block, read from the oracle's steps: what a clause's inputs may contain.

Inputs of a clause have only what the clause is about, so that a defect shows up under its own name.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import copysign, isfinite

from lowbit.formats import BlockFormat, Element, Overflow, Rounding, ZeroPoint
from lowbit.reference.block import QuantizedBlock
from lowbit.reference.grid import grid_of
from lowbit.reference.rounding import Rounded, rounded
from lowbit.reference.zero_point import rounded_integer
from lowbit.testing.numbers import SMALLEST_NORMAL

INEXACT, TIE, NEAR_TIE = "inexact", "tie", "near_tie"
SATURATED, NEGATIVE_ZERO, UNDERFLOW, SUBNORMAL = "saturated", "negative_zero", "underflow", "subnormal"
ORDINARY = frozenset({INEXACT})
"""What most clauses may contain: numbers between neighbours of the grid."""

CLOSE = Fraction(1, 2**14)
"""Nearer to a midpoint than this, relative to the gap, the last bits of a division decide."""


def block_features(fmt: BlockFormat, numbers: Sequence[float], block: QuantizedBlock) -> list[set[str]]:
    """The features of every number of a finite block."""
    chosen = block.candidates[block.chosen].way.element
    found = [features(fmt, x, y, chosen) for x, y in zip(numbers, block.scaled, strict=False)]
    if block.candidates[block.chosen].scale.value == 0:
        found = [item | ({NEGATIVE_ZERO} if x < 0 else set()) for item, x in zip(found, numbers, strict=True)]
    return found


def features(fmt: BlockFormat, x: float, y: float | Fraction, element: Element) -> set[str]:
    """The features of one number that is y in units of the element's grid; none for +0."""
    if x == 0:
        return {NEGATIVE_ZERO} if copysign(1.0, x) < 0 else set()
    found = {SUBNORMAL} if abs(x) < SMALLEST_NORMAL else set[str]()
    if not isfinite(y):
        return found | {SATURATED}
    if fmt.zero_point is ZeroPoint.INTEGER:
        return found | _distances(rounded_integer(y, Rounding.NEAREST_EVEN))
    steps = rounded(y, grid_of(element), Rounding.NEAREST_EVEN, Overflow.SATURATE)
    found |= _distances(steps)
    value = element.decode(steps.code)
    if value == 0:
        found.add(UNDERFLOW)
        if x < 0:
            found.add(NEGATIVE_ZERO)
    if steps.distance is None and Fraction(value) != Fraction(y):
        found.add(SATURATED)
    elif x < 0 and steps.low == 0 and steps.distance is not None:
        found.add(NEGATIVE_ZERO)  # in some rounding mode
    return found


def _distances(steps: Rounded) -> set[str]:
    if steps.distance is None:
        return set()
    if steps.distance == Fraction(1, 2):
        return {INEXACT, TIE}
    return {INEXACT, NEAR_TIE} if abs(steps.distance - Fraction(1, 2)) < CLOSE else {INEXACT}
