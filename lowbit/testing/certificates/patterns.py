"""binary32 bit patterns and exact rationals: non-negative patterns ascend as their values do."""

from fractions import Fraction

INFINITY = 0x7F800000
SIGN = 1 << 31
QUIET_NAN = 0x7FC00000
END = 1 << 32

_MANTISSA = 23
_LOWEST = -126


def value_of(pattern: int) -> Fraction:
    """The value of a non-negative pattern; that of infinity is 2^128, the number that would follow the largest."""
    exponent, mantissa = divmod(pattern, 1 << _MANTISSA)
    if exponent == 0:
        return mantissa * Fraction(2) ** (_LOWEST - _MANTISSA)
    return ((1 << _MANTISSA) + mantissa) * Fraction(2) ** (exponent - 1 + _LOWEST - _MANTISSA)


def least_pattern(bound: Fraction, *, beyond: bool) -> int:
    """The least non-negative pattern whose value is at least `bound`, or above it if `beyond`; infinity's at most."""
    if bound < 0 or (bound == 0 and not beyond):
        return 0
    if bound == 0:
        return 1
    exponent = max(_floor_log2(bound), _LOWEST)
    unit = Fraction(2) ** (exponent - _MANTISSA)
    units = bound // unit + 1 if beyond else -(-bound // unit)
    return min(int(units) + ((exponent - _LOWEST) << _MANTISSA), INFINITY)


def pattern_of(value: Fraction) -> int:
    """The bit pattern of a value that binary32 holds; zero is +0."""
    pattern = least_pattern(abs(value), beyond=False)
    assert value_of(pattern) == abs(value) and pattern < INFINITY, f"{value} is no binary32 number"
    return pattern | (SIGN if value < 0 else 0)


def _floor_log2(value: Fraction) -> int:
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    return exponent - int(Fraction(2) ** exponent > value)
