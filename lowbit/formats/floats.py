"""Floating-point elements: a number format with few bits, described by its fields; every property is derived.

Standard library only. A value of a format is always exact: Python floats hold every value of up to 53 significant
bits inside the range of binary64, which covers each format that can be described here.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from math import inf, nan

from lowbit.errors import FormatError
from lowbit.formats.codes import Element, RegularGrid


class Specials(StrEnum):
    """Which codes are not finite numbers (suffixes as in ml_dtypes)."""

    FINITE = "finite"  #: none: every code is a number
    NAN = "fn"  #: the all-ones magnitude is NaN, no infinity (OCP "fn", unsigned scales)
    IEEE = "ieee"  #: the whole top exponent: infinity with mantissa 0, NaN otherwise
    UZ = "fnuz"  #: the code of -0 is NaN, no infinity, no -0
    P3109 = "p3109"  #: signed: the code of -0 is NaN, all ones infinity; unsigned: all ones NaN, infinity below it


@dataclass(frozen=True, kw_only=True)
class FloatElement(Element):
    """Sign, exponent and mantissa fields, a bias, and which codes are special.

    Invariants: `mantissa_bits` excludes the hidden bit; exponent code 0 is subnormal, unless `zero` is False (e8m0,
    ue6m2: there is no zero, every code is normal). Equality is by meaning: name and source do not count.
    Raises FormatError where the fields describe no number format.
    Source of the layout: OCP 8-bit Floating Point (OFP8) v1.0 §5, OCP Microscaling (MX) v1.0 §5.3.
    """

    exponent_bits: int
    mantissa_bits: int
    bias: int
    signed: bool = True  # pyright: ignore[reportIncompatibleMethodOverride]  # a property of other kinds
    specials: Specials = Specials.FINITE
    zero: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "specials", Specials(self.specials))
        if not (1 <= self.exponent_bits <= 8 and 0 <= self.mantissa_bits <= 23):
            raise FormatError(
                f"{self.name}: {self.exponent_bits} exponent and {self.mantissa_bits} mantissa bits; "
                "allowed are 1..8 and 0..23 (what binary32 can hold)"
            )
        if not -1 <= self.bias <= 160:
            raise FormatError(f"{self.name}: bias {self.bias} is outside -1..160")
        if not self.signed and self.specials is Specials.UZ:
            raise FormatError(f"{self.name}: fnuz needs a sign bit; use fn, p3109, ieee or finite")
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
            case Specials.NAN:
                return top - 1
            case Specials.P3109:
                return top - (1 if self.signed else 2)
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
            case Specials.UZ | Specials.P3109 if self.signed:
                return 1 << self.magnitude_bits
            case Specials.IEEE if not self.mantissa_bits:
                return None  # the only code of the top exponent is infinity
            case Specials.IEEE if self.signed:
                return self.max_code + 1 + (1 << (self.mantissa_bits - 1))
            case _:
                return (1 << self.magnitude_bits) - 1

    @property
    def has_infinity(self) -> bool:
        """Whether some code is an infinity."""
        return self.specials in (Specials.IEEE, Specials.P3109)

    @property
    def has_negative_zero(self) -> bool:
        """Whether -0 has a code of its own."""
        return self.signed and self.specials not in (Specials.UZ, Specials.P3109)

    @property
    def regular(self) -> RegularGrid | None:
        """Exponent arithmetic rounds to this grid, but a float without mantissa bits breaks ties by its exponent."""
        return RegularGrid(self.mantissa_bits, self.min_exponent) if self.mantissa_bits else None

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

    @cached_property
    def min(self) -> float:
        """Smallest value: the most negative one, else zero (or the smallest positive one without a zero)."""
        return -self.max if self.signed else 0.0 if self.zero else self.min_positive

    @cached_property
    def min_code(self) -> int:
        """Code of the smallest value."""
        return self._mirror(self.max_code) if self.signed else 0

    @property
    def min_normal(self) -> float:
        """Smallest positive normal value."""
        return float(Fraction(2) ** self.min_exponent)

    def decode(self, code: int) -> float:
        """The value of `code`; FormatError if the code is wider than the format."""
        self.check_code(code)
        magnitude = code & ((1 << self.magnitude_bits) - 1)
        negative = code != magnitude
        if magnitude == 0 and negative and not self.has_negative_zero:
            return nan
        if magnitude > self.max_code:
            value = inf if magnitude == self.inf_code else nan
        else:
            value = float(self._magnitude(magnitude))
        return -value if negative else value

    def text(self) -> str:
        """`[u]eXmYbBIAS` and what is special about the codes."""
        sign = "" if self.signed else "u"
        fields = f"e{self.exponent_bits}m{self.mantissa_bits}b{self.bias}"
        return f"{sign}{fields}{self.specials.value}{'' if self.zero else 'nz'}"

    def fields(self, code: int) -> tuple[str, ...]:
        """Sign, exponent and mantissa bits."""
        bits, cut = f"{code:0{self.bits}b}", int(self.signed)
        parts = (bits[:cut], bits[cut : cut + self.exponent_bits], bits[cut + self.exponent_bits :])
        return tuple(part for part in parts if part)

    def _magnitude(self, code: int) -> Fraction:
        """Value of a finite magnitude code."""
        exponent = code >> self.mantissa_bits
        mantissa = code & ((1 << self.mantissa_bits) - 1)
        if exponent == 0 and self.zero:
            return Fraction(mantissa) * Fraction(2) ** (self.min_exponent - self.mantissa_bits)
        significand = (1 << self.mantissa_bits) + mantissa
        return Fraction(significand) * Fraction(2) ** (exponent - self.bias - self.mantissa_bits)


_TEXT = re.compile(r"(u?)e([0-9])m([0-9]{1,2})(?:b(-?[0-9]{1,5}))?(finite|fn|ieee|fnuz|p3109)?(nz)?")
_P3109 = re.compile(r"binary([0-9]{1,2})p([0-9]{1,2})([su])([ef])")


def parse_float(text: str) -> FloatElement | None:
    """`[u]eXmY[bBIAS][finite|fn|ieee|fnuz|p3109][nz]`, or None for other text.

    Without a bias it is 2^(X-1) - 1, at least 1. Up to 8 bits every code is a number, as in OCP's small floats, wider
    ones reserve the top exponent as IEEE does; unsigned ones have a NaN.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    exponent_bits, mantissa_bits = int(match[2]), int(match[3])
    default = Specials.NAN if match[1] else Specials.FINITE if exponent_bits + mantissa_bits < 8 else Specials.IEEE
    return FloatElement(
        name=text,
        exponent_bits=exponent_bits,
        mantissa_bits=mantissa_bits,
        bias=int(match[4]) if match[4] is not None else max(1, (1 << max(exponent_bits - 1, 0)) - 1),
        signed=not match[1],
        specials=Specials(match[5]) if match[5] is not None else default,
        zero=not match[6],
        source="described by its fields",
    )


def parse_p3109(text: str) -> FloatElement | None:
    """`binaryKpP{s|u}{e|f}`: width, precision with the hidden bit, signed or unsigned, extended or finite; or None.

    Bias 2^(K-P-1), unsigned 2^(K-P); one NaN, no -0; extended ones have infinities. Raises FormatError for widths
    outside 3..15, precisions that leave no exponent, and exponents that binary32 does not have.
    Source: IEEE P3109 interim report (version 3.x).
    """
    match = _P3109.fullmatch(text)
    if match is None:
        return None
    width, precision, signed, extended = int(match[1]), int(match[2]), match[3] == "s", match[4] == "e"
    exponent_bits = width - precision + int(not signed)
    if not 3 <= width <= 15 or precision < 1 or exponent_bits < 1:
        raise FormatError(f"{text}: allowed are widths 3..15 and precisions 1..{width - int(signed)} (K - 1 if signed)")
    finite = Specials.UZ if signed else Specials.NAN
    return FloatElement(
        name=text,
        exponent_bits=exponent_bits,
        mantissa_bits=precision - 1,
        bias=1 << (exponent_bits - 1),
        signed=signed,
        specials=Specials.P3109 if extended else finite,
        source=f"IEEE P3109 interim report, {text.capitalize()}",
    )
