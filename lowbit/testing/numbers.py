"""Numbers that inputs are made of: binary32 neighbours, midpoints, and few of many. No floating-point mode matters."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import copysign, frexp, ldexp
from typing import TypeVar

from lowbit.formats.binary32 import INFINITY_BITS, bits_to_float, float_to_bits
from lowbit.reference.binary32 import fl

T = TypeVar("T")

FLT_MAX = bits_to_float(INFINITY_BITS - 1)
SMALLEST_NORMAL = 2.0**-126


def shifted(x: float, steps: int) -> float:
    """The binary32 number `steps` after a finite x by magnitude (before it where negative), never beyond the ends."""
    bits = float_to_bits(abs(x)) + steps
    return copysign(bits_to_float(min(max(bits, 0), INFINITY_BITS - 1)), x)


def nearest(value: Fraction | float) -> float:
    """The nearest binary32 number, the largest finite one where the value is beyond all."""
    number = fl(Fraction(value))
    return number if abs(number) <= FLT_MAX else copysign(FLT_MAX, number)


def short(x: float, bits: int = 10) -> float:
    """A number rounded to so many significant bits."""
    mantissa, exponent = frexp(x)
    return ldexp(round(mantissa * 2**bits), exponent - bits)


def few(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, evenly spread, with the first and the last; the middle one for a count of 1."""
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[len(items) // 2]]
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]


def between(low: Fraction, high: Fraction, parts: Iterable[Fraction | float]) -> list[Fraction]:
    """Points between two values, each a part of the way up."""
    return [low + (high - low) * Fraction(part) for part in parts]
