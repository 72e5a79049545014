"""The values of an element as sorted lists, by plain enumeration of its codes.

Most elements have two sides, magnitudes ascending from zero; a codebook has one list of signed values, because its two
sides need not mirror each other (contract §5: "signed neighbours for codebooks").
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import copysign, isfinite

from lowbit.errors import FormatError
from lowbit.formats import Element, FloatElement
from lowbit.formats.codes import MAX_ENUMERATED_BITS


@dataclass(frozen=True, slots=True)
class Side:
    """Ascending values and the code of each; `codes[i]` encodes `values[i]` (times -1 on the negative side)."""

    values: tuple[float, ...]
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """An element with its sides. Invariants: no value appears twice on a side; codes of neighbours differ in parity,
    except in a codebook with codes of its own.

    `negative` is None for a codebook (everything is in `positive`) and empty for an unsigned element.
    """

    element: Element
    positive: Side
    negative: Side | None

    @property
    def is_signed_list(self) -> bool:
        """Whether `positive` is the whole signed list of a codebook."""
        return self.negative is None

    def code_of(self, value: float) -> int:
        """The code of a non-negative value that is on the grid."""
        index = bisect_left(self.positive.values, value)
        if index == len(self.positive.values) or self.positive.values[index] != value:
            raise FormatError(f"{value} is not a value of {self.element.name}; choose a scale that has it")
        return self.positive.codes[index]


@lru_cache(maxsize=256)
def grid_of(element: Element) -> Grid:
    """The grid of an element of up to 19 bits (FormatError for wider ones)."""
    if element.bits > MAX_ENUMERATED_BITS:
        raise FormatError(f"{element.name} has 2^{element.bits} codes; the oracle lists elements of up to 19 bits")
    codes = [code for code in range(1 << element.bits) if code not in element.unused_codes]
    used = [(value, code) for code in codes if isfinite(value := element.decode(code))]
    if not element.is_mirrored:
        return Grid(element, _side(used), None)
    negative = [(-value, code) for value, code in used if copysign(1.0, value) < 0]
    positive = [(value, code) for value, code in used if copysign(1.0, value) > 0]
    if element.signed and not element.has_negative_zero:
        negative.append(
            (0.0, next(code for value, code in positive if value == 0))
        )  # small negative numbers become +0 there
    return Grid(element, _side(positive), _side(negative))


def next_beyond(element: FloatElement) -> Fraction:
    """The value that would follow the largest one if the grid went on: where overflow to Inf or NaN is decided."""
    return element.max_fraction + Fraction(2) ** (element.max_exponent - element.mantissa_bits)


def _side(pairs: Iterable[tuple[float, int]]) -> Side:
    ordered = sorted(pairs)
    return Side(tuple(value for value, _ in ordered), tuple(code for _, code in ordered))
