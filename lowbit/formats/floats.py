"""Floating-point elements: a number format with few bits, described by its fields; every property is derived.

Standard library only. A value of a format is always exact: Python floats hold every value of up to 53 significant
bits inside the range of binary64, which covers each format that can be described here.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from math import inf, nan

from lowbit.errors import FormatError
from lowbit.formats.codes import check_code, exact_code, finite_values


class Specials(StrEnum):
    """Which codes are not finite numbers (suffixes as in ml_dtypes)."""

    FINITE = "finite"  #: none: every code is a number
    NAN = "fn"  #: the all-ones magnitude is NaN, no infinity (OCP "fn", unsigned scales)
    IEEE = "ieee"  #: the whole top exponent: infinity with mantissa 0, NaN otherwise
    UZ = "fnuz"  #: the code of -0 is NaN, no infinity, no -0
    P3109 = "p3109"  #: the code of -0 is NaN, the all-ones magnitude is infinity


@dataclass(frozen=True, kw_only=True)
class FloatElement:
    """Sign, exponent and mantissa fields, a bias, and which codes are special.

    Invariants: `mantissa_bits` excludes the hidden bit; exponent code 0 is subnormal, unless `zero` is False (e8m0,
    ue6m2: there is no zero, every code is normal). Equality is by meaning: name and source do not count.
    Raises FormatError where the fields describe no number format.
    Source of the layout: OCP 8-bit Floating Point (OFP8) v1.0 §5, OCP Microscaling (MX) v1.0 §5.3.
    """

    name: str = field(compare=False)
    exponent_bits: int
    mantissa_bits: int
    bias: int
    signed: bool = True
    specials: Specials = Specials.FINITE
    zero: bool = True
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "specials", Specials(self.specials))
        if not (1 <= self.exponent_bits <= 8 and 0 <= self.mantissa_bits <= 23):
            raise FormatError(
                f"{self.name}: {self.exponent_bits} exponent and {self.mantissa_bits} mantissa bits; "
                "allowed are 1..8 and 0..23 (what binary32 can hold)"
            )
        if not -1 <= self.bias <= 160:
            raise FormatError(f"{self.name}: bias {self.bias} is outside -1..160")
        if not self.signed and self.specials in (Specials.UZ, Specials.P3109):
            raise FormatError(f"{self.name}: {self.specials.value} needs a sign bit; use fn, ieee or finite")
        if not self.zero and self.signed:
            raise FormatError(f"{self.name}: only unsigned formats can lack a zero")
        if self.max_code < 1:
            raise FormatError(f"{self.name}: no finite value but zero is left")
        if self.max_fraction >= 2**128:
            raise FormatError(f"{self.name}: the largest value {self.max:g} does not fit in binary32")

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return int(self.signed) + self.magnitude_bits

    @property
    def magnitude_bits(self) -> int:
        """Width of a code without its sign."""
        return self.exponent_bits + self.mantissa_bits

    @property
    def storage_bits(self) -> int:
        """Bits that a stored code takes: unsigned scales are kept in whole bytes, elements are packed."""
        return self.bits if self.signed else -(-self.bits // 8) * 8

    @cached_property
    def max_code(self) -> int:
        """Code of the largest finite value."""
        top = (1 << self.magnitude_bits) - 1
        match self.specials:
            case Specials.FINITE | Specials.UZ:
                return top
            case Specials.NAN | Specials.P3109:
                return top - 1
            case Specials.IEEE:
                return top - (1 << self.mantissa_bits)

    @property
    def inf_code(self) -> int | None:
        """Code of +infinity, or None."""
        return self.max_code + 1 if self.has_infinity else None

    @property
    def nan_code(self) -> int | None:
        """Code that a NaN gets, or None: all ones (fn, unsigned), quiet NaN (ieee), the place of -0 (fnuz, p3109)."""
        match self.specials:
            case Specials.FINITE:
                return None
            case Specials.UZ | Specials.P3109:
                return 1 << self.magnitude_bits
            case Specials.IEEE if self.signed and self.mantissa_bits:
                return self.max_code + 1 + (1 << (self.mantissa_bits - 1))
            case _:
                return (1 << self.magnitude_bits) - 1

    @property
    def has_nan(self) -> bool:
        """Whether some code is NaN."""
        return self.specials is not Specials.FINITE

    @property
    def has_infinity(self) -> bool:
        """Whether some code is an infinity."""
        return self.specials in (Specials.IEEE, Specials.P3109)

    @property
    def has_negative_zero(self) -> bool:
        """Whether -0 has a code of its own."""
        return self.signed and self.specials not in (Specials.UZ, Specials.P3109)

    @property
    def min_exponent(self) -> int:
        """Exponent of the smallest normal value (and of the grid step below it, times 2^mantissa_bits)."""
        return (1 if self.zero else 0) - self.bias

    @cached_property
    def max_exponent(self) -> int:
        """floor(log2(max)), Emax of contract §3."""
        return (self.max_code >> self.mantissa_bits) - self.bias

    @cached_property
    def max_fraction(self) -> Fraction:
        """Largest finite value, exact."""
        return self._magnitude(self.max_code)

    @cached_property
    def max(self) -> float:
        """Largest finite value."""
        return float(self.max_fraction)

    @cached_property
    def min_positive(self) -> float:
        """Smallest positive value."""
        return float(self._magnitude(1 if self.zero else 0))

    @property
    def min_normal(self) -> float:
        """Smallest positive normal value."""
        return float(Fraction(2) ** self.min_exponent)

    def decode(self, code: int) -> float:
        """The value of `code`; FormatError if the code is wider than the format."""
        check_code(self, code)
        magnitude = code & ((1 << self.magnitude_bits) - 1)
        negative = code != magnitude
        if magnitude == 0 and negative and not self.has_negative_zero:
            return nan
        if magnitude > self.max_code:
            value = inf if magnitude == self.inf_code else nan
        else:
            value = float(self._magnitude(magnitude))
        return -value if negative else value

    def values(self) -> tuple[float, ...]:
        """All distinct finite values, ascending. FormatError for more than 19 bits."""
        return finite_values(self)

    def encode(self, value: float | Fraction) -> int:
        """The code of a value that the format holds exactly (NaN, infinities and -0.0 where it has them).

        A value off the grid raises FormatError with its two neighbours: rounding belongs to `lowbit.quantize` and
        `lowbit.reference.round`.
        """
        return exact_code(self, value)

    def _magnitude(self, code: int) -> Fraction:
        """Value of a finite magnitude code."""
        exponent = code >> self.mantissa_bits
        mantissa = code & ((1 << self.mantissa_bits) - 1)
        if exponent == 0 and self.zero:
            return Fraction(mantissa) * Fraction(2) ** (self.min_exponent - self.mantissa_bits)
        significand = (1 << self.mantissa_bits) + mantissa
        return Fraction(significand) * Fraction(2) ** (exponent - self.bias - self.mantissa_bits)
