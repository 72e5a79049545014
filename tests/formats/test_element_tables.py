"""Elements: the contract's table, codes both ways, and the same values as ml_dtypes and gfloat."""

from fractions import Fraction
from math import copysign, inf, isnan

import gfloat
import gfloat.formats as gfloat_formats
import ml_dtypes
import numpy as np
import pytest
from format_cases import SMALL_ELEMENTS, small_float_elements

from lowbit.errors import FormatError
from lowbit.formats import Codebook, Element, FloatElement, IntElement, Logarithmic, Posit, Specials, element
from lowbit.formats.elements import CODEBOOKS, FLOATS, SCALES, TAPERED, element_text

# name, bits, bias, max, smallest positive, NaN codes, infinite codes (contract §1)
CONTRACT = [
    ("e2m1", 4, 1, 6.0, 0.5, [], []),
    ("e1m2", 4, 1, 1.75, 0.25, [], []),
    ("e3m0", 4, 3, 16.0, 0.25, [], []),
    ("e2m3", 6, 1, 7.5, 2.0**-3, [], []),
    ("e3m2", 6, 3, 28.0, 2.0**-4, [], []),
    ("e4m3", 8, 7, 448.0, 2.0**-9, [0x7F, 0xFF], []),
    ("e5m2", 8, 15, 57344.0, 2.0**-16, [0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF], [0x7C, 0xFC]),
    ("e4m3fnuz", 8, 8, 240.0, 2.0**-10, [0x80], []),
    ("e5m2fnuz", 8, 16, 57344.0, 2.0**-17, [0x80], []),
    ("e4m3b11fnuz", 8, 11, 30.0, 2.0**-13, [0x80], []),
    ("binary8p3", 8, 16, 49152.0, 2.0**-17, [0x80], [0x7F, 0xFF]),
    ("binary8p4", 8, 8, 224.0, 2.0**-10, [0x80], [0x7F, 0xFF]),
    ("binary8p5", 8, 4, 15.0, 2.0**-7, [0x80], [0x7F, 0xFF]),
    ("e8m0", 8, 127, 2.0**127, 2.0**-127, [0xFF], []),
    ("ue4m3", 7, 7, 448.0, 2.0**-9, [0x7F], []),
    ("ue5m3", 8, 15, 114688.0, 2.0**-17, [0xFF], []),
    ("ue5m3_ieee", 8, 15, 61440.0, 2.0**-17, list(range(0xF9, 0x100)), [0xF8]),
]
INTEGERS = [("int8f6", 127 / 64, 2.0**-6), ("int6f4", 31 / 16, 2.0**-4), ("int4f2", 7 / 4, 0.25), ("int4", 7.0, 1.0)]

ML_DTYPES = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "e3m4": ml_dtypes.float8_e3m4,
    "e4m3ieee": ml_dtypes.float8_e4m3,
    "e8m0": ml_dtypes.float8_e8m0fnu,
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
}
GFLOAT = {
    "e2m1": gfloat_formats.format_info_ocp_e2m1,
    "e2m3": gfloat_formats.format_info_ocp_e2m3,
    "e3m2": gfloat_formats.format_info_ocp_e3m2,
    "e4m3": gfloat_formats.format_info_ocp_e4m3,
    "e5m2": gfloat_formats.format_info_ocp_e5m2,
    "e8m0": gfloat_formats.format_info_ocp_e8m0,
    "binary8p3": gfloat_formats.format_info_p3109(8, 3),
    "binary8p4": gfloat_formats.format_info_p3109(8, 4),
    "binary8p5": gfloat_formats.format_info_p3109(8, 5),
}
NAMED = (*FLOATS, *SCALES, *CODEBOOKS, *TAPERED)
ENUMERABLE = [e for e in NAMED if e.bits <= 8]


def same(left: float, right: float) -> bool:
    """Equal numbers with equal signs of zero, or both NaN."""
    return (isnan(left) and isnan(right)) or (left == right and copysign(1, left) == copysign(1, right))


@pytest.mark.parametrize(("name", "bits", "bias", "largest", "smallest", "nans", "infinities"), CONTRACT)
def test_the_contracts_table(
    name: str, bits: int, bias: int, largest: float, smallest: float, nans: list[int], infinities: list[int]
) -> None:
    e = element(name)
    assert isinstance(e, FloatElement)
    assert (e.bits, e.bias, e.max, e.min_positive) == (bits, bias, largest, smallest)
    decoded = [e.decode(code) for code in range(1 << bits)]
    assert [code for code, value in enumerate(decoded) if isnan(value)] == nans
    assert [code for code, value in enumerate(decoded) if abs(value) == inf] == infinities
    assert (e.has_nan, e.has_infinity) == (bool(nans), bool(infinities))
    assert e.has_negative_zero == (e.signed and 1 << (bits - 1) not in nans)
    assert e.max_fraction == Fraction(max(value for value in decoded if abs(value) < inf))
    assert e.decode(e.max_code) == largest
    assert 2.0**e.max_exponent <= e.max < 2.0 ** (e.max_exponent + 1)


@pytest.mark.parametrize(("name", "largest", "step"), INTEGERS)
def test_integers_are_symmetric_two_s_complement(name: str, largest: float, step: float) -> None:
    e = element(name)
    assert (e.max, e.min_positive) == (largest, step)
    assert min(e.values()) == -largest and len(e.values()) == 2**e.bits - 1
    assert e.encode(-step) == 2**e.bits - 1 and e.decode(2**e.bits - 1) == -step
    assert e.decode(1 << (e.bits - 1)) == -largest - step
    wide = element(name + "asym")
    assert (
        min(wide.values()) == -largest - step
        and wide.max == largest
        and wide.encode(-largest - step) == 1 << (e.bits - 1)
    )


def test_unsigned_integers_and_odd_widths() -> None:
    assert element("uint4").values() == tuple(float(i) for i in range(16))
    assert element("uint1").values() == (0.0, 1.0)
    assert element("int2").values() == (-1.0, 0.0, 1.0)
    assert element("int1asym").values() == (-1.0, 0.0) and element("int1asym").encode(-1) == 1
    assert (element("int1asym").max, element("int1f2asym").max) == (1.0, 0.25)
    assert element("int16").max == 32767.0


def test_nf4_is_the_published_table_in_binary32() -> None:
    e = element("nf4")
    values = e.values()
    assert isinstance(e, Codebook) and len(values) == 16
    assert (values[0], values[7], values[15]) == (-1.0, 0.0, 1.0)
    assert values[1] == float(np.float32(-0.6961928009986877)) and values[14] == float(np.float32(0.7229568362236023))
    assert [e.encode(value) for value in values] == list(range(16))


@pytest.mark.parametrize("e", [*ENUMERABLE, *SMALL_ELEMENTS, *small_float_elements()], ids=element_text)
def test_every_code_decodes_and_encodes_back(e: Element) -> None:
    seen: dict[str, int] = {}
    for code in range(1 << e.bits):
        value = e.decode(code)
        if isnan(value):
            assert e.has_nan
            continue
        if isinstance(e, Codebook) and code in e.unused_codes:
            assert value == 0
            continue
        again = e.encode(value)
        assert same(e.decode(again), value)
        known = seen.setdefault(value.hex(), code)
        assert again == known == code
    assert all(low < high for low, high in zip(e.values()[:-1], e.values()[1:], strict=True))
    if e.has_nan:
        assert e.encode(float("nan")) in range(1 << e.bits) and isnan(e.decode(e.nan_code or 0))


@pytest.mark.parametrize("name", ["bf16", "fp16", "e6m9", "e5m10finite", "int16", "int12f4"])
def test_a_sample_of_sixteen_bit_codes_round_trips(name: str, rng: np.random.Generator) -> None:
    e = element(name)
    for code in [0, 1, e.max_code, 1 << (e.bits - 1), (1 << e.bits) - 1, *rng.integers(0, 1 << e.bits, 12).tolist()]:
        value = e.decode(code)
        if not isnan(value):
            assert e.encode(value) == code


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bf16", "fp16", "int16"])
def test_every_sixteen_bit_code_has_its_own_value(name: str) -> None:
    e = element(name)
    values = [e.decode(code).hex() for code in range(1 << e.bits) if not isnan(e.decode(code))]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", ML_DTYPES)
def test_all_codes_equal_ml_dtypes(name: str) -> None:
    e = element(name)
    codes = np.arange(1 << e.bits, dtype=np.uint8 if e.bits <= 8 else np.uint16)
    with np.errstate(invalid="ignore"):
        theirs = codes.view(ML_DTYPES[name]).astype(np.float64)
    for code, expected in enumerate(theirs.tolist()):
        assert same(e.decode(code), expected), (name, code)


@pytest.mark.parametrize("name", GFLOAT)
def test_all_codes_equal_gfloat(name: str) -> None:
    e = element(name)
    for code in range(1 << e.bits):
        assert same(e.decode(code), gfloat.decode_float(GFLOAT[name], code).fval), (name, code)


def test_unsigned_scales_are_their_signed_formats_without_the_sign() -> None:
    """ue4m3 is e4m3's positive half, ue5m3 has one binade more than ue5m3_ieee (contract §1)."""
    half, signed = element("ue4m3"), element("e4m3")
    assert all(same(half.decode(code), signed.decode(code)) for code in range(128))
    wide, reserved = element("ue5m3"), element("ue5m3_ieee")
    assert all(wide.decode(code) == reserved.decode(code) for code in range(0xF8))
    assert [wide.decode(code) for code in range(0xF8, 0xFF)] == [65536.0 * (1 + i / 8) for i in range(7)]


@pytest.mark.parametrize("e", ENUMERABLE, ids=element_text)
def test_values_off_the_grid_are_refused_with_their_neighbours(e: Element) -> None:
    values = e.values()
    middle = (Fraction(values[0]) + Fraction(values[1])) / 2
    with pytest.raises(FormatError) as caught:
        e.encode(middle)
    assert str(values[0]) in str(caught.value) and str(values[1]) in str(caught.value)
    for code in (-1, 1 << e.bits):
        with pytest.raises(FormatError, match="outside"):
            e.decode(code)


@pytest.mark.parametrize("e", NAMED, ids=element_text)
def test_sources_and_text(e: Element) -> None:
    assert e.source and element(e.name) == e and element(element_text(e)) == e and element(e) is e


@pytest.mark.parametrize(
    "make",
    [
        lambda: FloatElement(name="x", exponent_bits=0, mantissa_bits=3, bias=1),
        lambda: FloatElement(name="x", exponent_bits=9, mantissa_bits=3, bias=1),
        lambda: FloatElement(name="x", exponent_bits=2, mantissa_bits=24, bias=1),
        lambda: FloatElement(name="x", exponent_bits=2, mantissa_bits=1, bias=500),
        lambda: FloatElement(name="x", exponent_bits=2, mantissa_bits=1, bias=1, signed=False, specials=Specials.UZ),
        lambda: FloatElement(name="x", exponent_bits=8, mantissa_bits=7, bias=127, specials=Specials.FINITE),
        lambda: FloatElement(name="x", exponent_bits=4, mantissa_bits=3, bias=7, zero=False),
        lambda: IntElement(name="x", bits=1),
        lambda: IntElement(name="x", bits=17),
        lambda: IntElement(name="x", bits=4, fraction_bits=33),
        lambda: IntElement(name="x", bits=4, signed=False, asymmetric=True),
        lambda: Codebook(name="x", entries=(Fraction(1),)),
        lambda: Codebook(name="x", entries=(Fraction(1), Fraction(1))),
        lambda: Codebook(name="x", entries=(Fraction(-1), Fraction(0))),
        lambda: Codebook(name="x", entries=(Fraction(0), Fraction(1, 3))),
        lambda: Codebook(name="x", entries=(Fraction(0), Fraction(2) ** 200)),
        lambda: Codebook(name="x", entries=(Fraction(0), Fraction(1)), codes=(1,)),
        lambda: Codebook(name="x", entries=(Fraction(0), Fraction(1)), codes=(1, 1)),
        lambda: Codebook(name="x", entries=(Fraction(0), Fraction(1)), codes=(-1, 1)),
        lambda: Codebook(name="x", entries=(Fraction(0), Fraction(1)), codes=(0, 256)),
        lambda: Posit(name="x", bits=1, exponent_bits=0),
        lambda: Posit(name="x", bits=17, exponent_bits=1),
        lambda: Posit(name="x", bits=8, exponent_bits=5),
        lambda: Posit(name="x", bits=16, exponent_bits=4),
        lambda: Logarithmic(name="x", bits=2, fraction_bits=0),
        lambda: Logarithmic(name="x", bits=17, fraction_bits=9),
        lambda: Logarithmic(name="x", bits=8, fraction_bits=7),
        lambda: Logarithmic(name="x", bits=9, fraction_bits=0),
    ],
)
def test_descriptions_of_nothing_are_refused_by_name(make: object) -> None:
    with pytest.raises(FormatError, match="x"):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        "e2m",
        "int",
        "e2m1b",
        "float8",
        "",
        "{1,0}",
        "{a}",
        "{0,inf}",
        "int4f",
        "x" * 50,
        "{0:1,1}",
        "{0:a,1:b}",
        "{0:0.5,1:1}",
        "int1",
        "posit8",
        "posit1es0",
        "posit16es4",
        "log8",
        "log9f0",
        "binary8p3s",
        "binary2p1se",
        "binary16p8se",
        "binary8p8se",
        "binary8p9ue",
        "binary8p0se",
        "binary12p2se",
        "razer",
        "halfint9",
    ],
)
def test_unreadable_elements(text: str) -> None:
    with pytest.raises(FormatError):
        element(text)


def test_a_typo_gets_a_hint() -> None:
    with pytest.raises(FormatError, match="e4m3"):
        element("e4m3fnu")
