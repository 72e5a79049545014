"""Kinds of elements beside plain floats and integers, against their definitions, other libraries and printed facts."""

import json
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from math import copysign, inf, isnan
from pathlib import Path

import gfloat
import gfloat.formats as gfloat_formats
import numpy as np
import pytest
from gfloat.types import Domain, Signedness

from lowbit import formats
from lowbit.errors import FormatError
from lowbit.formats import Codebook, FloatElement, IntElement, Logarithmic, Posit, element
from lowbit.formats.elements import element_text

TILUS = {  # bias, max, smallest subnormal: the rules of arXiv 2504.12984 applied to its float3 to float7
    "e1m1b0": (0, 3.0, 1.0),
    "e2m1": (1, 6.0, 0.5),
    "e1m2b0": (0, 3.5, 0.5),
    "e3m1": (3, 24.0, 0.125),
    "e2m2": (1, 7.0, 0.25),
    "e1m3b0": (0, 3.75, 0.25),
    "e4m1": (7, 384.0, 2.0**-7),
    "e3m2": (3, 28.0, 0.0625),
    "e2m3": (1, 7.5, 0.125),
    "e5m1ieee": (15, 49152.0, 2.0**-15),
    "e4m2": (7, 448.0, 2.0**-8),
    "e3m3": (3, 30.0, 2.0**-5),
    "e2m4": (1, 7.75, 2.0**-4),
}
P3109_MAX = {"binary3p2sf": 1.5, "binary4p2sf": 3.0, "binary6p3sf": 14.0, "binary8p2se": 2.0**31, "binary8p6se": 3.875}


def p3109_names() -> list[str]:
    """Every Binary{K}p{P}{s|u}{e|f} whose exponents binary32 has."""
    names: list[str] = []
    for width in range(3, 16):
        for signed in (True, False):
            for precision in range(1, width + int(not signed)):
                if width - precision + int(not signed) <= 8:
                    names += [f"binary{width}p{precision}{'s' if signed else 'u'}{domain}" for domain in "ef"]
    return names


@pytest.mark.parametrize(("name", "facts"), TILUS.items())
def test_tilus_floats(name: str, facts: tuple[int, float, float]) -> None:
    e = element(name)
    assert isinstance(e, FloatElement)
    assert (e.bias, e.max, e.min_positive) == facts


@pytest.mark.parametrize("bits", range(3, 9))
def test_every_split_of_three_to_eight_bits(bits: int) -> None:
    """max = (2 - 2^-m) · 2^(2^e - 1 - bias), smallest 2^(1 - bias - m), with bias 2^(e-1) - 1 (0 for e = 1)."""
    for exponent in range(1, bits - 1):
        mantissa, bias = bits - 1 - exponent, 2 ** (exponent - 1) - 1
        e = element(f"e{exponent}m{mantissa}b{bias}finite")
        assert e.bits == bits and e.max == (2 - 2.0**-mantissa) * 2.0 ** (2**exponent - 1 - bias)
        assert e.min_positive == 2.0 ** (1 - bias - mantissa)


@pytest.mark.parametrize("bits", range(1, 9))
def test_tilus_integers(bits: int) -> None:
    """Two's complement over the whole range, and unsigned 0..2^N - 1 (the maths, not the table's odd maxima)."""
    assert element(f"int{bits}asym").values() == tuple(float(i) for i in range(-(2 ** (bits - 1)), 2 ** (bits - 1)))
    assert element(f"uint{bits}").values() == tuple(float(i) for i in range(2**bits))


@pytest.mark.parametrize("name", p3109_names())
def test_p3109_equals_gfloat(name: str) -> None:
    """All codes of up to 10 bits, the ends and a sample of wider ones."""
    e = element(name)
    width, precision = map(int, name[6:-2].split("p"))
    signed = Signedness.Signed if name[-2] == "s" else Signedness.Unsigned
    theirs = gfloat_formats.format_info_p3109(
        width, precision, signed, Domain.Extended if name[-1] == "e" else Domain.Finite
    )
    codes = range(1 << width)
    for code in (
        codes if width <= 10 else [*codes[::61], *codes[-4:], *codes[(1 << width - 1) - 4 : (1 << width - 1) + 4]]
    ):
        value, expected = e.decode(code), gfloat.decode_float(theirs, code).fval
        assert (isnan(value) and isnan(expected)) or (value, copysign(1, value)) == (expected, copysign(1, expected)), (
            code
        )
    assert e.bits == width and e.max == theirs.max and not e.has_negative_zero
    assert e.has_infinity == (name[-1] == "e") and e.nan_code == (
        (1 << width - 1) if name[-2] == "s" else (1 << width) - 1
    )
    assert element(element_text(e)) == e


def test_p3109_facts() -> None:
    assert {name: element(name).max for name in P3109_MAX} == P3109_MAX
    assert all(element(f"binary8p{p}se") == element(f"binary8p{p}") for p in (3, 4, 5))
    assert element("binary8p3se").name == "binary8p3se" and element_text(element("binary8p3se")) == "binary8p3"


def posit_value(code: int, bits: int, es: int) -> Fraction:
    """The standard's recipe, bit by bit, for a positive code."""
    position, one = bits - 2, code >> (bits - 2) & 1
    run = 0
    while position >= 0 and code >> position & 1 == one:
        run, position = run + 1, position - 1
    position -= 1
    exponent = 0
    for _ in range(es):
        exponent = 2 * exponent + (code >> position & 1 if position >= 0 else 0)
        position -= 1
    fraction = Fraction(code & ((1 << position + 1) - 1), 1 << position + 1) if position >= 0 else Fraction(0)
    regime = run - 1 if one else -run
    return Fraction(2) ** (regime * 2**es + exponent) * (1 + fraction)


@pytest.mark.parametrize("es", range(5))
@pytest.mark.parametrize("bits", range(2, 13))
def test_posits(bits: int, es: int) -> None:
    if (bits - 2) << es > 126:
        with pytest.raises(FormatError, match="binary32"):
            element(f"posit{bits}es{es}")
        return
    e = element(f"posit{bits}es{es}")
    assert isinstance(e, Posit) and e.text() == e.name
    top = 1 << (bits - 1)
    values = [e.decode(code) for code in range(top)]
    assert values == [0.0, *(float(posit_value(code, bits, es)) for code in range(1, top))]
    assert values == sorted(values) and len(set(values)) == top
    assert [e.decode((1 << bits) - code) for code in range(1, top)] == [-value for value in values[1:]]
    assert isnan(e.decode(top)) and e.nan_code == top and e.encode(float("nan")) == top
    assert (e.max, e.min_positive) == (2.0 ** ((bits - 2) << es), 2.0 ** -((bits - 2) << es))
    assert all("".join(e.fields(code)) == f"{code:0{bits}b}" for code in range(1 << bits))


def test_posit16_is_the_standard_s() -> None:
    e = element("posit16es2")
    assert [e.decode(code) for code in (0x4000, 0x0001, 0x7FFF, 0x5000, 0x3000)] == [1, 2.0**-56, 2.0**56, 4.0, 0.25]


@pytest.mark.parametrize("name", ["log3f0", "log5f2", "log8f3", "log8f6", "log10f5", "log16f14", "log16f9"])
def test_logarithms_are_correctly_rounded_powers(name: str, rng: np.random.Generator) -> None:
    e = element(name)
    assert isinstance(e, Logarithmic)
    half = 1 << (e.bits - 2)
    assert e.decode(half) == 0 and isnan(e.decode(3 * half)) and e.encode(0.0) == e.encode(-0.0) == half
    steps = (
        range(1 - half, half)
        if e.bits <= 8
        else sorted({1 - half, half - 1, *rng.integers(1 - half, half, 300).tolist()})
    )
    values = [e.decode(k & (2 * half - 1)) for k in steps]
    with localcontext() as context:
        context.prec = 60
        exact = [Fraction(Decimal(2) ** (Decimal(k) / Decimal(2**e.fraction_bits))) for k in steps]
    for value, power, k in zip(values, exact, steps, strict=True):
        below, above = np.nextafter(np.float32(value), np.array([-inf, inf], np.float32))
        assert float(np.float32(value)) == value
        assert abs(Fraction(value) - power) < min(abs(Fraction(float(n)) - power) for n in (below, above)), k
        assert e.decode(2 * half | k & (2 * half - 1)) == -value
    assert all(low < high for low, high in pairwise(values))
    assert e.values() == tuple(sorted(e.values())) and len(e.values()) == 4 * half - 1


def test_hifloat8_is_the_paper_s() -> None:
    """arXiv 2409.16626: binades by mantissa width, denormals, range, specials, and order within each field."""
    e = element("hif8")
    positive = [e.decode(code) for code in range(1, 0x6F)] + [e.decode(code) for code in range(0x70, 0x80)]
    assert len(set(positive)) == 126 and min(positive) == 2.0**-22 and max(positive) == 2.0**15
    in_binade = {k: sum(2.0**k <= value < 2.0 ** (k + 1) for value in positive) for k in range(-22, 16)}
    widths = {k: 8 if abs(k) <= 3 else 4 if abs(k) <= 7 else 2 if k >= -15 else 1 for k in in_binade}
    assert in_binade == {**widths, 15: 1}, "the largest code is infinity"
    assert sum(in_binade.values()) == 126 and len(in_binade) == 38, "38 binades"
    assert (e.decode(0), e.decode(0x6F), e.decode(0xEF)) == (0.0, inf, -inf) and isnan(e.decode(0x80))
    assert (e.nan_code, e.inf_code, e.has_negative_zero, e.encode(-0.0)) == (0x80, 0x6F, False, 0)
    assert (e.encode(inf), e.encode(-inf)) == (0x6F, 0xEF)
    assert all(e.decode(code | 0x80) == -e.decode(code) for code in range(1, 0x80))
    for code in range(256):
        sign, dot, *rest = e.fields(code)
        assert sign + dot + "".join(rest) == f"{code:08b}"
    for first in range(0, 0x80, 2):
        low, high = e.decode(first), e.decode(first + 1)
        assert low < high, "mantissas ascend"
    parity = [code % 2 for _, code in e.grid]
    assert all(left != right for left, right in pairwise(parity)), "a tie has one even neighbour"


def test_hifloat8_equals_an_independent_table() -> None:
    """Every code as another library reads it (tests/golden/README.md)."""
    golden = Path(__file__).resolve().parents[1] / "golden" / "hifloat8.json"
    theirs = [float.fromhex(value) for value in json.loads(golden.read_text(encoding="utf-8"))["values"]]
    assert np.array_equal([element("hif8").decode(code) for code in range(256)], theirs, equal_nan=True)


@pytest.mark.parametrize("special", [5.0, -5.0, 8.0, -8.0, 2.5, -2.5])
def test_razer_is_e2m1_with_another_minus_zero(special: float) -> None:
    e, plain = element(f"razer_{'m' if special < 0 else 'p'}{abs(special):g}"), element("e2m1")
    assert [e.decode(code) for code in range(16)] == [
        special if code == 8 else plain.decode(code) for code in range(16)
    ]
    assert e.max == max(6.0, abs(special)) and e.min == min(-6.0, special) and not e.unused_codes
    assert e.encode(special) == 8 and e.encode(-0.0) == 0


@pytest.mark.parametrize("bits", range(1, 9))
def test_half_shift_integers(bits: int) -> None:
    e, half = element(f"halfint{bits}"), 2 ** (bits - 1)
    assert e.bits == bits and e.values() == tuple(n + 0.5 for n in range(-half, half))
    assert [e.decode(n % 2**bits) for n in range(-half, half)] == list(e.values())


def test_codebooks_with_codes() -> None:
    """A sign-magnitude table without -0, as BlockDialect's: code 8 is unused and worth zero."""
    magnitudes = (0, 0.5, 1, 1.5, 2, 3, 4, 5)
    text = "{" + ",".join(f"{-m}:{8 + i}" for i, m in reversed([*enumerate(magnitudes)][1:])) + ","
    text += ",".join(f"{m}:{i}" for i, m in enumerate(magnitudes)) + "}"
    e = element(text)
    assert isinstance(e, Codebook) and e.text() == text and element(e.text()) == e and hash(element(text)) == hash(e)
    assert e.bits == 4 and e.unused_codes == {8} and e.decode(8) == 0.0 and e.encode(-5.0) == 15
    assert (e.max_code, e.min_code) == (7, 15)
    plain = element("{-1,0,2}")
    assert element("{-1:0,0:1,2:2}") == plain and element("{-1:1,0:0,2:2}") != plain
    assert formats.format(f"{text}/k32/e8m0").spec == f"{text}/k32/e8m0"
    with pytest.raises(FormatError, match="not a value"):
        element("{-1:3,2:0}").encode(0.0)


def test_msfp_elements_are_sign_magnitude_integers() -> None:
    for name, bits in (("msfp12", 3), ("msfp16", 7)):
        fmt = formats.format(name)
        steps = [value / fmt.element.min_positive for value in fmt.element.values()]
        assert steps == [float(i) for i in range(1 - 2**bits, 2**bits)] and fmt.element.has_negative_zero
        assert str(fmt.block) == "k16" and fmt.bits_per_element == 1 + bits + 0.5


def test_kinds_do_not_equal_each_other() -> None:
    kinds = [Posit(name="x", bits=8, exponent_bits=1), Logarithmic(name="x", bits=8, fraction_bits=1)]
    assert len({*kinds, IntElement(name="x", bits=8, fraction_bits=1), element("e1m6")}) == 4


@pytest.mark.parametrize("text", ["posit8es1", "hif8", "e3m0", "binary8p4ue", "int4", "nf4"])
def test_overflow_to_infinity_needs_a_signed_float(text: str) -> None:
    with pytest.raises(FormatError, match="inf_nan"):
        formats.format(f"{text}/k32/f32/overflow=inf_nan")
    assert str(formats.format(f"{text}/k32/f32").overflow) == "saturate"


@pytest.mark.parametrize("text", ["ue4m3", "e8m0", "ue5m3_ieee", "f32", "ue3m0nz"])
def test_scales_are_no_elements(text: str) -> None:
    with pytest.raises(FormatError, match="scale"):
        formats.format(text)
