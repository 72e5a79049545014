"""HiFloat8: eight bits whose exponent and mantissa share what a prefix code leaves them."""

from dataclasses import dataclass
from fractions import Fraction
from math import inf, nan

from lowbit.formats.codes import Element

_PREFIXES = ("0000", "0001", "001", "01", "10", "11")
"""The dot field: denormal, then exponents of 0, 1, 2, 3 and 4 bits. One prefix fits every code."""


@dataclass(frozen=True, kw_only=True)
class HiFloat8(Element):
    """HiF8: sign, dot field, exponent, mantissa.

    The dot field is a prefix code for the number D of exponent bits: 11, 10, 01 say 4, 3, 2; 001 says 1, 0001 says 0,
    0000 is denormal. The exponent is sign-magnitude, its sign first (1: negative), its magnitude with a hidden leading
    one: D = 0 is 0, D = 1 ±1, D = 2 ±2..3, D = 3 ±4..7, D = 4 ±8..15. The mantissa has the bits that are left: 3 for
    magnitudes up to 3, 2 up to 7, 1 up to 15; the value is 2^exponent · 1.mantissa. A denormal mantissa M of 3 bits is
    2^(M - 23), and M = 0 is zero, or NaN with the sign. The largest code of either sign (0x6F, 0xEF) is infinity, so
    values reach from 2^-22 to 2^15. There is no -0. Codes do not ascend with the values: negative exponents lie above
    positive ones.
    The paper rounds ties away from zero in the forward pass; here it is the rounding that is asked for (contract §5).
    Source: Ascend HiFloat8 Format for Deep Learning (arXiv 2409.16626) §2, table 1.
    """

    @property
    def bits(self) -> int:
        """Width of a code in bits."""
        return 8

    @property
    def nan_code(self) -> int:
        """The sign bit alone."""
        return 0x80

    @property
    def inf_code(self) -> int:
        """The code that would be 1.5 · 2^15."""
        return 0x6F

    def decode(self, code: int) -> float:
        """The value of `code`."""
        self.check_code(code)
        magnitude = self._magnitude(code & 0x7F)
        if code & 0x80:
            return -magnitude if magnitude else nan
        return magnitude

    def fields(self, code: int) -> tuple[str, ...]:
        """Sign, dot field, exponent and mantissa bits."""
        bits = f"{code:08b}"
        prefix = next(prefix for prefix in _PREFIXES if bits[1:].startswith(prefix))
        cut = 1 + len(prefix)
        width = max(_PREFIXES.index(prefix) - 1, 0)
        return tuple(part for part in (bits[0], prefix, bits[cut : cut + width], bits[cut + width :]) if part)

    def text(self) -> str:
        """`hif8`."""
        return "hif8"

    def _magnitude(self, code: int) -> float:
        if code == self.inf_code:
            return inf
        if code < 8:  # denormal
            return 2.0 ** (code - 23) if code else 0.0
        _, prefix, *rest = self.fields(code)
        width = _PREFIXES.index(prefix) - 1
        exponent = 0
        if width:
            magnitude = int("1" + rest[0][1:], 2)
            exponent = -magnitude if rest[0][0] == "1" else magnitude
        mantissa = rest[-1]
        return float(Fraction(int("1" + mantissa, 2)) * Fraction(2) ** (exponent - len(mantissa)))
