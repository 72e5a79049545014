"""Integer elements and codebooks: the grids that are not sign, exponent and mantissa."""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import ClassVar

from lowbit.errors import FormatError
from lowbit.formats.codes import check_code, exact_code, finite_values
from lowbit.formats.floats import FloatElement


@dataclass(frozen=True, kw_only=True)
class IntElement:
    """A uniform grid: two's complement (or unsigned) integers times 2^-fraction_bits.

    `asymmetric` also uses the code -2^(bits-1); without it the grid is symmetric, as OCP MX v1.0 §5.3.4 allows for
    INT8 and published integer recipes want. There is no -0, infinity or NaN.
    Raises FormatError for widths outside 2..16 (1..16 unsigned) or fraction bits outside 0..32.
    """

    name: str = field(compare=False)
    bits: int
    fraction_bits: int = 0
    signed: bool = True
    asymmetric: bool = False
    source: str = field(default="", compare=False)

    inf_code: ClassVar[None] = None
    nan_code: ClassVar[None] = None
    has_nan: ClassVar[bool] = False
    has_infinity: ClassVar[bool] = False
    has_negative_zero: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (2 if self.signed else 1) <= self.bits <= 16:
            raise FormatError(f"{self.name}: {self.bits} bits; allowed are 2..16 (1..16 unsigned)")
        if not 0 <= self.fraction_bits <= 32:
            raise FormatError(f"{self.name}: {self.fraction_bits} fraction bits; allowed are 0..32")
        if self.asymmetric and not self.signed:
            raise FormatError(f"{self.name}: an unsigned integer has no asymmetric form")

    @property
    def storage_bits(self) -> int:
        """Bits that a stored code takes."""
        return self.bits

    @property
    def max_integer(self) -> int:
        """Largest integer that is used; also its code."""
        return (1 << (self.bits - int(self.signed))) - 1

    @property
    def max_code(self) -> int:
        """Code of the largest value."""
        return self.max_integer

    @property
    def min_integer(self) -> int:
        """Smallest (most negative) integer that is used."""
        return -(self.max_integer + int(self.asymmetric)) if self.signed else 0

    @property
    def max_fraction(self) -> Fraction:
        """Largest value, exact."""
        return Fraction(self.max_integer, 1 << self.fraction_bits)

    @property
    def max(self) -> float:
        """Largest value."""
        return float(self.max_fraction)

    @property
    def max_exponent(self) -> int:
        """floor(log2(max)), Emax of contract §3."""
        return self.max_integer.bit_length() - 1 - self.fraction_bits

    @property
    def min_positive(self) -> float:
        """The grid step."""
        return float(Fraction(1, 1 << self.fraction_bits))

    def decode(self, code: int) -> float:
        """The value of `code`; the code that a symmetric grid leaves unused decodes as two's complement says."""
        check_code(self, code)
        integer = code - (1 << self.bits) if self.signed and code >> (self.bits - 1) else code
        return float(Fraction(integer, 1 << self.fraction_bits))

    def values(self) -> tuple[float, ...]:
        """All values in use, ascending."""
        unused: frozenset[int] = (
            frozenset() if self.asymmetric or not self.signed else frozenset([1 << (self.bits - 1)])
        )
        return finite_values(self, unused)

    def encode(self, value: float | Fraction) -> int:
        """The code of a value on the grid; FormatError with the neighbours otherwise (-0.0 encodes as 0)."""
        return exact_code(self, value)


@dataclass(frozen=True, kw_only=True)
class Codebook:
    """A sorted table of exact values; the code of a value is its index (contract §1: "nf4 and any codebook").

    Signs are not separate: rounding looks at signed neighbours. There is no -0, infinity or NaN.
    Raises FormatError unless there are 2..256 strictly ascending values, the largest positive and all in binary32.
    """

    name: str = field(compare=False)
    entries: tuple[Fraction, ...]
    source: str = field(default="", compare=False)

    inf_code: ClassVar[None] = None
    nan_code: ClassVar[None] = None
    has_nan: ClassVar[bool] = False
    has_infinity: ClassVar[bool] = False
    has_negative_zero: ClassVar[bool] = False

    def __post_init__(self) -> None:
        entries = tuple(Fraction(entry) for entry in self.entries)
        object.__setattr__(self, "entries", entries)
        if not 2 <= len(entries) <= 256:
            raise FormatError(f"codebook {self.name}: {len(entries)} values; allowed are 2..256")
        if any(low >= high for low, high in pairwise(entries)):
            raise FormatError(f"codebook {self.name}: values must be strictly ascending")
        if entries[-1] <= 0:
            raise FormatError(f"codebook {self.name}: the largest value must be positive, it sets the scale")
        for entry in entries:
            if not _fits_binary32(entry):
                raise FormatError(f"codebook {self.name}: {entry} is not a normal binary32 value or zero")

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return (len(self.entries) - 1).bit_length()

    @property
    def storage_bits(self) -> int:
        """Bits that a stored code takes."""
        return self.bits

    @property
    def signed(self) -> bool:
        """Whether some value is negative."""
        return self.entries[0] < 0

    @property
    def max_code(self) -> int:
        """Code of the largest value."""
        return len(self.entries) - 1

    @property
    def max_fraction(self) -> Fraction:
        """Largest magnitude, exact: the value that a block maximum is scaled to."""
        return max(self.entries[-1], -self.entries[0])

    @property
    def max(self) -> float:
        """Largest magnitude."""
        return float(self.max_fraction)

    @property
    def max_exponent(self) -> int:
        """floor(log2(max)), Emax of contract §3."""
        numerator, denominator = self.max_fraction.as_integer_ratio()
        return (
            numerator.bit_length()
            - denominator.bit_length()
            - int(Fraction(2) ** (numerator.bit_length() - denominator.bit_length()) > self.max_fraction)
        )

    @property
    def min_positive(self) -> float:
        """Smallest positive value."""
        return float(min(entry for entry in self.entries if entry > 0))

    def decode(self, code: int) -> float:
        """The value of `code`; codes past the end of a table that is no power of two repeat its last value."""
        check_code(self, code)
        return float(self.entries[min(code, self.max_code)])

    def values(self) -> tuple[float, ...]:
        """All values, ascending."""
        return tuple(float(entry) for entry in self.entries)

    def encode(self, value: float | Fraction) -> int:
        """The index of a value of the table; FormatError with the neighbours otherwise (-0.0 encodes as 0)."""
        return exact_code(self, value)


def _fits_binary32(value: Fraction) -> bool:
    """Whether a value is zero or a normal binary32 number: at most 24 significant bits, exponent -126..127."""
    numerator, denominator = abs(value).as_integer_ratio()
    significant = numerator.bit_length() - ((numerator & -numerator).bit_length() - 1) if numerator else 0
    dyadic = denominator & (denominator - 1) == 0
    return value == 0 or (dyadic and significant <= 24 and Fraction(1, 2**126) <= abs(value) < 2**128)


Element = FloatElement | IntElement | Codebook
"""Any element format."""
