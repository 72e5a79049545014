"""The oracle's binary32 arithmetic against numpy's, at the edges of the format and on random numbers."""

from fractions import Fraction
from math import copysign, inf, isnan, nan

import numpy as np
import pytest

from lowbit.reference.binary32 import FLT_MAX, ceil_log2, divide, fl, floor_log2, from_bits, multiply, to_bits

TINY = 2.0**-149
SPECIALS = (0.0, -0.0, TINY, -TINY, 2.0**-126, 1.0, -1.5, 3.0, FLT_MAX, -FLT_MAX, inf, -inf, nan)


def same(left: float, right: float) -> bool:
    return (isnan(left) and isnan(right)) or (left == right and copysign(1.0, left) == copysign(1.0, right))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(0), 0.0),
        (1 + Fraction(1, 2**24), 1.0),  # tie, even below
        (1 + Fraction(3, 2**24), 1 + 2.0**-22),  # tie, even above
        (1 + Fraction(1, 2**24) + Fraction(1, 2**90), 1 + 2.0**-23),  # a rest that binary64 would drop
        (Fraction(1, 2**150), 0.0),  # half the smallest subnormal: tie to zero
        (Fraction(1, 2**150) + Fraction(1, 2**300), TINY),
        (Fraction(3, 2**150), 2 * TINY),
        (-Fraction(1, 2**151), -0.0),
        (Fraction(2**128) - 2**103, inf),  # the tie above the largest number goes to infinity
        (Fraction(2**128) - 2**103 - 1, FLT_MAX),
        (-Fraction(2**200), -inf),
        (Fraction(1, 3), float(np.float32(1) / np.float32(3))),
    ],
)
def test_one_rounding(value: Fraction, expected: float) -> None:
    assert same(fl(value), expected)


def test_rounding_of_binary64_numbers_equals_numpy() -> None:
    rng = np.random.default_rng(1)
    numbers = np.ldexp(rng.uniform(-1, 1, 3000), rng.integers(-155, 129, 3000))
    with np.errstate(over="ignore", under="ignore"):
        expected = numbers.astype(np.float32)
    for number, wanted in zip(numbers.tolist(), expected.tolist(), strict=True):
        assert same(fl(Fraction(number)) if number else number, wanted), number.hex()


def test_products_and_quotients_equal_numpy() -> None:
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2**32, (2, 1500), dtype=np.uint64).astype(np.uint32)
    random = bits.view(np.float32)
    edges = np.array([(a, b) for a in SPECIALS for b in SPECIALS], np.float32).T
    left, right = np.concatenate([random, edges], axis=1)
    with np.errstate(all="ignore"):
        products, quotients = left * right, left / right
    rows = zip(left.tolist(), right.tolist(), products.tolist(), quotients.tolist(), strict=True)
    for a, b, product, quotient in rows:
        assert same(multiply(a, b), product), (a, b)
        assert same(divide(a, b), quotient), (a, b)


def test_bit_patterns() -> None:
    assert to_bits(-0.0) == 0x80000000 and to_bits(1.0) == 0x3F800000 and to_bits(FLT_MAX) == 0x7F7FFFFF
    assert from_bits(1) == TINY and from_bits(0xFF800000) == -inf and isnan(from_bits(0x7FC00000))


@pytest.mark.parametrize("exponent", [-300, -149, -1, 0, 1, 127, 300])
def test_logarithms_are_exact_beside_powers_of_two(exponent: int) -> None:
    power, little = Fraction(2) ** exponent, Fraction(1, 2**400)
    assert floor_log2(power) == ceil_log2(power) == exponent
    assert floor_log2(power - little) == exponent - 1 and ceil_log2(power - little) == exponent
    assert floor_log2(power + little) == exponent and ceil_log2(power + little) == exponent + 1
    assert floor_log2(power * 3) == exponent + 1 and ceil_log2(power / 3) == exponent - 1
