"""Posits: a sign, a run-length coded regime, an exponent and whatever bits are left of a fraction."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import nan

from lowbit.errors import FormatError
from lowbit.formats.codes import Element, check_binary32_range


@dataclass(frozen=True, kw_only=True)
class Posit(Element):
    """posit⟨bits, exponent_bits⟩: ±2^(regime · 2^es + exponent) · (1 + fraction).

    Fields after the sign, of the two's complement for negative codes: the regime, a run of n equal bits and the bit
    that ends it (ones: n - 1, zeros: -n), es exponent bits (those cut off are zeros), then fraction bits. Code 0 is
    zero, the code of the sign bit alone is NaR ("not a real"), which is its NaN; there is no -0 and no infinity.

    Rounding in lowbit is by value on the grid, as for every element (contract §5): a tie lies halfway between two
    values, numbers below half the smallest value become zero. The posit standard instead rounds the bit string, so that
    ties between far values lie at their geometric mean, and never rounds to zero; beyond the largest value both
    saturate.
    Raises FormatError for widths outside 2..16, exponent bits outside 0..4, or values outside binary32.
    Source: Standard for Posit Arithmetic (2022), which has es = 2; Gustafson and Yonemoto (2017) for other es.
    """

    bits: int  # pyright: ignore[reportIncompatibleMethodOverride]  # a property of other kinds
    exponent_bits: int

    def __post_init__(self) -> None:
        if not (2 <= self.bits <= 16 and 0 <= self.exponent_bits <= 4):
            raise FormatError(
                f"{self.name}: a posit of {self.bits} bits with {self.exponent_bits} exponent bits; "
                "allowed are 2..16 and 0..4"
            )
        largest = Fraction(2) ** ((self.bits - 2) << self.exponent_bits)
        check_binary32_range(self, 1 / largest, largest)

    @property
    def nan_code(self) -> int:
        """NaR: the sign bit alone."""
        return 1 << (self.bits - 1)

    def decode(self, code: int) -> float:
        """The value of `code`; NaR is NaN."""
        self.check_code(code)
        if code == self.nan_code:
            return nan
        if code > self.nan_code:
            return -self.decode((1 << self.bits) - code)
        if code == 0:
            return 0.0
        regime, exponent, fraction = self._split(f"{code:0{self.bits}b}"[1:])
        run = len(regime) - len(regime.lstrip(regime[0]))
        power = (run - 1 if regime[0] == "1" else -run) << self.exponent_bits
        power += int(exponent.ljust(self.exponent_bits, "0") or "0", 2)
        significand = int("1" + fraction, 2)
        return float(Fraction(significand) * Fraction(2) ** (power - len(fraction)))

    def fields(self, code: int) -> tuple[str, ...]:
        """Sign, regime, exponent and fraction bits, as stored."""
        bits = f"{code:0{self.bits}b}"
        return tuple(part for part in (bits[0], *self._split(bits[1:])) if part)

    def text(self) -> str:
        """`positNesE`."""
        return f"posit{self.bits}es{self.exponent_bits}"

    def _split(self, bits: str) -> tuple[str, str, str]:
        """Regime, exponent and fraction of the bits after the sign."""
        run = len(bits) - len(bits.lstrip(bits[0]))
        end = run + 1
        return bits[:end], bits[end : end + self.exponent_bits], bits[end + self.exponent_bits :]


_TEXT = re.compile(r"posit([0-9]{1,2})es([0-9])")


def parse_posit(text: str) -> Posit | None:
    """`positNesE`, or None for other text."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    return Posit(name=text, bits=int(match[1]), exponent_bits=int(match[2]), source="posit described by its fields")
