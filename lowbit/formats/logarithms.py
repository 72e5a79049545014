"""Logarithmic elements: a sign and a fixed-point exponent, so that multiplying is adding codes."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import isqrt, nan

from lowbit.errors import FormatError
from lowbit.formats.codes import Element, check_binary32_range

GUARD_BITS = 96
"""Bits behind the point of the powers below: their error, some 2^-90, decides no rounding to 24 bits."""


@dataclass(frozen=True, kw_only=True)
class Logarithmic(Element):
    """±2^(k / 2^fraction_bits): a sign bit, then k in two's complement, `bits` in all.

    These values are irrational, and no format stores them exactly: a value here is the binary32 number nearest to it,
    computed with integers, and rounding compares with those numbers. The most negative k is zero with the sign bit
    clear and NaN with it set; there is no -0 and no infinity. Rounding is by value on the grid (contract §5), not of
    the logarithm.
    Raises FormatError for widths outside 3..16, more fraction bits than k has, or values outside binary32.
    Source: logarithmic number system, as in Miyashita et al. (arXiv 1603.01025) with fraction bits.
    """

    bits: int  # pyright: ignore[reportIncompatibleMethodOverride]  # a property of other kinds
    fraction_bits: int

    def __post_init__(self) -> None:
        if not (3 <= self.bits <= 16 and 0 <= self.fraction_bits <= self.bits - 2):
            raise FormatError(
                f"{self.name}: {self.bits} bits with {self.fraction_bits} fraction bits; "
                "allowed are 3..16 and 0..bits - 2"
            )
        top = Fraction((1 << (self.bits - 2)) - 1, 1 << self.fraction_bits)
        bound = Fraction(2) ** -(-top.numerator // top.denominator)  # the next power of two
        check_binary32_range(self, 1 / bound, bound)

    @property
    def nan_code(self) -> int:
        """The sign bit with the most negative k."""
        return 3 << (self.bits - 2)

    def decode(self, code: int) -> float:
        """The value of `code`, a binary32 number."""
        self.check_code(code)
        lowest = 1 << (self.bits - 2)
        steps = ((code & (2 * lowest - 1)) ^ lowest) - lowest
        negative = code >= 2 * lowest
        if steps == -lowest:
            return nan if negative else 0.0
        exponent, residue = divmod(steps, 1 << self.fraction_bits)
        value = float(Fraction(_significand(residue, self.fraction_bits)) * Fraction(2) ** (exponent - 23))
        return -value if negative else value

    def fields(self, code: int) -> tuple[str, ...]:
        """Sign, integer and fraction bits of k."""
        bits, cut = f"{code:0{self.bits}b}", self.bits - self.fraction_bits
        return tuple(part for part in (bits[0], bits[1:cut], bits[cut:]) if part)

    def text(self) -> str:
        """`logNfF`."""
        return f"log{self.bits}f{self.fraction_bits}"


@cache
def _significand(residue: int, fraction_bits: int) -> int:
    """2^(residue / 2^fraction_bits) · 2^23, rounded to nearest: the product of the roots that the bits select.

    Every operation rounds down, by less than one unit of the last guard bit times a small factor, so the true number
    lies in [product, product + slack]; both ends must round alike.
    """
    product = root = 1 << GUARD_BITS
    root <<= 1
    for place in reversed(range(fraction_bits)):
        root = isqrt(root << GUARD_BITS)
        if residue >> place & 1:
            product = product * root >> GUARD_BITS
    half, slack = 1 << (GUARD_BITS - 24), 16 * (fraction_bits + 1)
    low, high = (product + half) >> (GUARD_BITS - 23), (product + slack + half) >> (GUARD_BITS - 23)
    assert low == high, "more guard bits are needed"
    return low


_TEXT = re.compile(r"log([0-9]{1,2})f([0-9]{1,2})")


def parse_logarithmic(text: str) -> Logarithmic | None:
    """`logNfF`, or None for other text."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    return Logarithmic(name=text, bits=int(match[1]), fraction_bits=int(match[2]), source="logarithmic number system")
