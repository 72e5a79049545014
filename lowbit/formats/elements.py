"""The named elements (contract §1) and the text form of any element.

Text form: a name of the table, or `[u]eXmY[bBIAS][finite|fn|ieee|fnuz|p3109][nz]`, `[u]intN[fF][asym]`,
`{v0,v1,...}` for a codebook.
"""

from dataclasses import replace
from fractions import Fraction

from lowbit.formats.binary32 import binary32
from lowbit.formats.floats import FloatElement, Specials
from lowbit.formats.grids import Codebook, Element, IntElement

OCP = "OCP Microscaling Formats (MX) v1.0 §5.3"
OFP8 = "OCP 8-bit Floating Point (OFP8) v1.0 §5"


def _float(name: str, exponent: int, mantissa: int, bias: int, specials: Specials, source: str) -> FloatElement:
    return FloatElement(
        name=name, exponent_bits=exponent, mantissa_bits=mantissa, bias=bias, specials=specials, source=source
    )


def _scale(name: str, exponent: int, mantissa: int, bias: int, specials: Specials, source: str) -> FloatElement:
    return FloatElement(
        name=name,
        exponent_bits=exponent,
        mantissa_bits=mantissa,
        bias=bias,
        signed=False,
        specials=specials,
        zero=mantissa > 0,
        source=source,
    )


_NF4 = (
    "-1.0 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453 -0.28444138169288635 -0.18477343022823334 "
    "-0.09105003625154495 0.0 0.07958029955625534 0.16093020141124725 0.24611230194568634 0.33791524171829224 "
    "0.44070982933044434 0.5626170039176941 0.7229568362236023 1.0"
)

FLOATS = (
    _float("e2m1", 2, 1, 1, Specials.FINITE, f"{OCP}.3 FP4"),
    _float("e1m2", 1, 2, 1, Specials.FINITE, "uniform 4-bit float grid (UFP4), bias 1 by contract §1"),
    _float("e3m0", 3, 0, 3, Specials.FINITE, "powers of two with 4 bits, contract §1"),
    _float("e2m3", 2, 3, 1, Specials.FINITE, f"{OCP}.2 FP6"),
    _float("e3m2", 3, 2, 3, Specials.FINITE, f"{OCP}.2 FP6"),
    _float("e4m3", 4, 3, 7, Specials.NAN, f"{OFP8} E4M3"),
    _float("e5m2", 5, 2, 15, Specials.IEEE, f"{OFP8} E5M2"),
    _float("e4m3fnuz", 4, 3, 8, Specials.UZ, "ml_dtypes float8_e4m3fnuz (Graphcore, AMD)"),
    _float("e5m2fnuz", 5, 2, 16, Specials.UZ, "ml_dtypes float8_e5m2fnuz (Graphcore, AMD)"),
    _float("e4m3b11fnuz", 4, 3, 11, Specials.UZ, "ml_dtypes float8_e4m3b11fnuz"),
    _float("e3m4", 3, 4, 3, Specials.IEEE, "ml_dtypes float8_e3m4"),
    _float("e4m3ieee", 4, 3, 7, Specials.IEEE, "ml_dtypes float8_e4m3"),
    _float("binary8p3", 5, 2, 16, Specials.P3109, "IEEE P3109 interim report, Binary8p3, extended and signed"),
    _float("binary8p4", 4, 3, 8, Specials.P3109, "IEEE P3109 interim report, Binary8p4, extended and signed"),
    _float("binary8p5", 3, 4, 4, Specials.P3109, "IEEE P3109 interim report, Binary8p5, extended and signed"),
    _float("bf16", 8, 7, 127, Specials.IEEE, "bfloat16: the upper half of binary32"),
    _float("fp16", 5, 10, 15, Specials.IEEE, "IEEE 754-2019 binary16"),
    _float("tf32", 8, 10, 127, Specials.IEEE, "NVIDIA TensorFloat-32"),
)

SCALES = (
    _scale("e8m0", 8, 0, 127, Specials.NAN, f"{OCP}.6 E8M0"),
    _scale("ue4m3", 4, 3, 7, Specials.NAN, "NVFP4's block scale: E4M3 without its sign"),
    _scale("ue5m3", 5, 3, 15, Specials.NAN, "UE5M3, all-ones code NaN, maximum 114688 (arXiv 2609.02846)"),
    _scale(
        "ue5m3_ieee",
        5,
        3,
        15,
        Specials.IEEE,
        "UE5M3 with the top exponent reserved, maximum 61440 (2609.02846)",
    ),
    replace(
        _scale("ue6m2", 6, 2, 48, Specials.NAN, "HiF4's E6M2 (arXiv 2602.11287): no zero, maximum 1.5 * 2^15"),
        zero=False,
    ),
    replace(
        _scale("ue5m0", 5, 0, 15, Specials.FINITE, "BlockDialect's 5-bit shared exponent (arXiv 2501.01144)"),
        zero=False,
    ),
    _float("f32", 8, 23, 127, Specials.IEEE, "IEEE 754-2019 binary32, as a scale"),
)

CODEBOOKS = (
    Codebook(
        name="nf4",
        entries=tuple(Fraction(float(value)) for value in _NF4.split()),
        source="QLoRA (arXiv 2305.14314) appendix E: quantiles of a normal distribution",
    ),
)

NAMED: dict[str, Element] = {element.name: element for element in (*FLOATS, *SCALES, *CODEBOOKS)}
"""Elements that have a name of their own; integers and other floats are written by their fields."""

_NAME_OF: dict[Element, str] = {element: name for name, element in NAMED.items()}


def element_text(element: Element) -> str:
    """The text that `lowbit.element` reads back as an equal element."""
    if element in _NAME_OF:
        return _NAME_OF[element]
    match element:
        case FloatElement():
            sign = "" if element.signed else "u"
            fields = f"e{element.exponent_bits}m{element.mantissa_bits}b{element.bias}"
            return f"{sign}{fields}{element.specials.value}{'' if element.zero else 'nz'}"
        case IntElement():
            sign = "" if element.signed else "u"
            fraction = f"f{element.fraction_bits}" if element.fraction_bits else ""
            return f"{sign}int{element.bits}{fraction}{'asym' if element.asymmetric else ''}"
        case Codebook():
            return "{" + ",".join(number_text(entry) for entry in element.entries) + "}"


def number_text(value: Fraction) -> str:
    """Shortest decimal text that reads back as this binary32 value."""
    number = float(value)
    if number == int(number):
        return str(int(number))
    return next(text for digits in (7, 8, 9) if binary32(float(text := f"{number:.{digits}g}")) == number)
