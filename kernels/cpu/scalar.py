"""Exact scalar building blocks: binary32 arithmetic carried out in binary64 and integers.

Independent of the processor's flush-to-zero mode: subnormal binary32 numbers only ever exist as integer bit patterns or
as (normal) binary64 numbers. A product of two binary32 numbers is exact in binary64; a quotient rounded to 53 bits and
then to 24 or fewer is correctly rounded, since 53 >= 2 * 24 + 2 (Figueroa 1995).
"""

import math

import numpy as np

from lowbit.formats import binary32
from lowbit.formats.binary32 import FLT_MAX
from lowbit.kernels.cpu.jit import stage
from lowbit.kernels.cpu.vector import bits_of, real_of

INFINITY_BITS = np.uint32(binary32.INFINITY_BITS)
NAN_BITS = np.uint32(binary32.NAN_BITS)


@stage
def widen(bits):
    """The binary64 value of binary32 bits (subnormals by their integer significand)."""
    magnitude = bits & np.uint32(0x7FFFFFFF)
    if magnitude < np.uint32(0x00800000):
        value = np.float64(np.int64(magnitude)) * 2.0**-149  # normal in binary64
    else:
        value = np.float64(real_of(magnitude))
    return -value if bits >> np.uint32(31) else value


@stage
def round_bits(value):
    """Binary32 bits of a binary64 value: one rounding to nearest even, with subnormals and infinities."""
    magnitude = abs(value)
    sign = np.uint32(0x80000000) if math.copysign(1.0, value) < 0 else np.uint32(0)
    if magnitude != magnitude:
        return NAN_BITS
    if magnitude < 2.0**-126:  # subnormal: an integer number of 2^-149
        return np.uint32(np.int64(np.rint(magnitude * 2.0**149))) | sign
    if magnitude >= FLT_MAX + 2.0**103:  # half a unit beyond the largest
        return INFINITY_BITS | sign
    return bits_of(np.float32(magnitude)) | sign


@stage
def fl(value):
    """A binary64 value rounded once to binary32, as a binary64 value."""
    return widen(round_bits(value))


@stage
def exponent_of(value):
    """floor(log2(value)) of a positive finite value, from its representation."""
    return math.frexp(value)[1] - 1


@stage
def round_to_grid(magnitude, mantissa, min_exponent):
    """A magnitude rounded to the nearest multiple of its binade's step, ties to the even multiple."""
    if magnitude == 0.0:
        return 0.0
    step = math.ldexp(1.0, max(exponent_of(magnitude), min_exponent) - mantissa)
    return np.rint(magnitude / step) * step


@stage
def magnitude_code(magnitude, mantissa, min_exponent):
    """The code of a magnitude that lies on a regular grid: steps counted from zero across binades."""
    if magnitude == 0.0:
        return np.uint32(0)
    exponent = max(exponent_of(magnitude), min_exponent)
    steps = np.int64(magnitude / math.ldexp(1.0, exponent - mantissa))
    return np.uint32(steps + (np.int64(exponent - min_exponent) << mantissa))


@stage
def sign_of_sum(a, b, c, d, e):
    """1, 0 or -1: the sign of the exact sum of five binary64 numbers.

    The partial sums grow into a nonoverlapping expansion, whose largest part has the sign of the whole (Shewchuk 1997,
    "Adaptive precision floating-point arithmetic", theorem 10).
    """
    x1, x0 = two_sum(a, b)
    q, x0 = two_sum(c, x0)
    x2, x1 = two_sum(q, x1)
    q, x0 = two_sum(d, x0)
    q, x1 = two_sum(q, x1)
    x3, x2 = two_sum(q, x2)
    q, x0 = two_sum(e, x0)
    q, x1 = two_sum(q, x1)
    q, x2 = two_sum(q, x2)
    x4, x3 = two_sum(q, x3)
    for part in (x4, x3, x2, x1, x0):
        if part != 0.0:
            return 1 if part > 0.0 else -1
    return 0


@stage
def two_sum(left, right):
    """(fl(left + right), its error): both binary64, their sum exact (Knuth)."""
    total = left + right
    part = total - left
    return total, (left - (total - part)) + (right - part)
