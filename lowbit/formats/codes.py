"""What every element is: a finite set of exact values, each with a code. One class; kinds of elements derive from it.

A kind is one file: its fields, `bits`, `decode` and `text`. Everything else is derived here by listing the codes, and a
kind overrides what it knows by a formula. Nothing else in lowbit asks which kind an element is: rounding reads
`regular` or `grid`, the oracle reads `decode`.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import copysign, inf, isfinite, isnan
from typing import TYPE_CHECKING, NoReturn

from lowbit.errors import FormatError

MAX_ENUMERATED_BITS = 19
"""Widest element whose values are listed (tf32). binary32 scales are described but never enumerated."""


@dataclass(frozen=True, slots=True)
class RegularGrid:
    """A grid that exponent arithmetic rounds to: magnitudes n · 2^(exponent - mantissa) from `min_exponent` on.

    Codes count the steps from zero; a negative value's code has the sign bit, or is the two's complement.
    """

    mantissa: int
    min_exponent: int
    twos_complement: bool = False


@dataclass(frozen=True, kw_only=True)
class Element(ABC):
    """An element format. Equality is by meaning: name and source do not count.

    Invariants: every value is a binary32 number; the largest magnitude is what a block maximum is scaled to.
    """

    name: str = field(compare=False)
    source: str = field(default="", compare=False)

    if TYPE_CHECKING:  # a field of some kinds, derived from the fields of others

        @property
        def bits(self) -> int:
            """Width of a code in bits."""
            ...

    @abstractmethod
    def decode(self, code: int) -> float:
        """The value of `code`; FormatError if the code is wider than the format."""

    @abstractmethod
    def text(self) -> str:
        """The description that reads back as an equal element, whatever its name."""

    @property
    def regular(self) -> RegularGrid | None:
        """The grid as numbers, or None where it is a table of values (`grid`)."""
        return None

    @property
    def is_mirrored(self) -> bool:
        """Whether rounding looks at magnitudes; else at a list of signed values (codebooks, contract §5)."""
        return True

    @cached_property
    def unused_codes(self) -> frozenset[int]:
        """Codes that no quantizer writes; they decode all the same."""
        return frozenset()

    @cached_property
    def grid(self) -> tuple[tuple[float, int], ...]:
        """Every finite value in use with its code, ascending; zero once, as +0. FormatError above 19 bits."""
        if self.bits > MAX_ENUMERATED_BITS:
            raise FormatError(f"{self.name} has 2^{self.bits} codes; only elements of up to 19 bits are listed")
        decoded = ((self.decode(code), code) for code in range(1 << self.bits) if code not in self.unused_codes)
        pairs = [(v, code) for v, code in decoded if isfinite(v) and (v or copysign(1.0, v) > 0)]
        return tuple(sorted(pairs))

    @property
    def storage_bits(self) -> int:
        """Bits that a stored code takes."""
        return self.bits

    @cached_property
    def max_fraction(self) -> Fraction:
        """Largest magnitude, exact: what a block maximum is scaled to."""
        return max(Fraction(self.grid[-1][0]), -Fraction(self.grid[0][0]))

    @cached_property
    def max(self) -> float:
        """Largest magnitude."""
        return float(self.max_fraction)

    @cached_property
    def max_code(self) -> int:
        """Code of the largest value."""
        return self.grid[-1][1]

    @cached_property
    def min(self) -> float:
        """Smallest value: the most negative one, or zero."""
        return self.grid[0][0]

    @cached_property
    def min_code(self) -> int:
        """Code of the smallest value."""
        return self.grid[0][1]

    @cached_property
    def max_exponent(self) -> int:
        """floor(log2(max)), Emax of contract §3."""
        numerator, denominator = self.max_fraction.as_integer_ratio()
        exponent = numerator.bit_length() - denominator.bit_length()
        return exponent - int(Fraction(2) ** exponent > self.max_fraction)

    @cached_property
    def min_positive(self) -> float:
        """Smallest positive value."""
        return next(value for value, _ in self.grid if value > 0)

    @property
    def signed(self) -> bool:
        """Whether some value is negative."""
        return self.min < 0

    @property
    def nan_code(self) -> int | None:
        """Code that a NaN gets, or None."""
        return None

    @property
    def inf_code(self) -> int | None:
        """Code of +infinity, or None."""
        return None

    @property
    def has_nan(self) -> bool:
        """Whether some code is NaN."""
        return self.nan_code is not None

    @property
    def has_infinity(self) -> bool:
        """Whether some code is an infinity."""
        return self.inf_code is not None

    @property
    def has_negative_zero(self) -> bool:
        """Whether -0 has a code of its own."""
        return False

    def values(self) -> tuple[float, ...]:
        """All distinct finite values in use, ascending. FormatError for more than 19 bits."""
        return tuple(value for value, _ in self.grid)

    def encode(self, value: float | Fraction) -> int:
        """The code of a value that the format holds exactly; -0 is the code of +0 where there is no other.

        NaN and infinities have codes where the format has them. A value off the grid raises FormatError with its two
        neighbours: rounding belongs to `lowbit.quantize` and `lowbit.reference.round`.
        """
        if isnan(value) and self.nan_code is not None:
            return self.nan_code
        if value in (inf, -inf) and self.inf_code is not None:
            return self.inf_code if value > 0 else self._mirror(self.inf_code)
        index = bisect_left(self.grid, value, key=lambda pair: pair[0])
        if index == len(self.grid) or self.grid[index][0] != value:
            self._raise_off_grid(value)
        code = self.grid[index][1]
        negative = not value and isinstance(value, float) and copysign(1.0, value) < 0
        return self._mirror(code) if negative and self.has_negative_zero else code

    def fields(self, code: int) -> tuple[str, ...]:
        """The bits of a code, cut into its fields."""
        return (f"{code:0{self.bits}b}",)

    def check_code(self, code: int) -> None:
        """FormatError unless `code` fits the element's width."""
        if not 0 <= code < 1 << self.bits:
            raise FormatError(f"code {code} is outside 0..{(1 << self.bits) - 1} of {self.name}")

    def _mirror(self, code: int) -> int:
        """The code of minus the value of `code`, where the sign is the top bit."""
        return code | 1 << (self.bits - 1)

    def _raise_off_grid(self, value: float | Fraction) -> NoReturn:
        below = [str(v) for v, _ in self.grid if v < value][-1:]
        neighbours = below + [str(v) for v, _ in self.grid if v > value][:1]
        raise FormatError(
            f"{value} is not a value of {self.name}; its neighbours are {' and '.join(neighbours) or 'none'}: "
            "encode takes exact values, use lowbit.quantize or lowbit.reference.round to round"
        )


def check_binary32_range(element: Element, smallest: Fraction, largest: Fraction) -> None:
    """FormatError unless the magnitudes of an element lie among the normal numbers of binary32."""
    if smallest < Fraction(1, 2**126) or largest >= 2**128:
        raise FormatError(
            f"{element.name}: values from {float(smallest):g} to {float(largest):g} do not fit in binary32"
        )
