"""IEEE-754 binary32 on exact rationals: one rounding to nearest even, with subnormals and overflow to infinity.

`fl` is the `fl(.)` of contract §0. The oracle computes with Fractions and calls it exactly where the contract does;
`add`, `multiply` and `divide` add what IEEE-754 says about infinities, NaN and the sign of zero.
"""

import struct
from fractions import Fraction
from math import copysign, inf, isinf, isnan, ldexp, nan

PRECISION = 24
"""Significant bits of a normal binary32 number."""

MIN_STEP_EXPONENT = -149
"""Exponent of the smallest subnormal, the finest step of the grid."""

MIN_NORMAL = 2.0**-126
"""Smallest normal binary32 number."""

FLT_MAX = float((2 - Fraction(1, 2**23)) * 2**127)
"""Largest finite binary32 number."""


def floor_log2(value: Fraction) -> int:
    """floor(log2(value)) of a positive rational, exact, by comparing with powers of two."""
    guess = value.numerator.bit_length() - value.denominator.bit_length()
    return guess if Fraction(2) ** guess <= value else guess - 1


def ceil_log2(value: Fraction) -> int:
    """ceil(log2(value)) of a positive rational, exact."""
    below = floor_log2(value)
    return below if Fraction(2) ** below == value else below + 1


def fl(value: Fraction | int) -> float:
    """`value` rounded once to binary32, ties to even.

    Magnitudes that round to 2^128 or more become infinities; a negative value that underflows becomes -0.0; an exact
    zero is +0.0. Source: IEEE 754-2019 §4.3.1 (roundTiesToEven) and §7.4 (overflow).
    """
    exact = Fraction(value)
    if exact == 0:
        return 0.0
    step_exponent = max(floor_log2(abs(exact)) - (PRECISION - 1), MIN_STEP_EXPONENT)
    step = Fraction(2) ** step_exponent
    steps = round(abs(exact) / step)  # Python rounds a Fraction half to even
    magnitude = inf if steps * step >= 2**128 else float(steps * step)
    return -magnitude if exact < 0 else magnitude


def add(left: float, right: float) -> float:
    """fl(left + right), with IEEE-754 infinities, NaN and signed zeros (an exact cancellation is +0)."""
    if isnan(left) or isnan(right) or (isinf(left) and isinf(right) and left != right):
        return nan
    if isinf(left) or isinf(right):
        return left if isinf(left) else right
    if left == 0 and right == 0:
        return copysign(0.0, max(copysign(1.0, left), copysign(1.0, right)))
    return fl(Fraction(left) + Fraction(right))


def multiply(left: float, right: float) -> float:
    """fl(left × right), with IEEE-754 infinities, NaN and signed zeros."""
    if isnan(left) or isnan(right) or (isinf(left) and right == 0) or (left == 0 and isinf(right)):
        return nan
    infinite = isinf(left) or isinf(right)
    magnitude = inf if infinite else fl(abs(Fraction(left) * Fraction(right)))
    return copysign(magnitude, copysign(1.0, left) * copysign(1.0, right))


def divide(left: float, right: float) -> float:
    """fl(left / right), with IEEE-754 infinities, NaN and signed zeros (x/0 is infinite, 0/0 is NaN)."""
    if isnan(left) or isnan(right) or (isinf(left) and isinf(right)) or (left == 0 and right == 0):
        return nan
    if isinf(left) or right == 0:
        magnitude = inf
    elif isinf(right):
        magnitude = 0.0
    else:
        magnitude = fl(abs(Fraction(left) / Fraction(right)))
    return copysign(magnitude, copysign(1.0, left) * copysign(1.0, right))


def to_bits(value: float) -> int:
    """The 32-bit pattern of a binary32 value; `value` must be one.

    Subnormals are taken apart by integers, because a process that flushes them would lose them in a conversion.
    """
    if 0 < abs(value) < MIN_NORMAL:
        return int(ldexp(abs(value), -MIN_STEP_EXPONENT)) | (1 << 31 if value < 0 else 0)
    return int.from_bytes(struct.pack("<f", value), "little")


def from_bits(bits: int) -> float:
    """The value of a 32-bit pattern."""
    if not bits & 0x7F800000:
        return copysign(ldexp(bits & 0x7FFFFF, MIN_STEP_EXPONENT), -1.0 if bits >> 31 else 1.0)
    return struct.unpack("<f", bits.to_bytes(4, "little"))[0]
