"""Integer elements and codebooks: uniform grids and tables of values."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from lowbit.errors import FormatError
from lowbit.formats.binary32 import binary32
from lowbit.formats.codes import Element, RegularGrid

MAX_CODEBOOK_BITS = 8


@dataclass(frozen=True, kw_only=True)
class IntElement(Element):
    """A uniform grid: two's complement (or unsigned) integers times 2^-fraction_bits.

    `asymmetric` also uses the code -2^(bits-1); without it the grid is symmetric, as OCP MX v1.0 §5.3.4 allows for
    INT8 and published integer recipes want. There is no -0, infinity or NaN. The asymmetric integer of one bit is
    {-1, 0}, and its 1 is the magnitude that a block maximum is scaled to.
    Raises FormatError for widths outside 2..16 (1..16 unsigned or asymmetric) or fraction bits outside 0..32.
    """

    bits: int  # pyright: ignore[reportIncompatibleMethodOverride]  # a property of other kinds
    fraction_bits: int = 0
    signed: bool = True  # pyright: ignore[reportIncompatibleMethodOverride]
    asymmetric: bool = False

    def __post_init__(self) -> None:
        if not (2 if self.signed and not self.asymmetric else 1) <= self.bits <= 16:
            raise FormatError(f"{self.name}: {self.bits} bits; allowed are 2..16 (1..16 unsigned or asymmetric)")
        if not 0 <= self.fraction_bits <= 32:
            raise FormatError(f"{self.name}: {self.fraction_bits} fraction bits; allowed are 0..32")
        if self.asymmetric and not self.signed:
            raise FormatError(f"{self.name}: an unsigned integer has no asymmetric form")

    @property
    def regular(self) -> RegularGrid | None:
        """A single binade of steps 2^-fraction_bits: all magnitudes lie below 2^(min_exponent + 1)."""
        mantissa = self.bits - 1 - int(self.signed)
        return RegularGrid(mantissa, mantissa - self.fraction_bits, twos_complement=True) if mantissa >= 0 else None

    @cached_property
    def unused_codes(self) -> frozenset[int]:
        """The most negative code of a symmetric grid."""
        return frozenset([1 << (self.bits - 1)]) if self.signed and not self.asymmetric else frozenset()

    @property
    def max_integer(self) -> int:
        """Largest integer that is used; also its code."""
        return (1 << (self.bits - int(self.signed))) - 1

    @property
    def min_integer(self) -> int:
        """Smallest (most negative) integer that is used."""
        return -(self.max_integer + int(self.asymmetric)) if self.signed else 0

    @cached_property
    def max_code(self) -> int:
        """Code of the largest value."""
        return self.max_integer

    @cached_property
    def min_code(self) -> int:
        """Code of the smallest value."""
        return self.min_integer & ((1 << self.bits) - 1)

    @cached_property
    def max_fraction(self) -> Fraction:
        """Largest value, exact: what a block maximum is scaled to (an asymmetric grid has a larger magnitude)."""
        return Fraction(self.max_integer or 1, 1 << self.fraction_bits)

    @cached_property
    def min(self) -> float:
        """Smallest value."""
        return float(Fraction(self.min_integer, 1 << self.fraction_bits))

    @cached_property
    def max_exponent(self) -> int:
        """floor(log2(max)), Emax of contract §3."""
        return (self.max_integer or 1).bit_length() - 1 - self.fraction_bits

    @cached_property
    def min_positive(self) -> float:
        """The grid step."""
        return float(Fraction(1, 1 << self.fraction_bits))

    def decode(self, code: int) -> float:
        """The value of `code`; the code that a symmetric grid leaves unused decodes as two's complement says."""
        self.check_code(code)
        integer = code - (1 << self.bits) if self.signed and code >> (self.bits - 1) else code
        return float(Fraction(integer, 1 << self.fraction_bits))

    def encode(self, value: float | Fraction) -> int:
        """The code of a value on the grid, also of the one that a symmetric grid leaves unused."""
        integer = value * (1 << self.fraction_bits)
        if -self.max_integer - int(self.signed) <= integer <= self.max_integer and integer == int(integer):
            return int(integer) & ((1 << self.bits) - 1)
        return super().encode(value)

    def text(self) -> str:
        """`[u]intN[fF][asym]`."""
        sign = "" if self.signed else "u"
        fraction = f"f{self.fraction_bits}" if self.fraction_bits else ""
        return f"{sign}int{self.bits}{fraction}{'asym' if self.asymmetric else ''}"


@dataclass(frozen=True, kw_only=True)
class Codebook(Element):
    """A sorted table of exact values and the code of each (contract §1: "nf4 and any codebook").

    `codes[i]` encodes `entries[i]`; without codes it is the index i. Codes describe hardware encodings such as
    sign-magnitude tables whose -0 stands for another value. Width is that of the largest code; codes that no entry has
    decode to 0 (what the -0 of a sign-magnitude table is worth).
    Signs are not separate: rounding looks at signed neighbours, and a tie goes to the neighbour whose code is even, to
    the lower one where both are even, to the upper one where both are odd. There is no -0, infinity or NaN.
    Raises FormatError unless there are 2..256 strictly ascending values, the largest positive and all normal in
    binary32, with as many different codes of up to 8 bits.
    """

    entries: tuple[Fraction, ...]
    codes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        entries = tuple(Fraction(entry) for entry in self.entries)
        codes = tuple(self.codes) or tuple(range(len(entries)))
        object.__setattr__(self, "entries", entries)
        object.__setattr__(self, "codes", codes)
        if not 2 <= len(entries) <= 1 << MAX_CODEBOOK_BITS:
            raise FormatError(f"codebook {self.name}: {len(entries)} values; allowed are 2..256")
        if any(low >= high for low, high in pairwise(entries)):
            raise FormatError(f"codebook {self.name}: values must be strictly ascending")
        if entries[-1] <= 0:
            raise FormatError(f"codebook {self.name}: the largest value must be positive, it sets the scale")
        for entry in entries:
            if not _fits_binary32(entry):
                raise FormatError(f"codebook {self.name}: {entry} is not a normal binary32 value or zero")
        if len(codes) != len(entries) or len(set(codes)) != len(codes):
            raise FormatError(f"codebook {self.name}: {len(codes)} codes for {len(entries)} values; give each its own")
        if not 0 <= min(codes) <= max(codes) < 1 << MAX_CODEBOOK_BITS:
            raise FormatError(f"codebook {self.name}: codes must lie in 0..255, not {min(codes)}..{max(codes)}")

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return max(self.codes).bit_length()

    @property
    def is_mirrored(self) -> bool:
        """False: the two sides of a table need not mirror each other."""
        return False

    @cached_property
    def unused_codes(self) -> frozenset[int]:
        """Codes that no entry has."""
        return frozenset(range(1 << self.bits)) - frozenset(self.codes)

    @cached_property
    def _value_of(self) -> dict[int, float]:
        return {code: float(entry) for code, entry in zip(self.codes, self.entries, strict=True)}

    def decode(self, code: int) -> float:
        """The value of `code`; 0 for a code that no entry has."""
        self.check_code(code)
        return self._value_of.get(code, 0.0)

    def text(self) -> str:
        """`{v0,v1,...}`, or `{v0:c0,v1:c1,...}` where the codes are not the indices."""
        plain = self.codes == tuple(range(len(self.entries)))
        codes = [""] * len(self.codes) if plain else [f":{code}" for code in self.codes]
        return "{" + ",".join(number_text(v) + code for v, code in zip(self.entries, codes, strict=True)) + "}"


def number_text(value: Fraction) -> str:
    """Shortest decimal text that reads back as this binary32 value."""
    number = float(value)
    if number == int(number):
        return str(int(number))
    return next(text for digits in (7, 8, 9) if binary32(float(text := f"{number:.{digits}g}")) == number)


_INT = re.compile(r"(u?)int([0-9]{1,2})(?:f([0-9]{1,2}))?(asym)?")


def parse_int(text: str) -> IntElement | None:
    """`[u]intN[fF][asym]`, or None for other text."""
    match = _INT.fullmatch(text)
    if match is None:
        return None
    return IntElement(
        name=text,
        bits=int(match[2]),
        fraction_bits=int(match[3] or 0),
        signed=not match[1],
        asymmetric=bool(match[4]),
        source="two's complement fixed point",
    )


def parse_codebook(text: str) -> Codebook | None:
    """`{v0,v1,...}` or `{v0:c0,v1:c1,...}`, or None for text without braces. Values are rounded to binary32."""
    if not text.startswith("{"):
        return None
    values, codes = zip(*(part.partition(":")[::2] for part in text.strip("{}").split(",")), strict=True)
    try:
        entries = tuple(Fraction(binary32(float(value))) for value in values)
        numbers = tuple(int(code) for code in codes) if any(codes) else ()
    except (ValueError, OverflowError):
        raise FormatError(
            f"{text!r}: a codebook is {{v0,v1,...}} with ascending finite decimal numbers, or {{v0:c0,v1:c1,...}} with "
            "the code of every value"
        ) from None
    return Codebook(name=text, entries=entries, codes=numbers, source="described by its values")


def _fits_binary32(value: Fraction) -> bool:
    """Whether a value is zero or a normal binary32 number: at most 24 significant bits, exponent -126..127."""
    numerator, denominator = abs(value).as_integer_ratio()
    significant = numerator.bit_length() - ((numerator & -numerator).bit_length() - 1) if numerator else 0
    dyadic = denominator & (denominator - 1) == 0
    return value == 0 or (dyadic and significant <= 24 and Fraction(1, 2**126) <= abs(value) < 2**128)
