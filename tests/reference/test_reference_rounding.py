"""Deterministic rounding of one number: every midpoint of every small element, overflow, zeros, special values."""

from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import copysign, inf, isnan, nan

import pytest

from lowbit.errors import ArgumentError, FormatError, NonfiniteError
from lowbit.formats import Codebook, Element, element, format, list_formats
from lowbit.formats.elements import NAMED
from lowbit.reference import round

OTHERS = (
    "e1m2b0",
    "e1m1",
    "e2m0",
    "e4m1",
    "int2",
    "int4asym",
    "int8asym",
    "uint4",
    "uint8",
    "{-1,0,1}",
    "{-4,-1,0.5,2,3}",
    "{-2:1,0:0,1:5,2.5:2}",
    "int1asym",
    "posit2es0",
    "posit5es1",
    "posit8es0",
    "posit8es3",
    "log4f1",
    "log8f3",
    "log8f6",
    "binary5p2sf",
    "binary6p1se",
    "binary4p2uf",
    "binary7p7ue",
)
REGISTERED = {format(name).element.name for name in list_formats() if format(name).element.bits <= 8}
SMALL = sorted({*OTHERS, *REGISTERED, *(name for name, e in NAMED.items() if e.bits <= 8)})
ALL_MODES = ("nearest_even", "nearest_away", "toward_zero", "toward_positive", "toward_negative", "to_odd")


def neighbours(e: Element) -> list[tuple[Fraction, Fraction]]:
    values = [Fraction(value) for value in e.values()]
    return list(pairwise(values))


@cache
def even_values(e: Element) -> frozenset[float]:
    """The values whose code is even, by enumeration."""
    used = set(e.values())
    return frozenset(e.decode(code) for code in range(0, 1 << e.bits, 2) if e.decode(code) in used)


def is_even(e: Element, value: Fraction) -> bool:
    return float(value) in even_values(e)


@pytest.mark.parametrize("name", SMALL)
def test_every_midpoint_in_every_mode(name: str) -> None:
    e = element(name)
    for low, high in neighbours(e):
        middle = (low + high) / 2
        even, odd = (low, high) if is_even(e, low) else (high, low)
        if not isinstance(e, Codebook):  # whose codes are free: the lower neighbour's decides
            assert is_even(e, even) and not is_even(e, odd), "neighbours have codes of different parity"
        away = low if middle < 0 else high
        expected = {
            "nearest_even": even,
            "nearest_away": away,
            "toward_zero": high if middle < 0 else low,
            "toward_positive": high,
            "toward_negative": low,
            "to_odd": odd,
        }
        for mode, value in expected.items():
            assert round(middle, e, mode) == value, (mode, middle)


@pytest.mark.parametrize("name", SMALL)
def test_beside_every_midpoint_and_value(name: str) -> None:
    e, little = element(name), Fraction(1, 2**200)
    for low, high in neighbours(e):
        middle = (low + high) / 2
        for mode in ("nearest_even", "nearest_away"):
            assert round(middle - little, e, mode) == low and round(middle + little, e, mode) == high
        odd = high if is_even(e, low) else low
        for y in (low + little, high - little):
            assert round(y, e, "toward_positive") == high and round(y, e, "toward_negative") == low
            assert round(y, e, "to_odd") == odd


@pytest.mark.parametrize("name", SMALL)
def test_values_of_the_grid_stay_and_larger_ones_saturate(name: str) -> None:
    e = element(name)
    values = e.values()
    for mode in ALL_MODES:
        assert tuple(round(value, e, mode) for value in values) == values
        for far in (1.0, 1e30, inf):
            assert round(values[-1] + far, e, mode) == values[-1]
            assert round(values[0] - far, e, mode) == values[0]


@pytest.mark.parametrize("name", SMALL)
def test_zero_keeps_its_sign_where_the_element_has_minus_zero(name: str) -> None:
    e = element(name)
    if 0.0 not in e.values():
        return
    sign = -1.0 if e.has_negative_zero else 1.0
    assert copysign(1.0, round(-0.0, e)) == sign and copysign(1.0, round(0.0, e)) == 1.0
    assert copysign(1.0, round(-(2.0**-140), e)) == sign, "a negative number that rounds to zero"
    assert copysign(1.0, round(2.0**-140, e, "toward_negative")) == 1.0


def test_parity_is_the_code_s() -> None:
    assert round(3.0, element("e3m0")) == 2.0, "codes 4 (2.0) and 5 (4.0); contract §5"
    assert round(6.0, element("e3m0")) == 8.0 and round(-12.0, element("e3m0")) == -8.0
    assert [round(y, element("e2m1")) for y in (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)] == [0, 1, 1, 2, 2, 4, 4]
    assert round(Fraction(-1, 2), element("{-1,0,1}")) == -1.0, "indices 0 and 1: the even index is -1's"
    assert round(Fraction(1, 2), element("{-1,0,1}")) == 1.0
    assert round(-7.6, element("int4")) == -7.0 and round(-7.6, element("int4asym")) == -8.0


@pytest.mark.parametrize(
    ("name", "mode", "y", "expected"),
    [
        ("e4m3", "nearest_even", 464.0, 448.0),  # half way to 480; 448 has the even code 0x7E
        ("e4m3", "nearest_even", 464.0001, nan),
        ("e4m3", "nearest_away", 464.0, nan),
        ("e4m3", "nearest_even", -1e9, nan),
        ("e4m3", "toward_zero", 1e9, 448.0),
        ("e4m3", "toward_positive", 448.001, nan),
        ("e4m3", "toward_positive", -448.001, -448.0),
        ("e4m3", "toward_negative", 1e30, 448.0),
        ("e4m3", "to_odd", 448.001, nan),
        ("e5m2", "nearest_even", 61439.9, 57344.0),
        ("e5m2", "nearest_even", 61440.0, inf),  # half way to 65536; 57344 has the odd code 0x7B
        ("e5m2", "nearest_even", -61440.0, -inf),
        ("e5m2", "to_odd", 61440.0, 57344.0),
        ("e5m2", "to_odd", 1e9, 57344.0),
        ("e5m2", "toward_negative", -57345.0, -inf),
        ("fp16", "nearest_even", 65519.99, 65504.0),
        ("fp16", "nearest_even", 65520.0, inf),
        ("fp16", "nearest_even", inf, inf),
        ("bf16", "nearest_even", -3.4e38, -inf),
        ("bf16", "nearest_even", -3.39e38, -3.3895313892515355e38),
        ("e4m3fnuz", "nearest_even", 248.0, nan),  # half way to 256; 240 has the odd code 0x7F
        ("e4m3fnuz", "nearest_even", 247.9, 240.0),
        ("binary8p4", "nearest_even", 232.0, 224.0),  # half way to 240 = the code of Inf; 224 has the even code 0x7E
        ("binary8p4", "nearest_even", -232.1, -inf),
        ("e4m3", "nearest_even", inf, nan),
        ("e5m2", "toward_zero", -inf, -inf),
    ],
)
def test_overflow_to_infinity_or_nan(name: str, mode: str, y: float, expected: float) -> None:
    got = round(y, element(name), mode, overflow="inf_nan")
    assert got == expected or (isnan(got) and isnan(expected))


def test_nan_and_unsigned_elements() -> None:
    assert isnan(round(nan, element("e4m3"))) and isnan(round(nan, element("e4m3fnuz"), overflow="inf_nan"))
    ue4m3 = element("ue4m3")
    assert round(-3.0, ue4m3) == 0.0 and round(0.3, ue4m3) == 0.3125 and round(1e9, ue4m3) == 448.0
    assert round(2.0**-10, ue4m3) == 0.0 and round(2.0**-10 * 1.001, ue4m3) == 2.0**-9
    e8m0 = element("e8m0")
    assert round(0.0, e8m0) == round(-1.0, e8m0) == 2.0**-127 and round(3.0, e8m0) == 2.0, "codes 128 and 129"


def test_refusals() -> None:
    with pytest.raises(NonfiniteError, match="e2m1 has no NaN"):
        round(nan, element("e2m1"))
    with pytest.raises(FormatError, match="neither Inf nor NaN"):
        round(1.0, element("int8"), overflow="inf_nan")
    with pytest.raises(FormatError, match="posit8es1"):
        round(1e9, element("posit8es1"), overflow="inf_nan")
    with pytest.raises(ArgumentError, match="nearest_even"):
        round(1.0, element("e2m1"), "nearest")
    with pytest.raises(ArgumentError, match="random bits"):
        round(1.3, element("e2m1"), "stochastic")
