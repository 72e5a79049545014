"""binary32 arithmetic on Python floats, by integers: the same whatever mode the processor is in."""

from math import copysign, frexp, inf, isfinite, isnan, ldexp

FLT_MAX = (2.0 - 2.0**-23) * 2.0**127
INFINITY_BITS = 0x7F800000
NAN_BITS = 0x7FC00000


def binary32(value: float) -> float:
    """`value` rounded once to binary32, nearest even, with subnormals: also where the process flushes them to zero."""
    if value == 0 or not isfinite(value):
        return value
    _, exponent = frexp(value)
    quantum = max(exponent - 24, -149)
    rounded = ldexp(round(ldexp(value, -quantum)), quantum)
    return rounded if abs(rounded) <= FLT_MAX else inf if rounded > 0 else -inf


def bits_to_float(bits: int) -> float:
    """The value of the bits of a finite binary32 magnitude, whatever mode the processor is in."""
    exponent, fraction = bits >> 23, bits & 0x7FFFFF
    return ldexp(fraction, -149) if exponent == 0 else ldexp(fraction | 0x800000, exponent - 150)


def float_to_bits(value: float) -> int:
    """Bits of the binary32 number nearest to `value` (one quiet NaN), whatever mode the processor is in."""
    if isnan(value):
        return NAN_BITS
    magnitude = abs(binary32(value))
    sign = 0x80000000 if copysign(1.0, value) < 0 else 0
    if magnitude == inf or magnitude == 0:
        return sign | (INFINITY_BITS if magnitude else 0)
    exponent = max(frexp(magnitude)[1] - 24, -149)
    significand = int(ldexp(magnitude, -exponent))
    return sign | (significand + ((exponent + 149) << 23))


def quotient(numerator: float, denominator: float) -> float:
    """The binary32 quotient; infinity for a zero denominator."""
    return binary32(numerator / denominator) if denominator else inf
