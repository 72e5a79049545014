"""The named elements (contract §1) and the text form of any element.

Text form: a name of the table, or what one of the parsers reads:
`[u]eXmY[bBIAS][finite|fn|ieee|fnuz|p3109][nz]`, `[u]intN[fF][asym]`, `binaryKpP{s|u}{e|f}`, `positNesE`, `logNfF`,
`{v0,v1,...}` or `{v0:c0,v1:c1,...}` for a codebook.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from fractions import Fraction

from lowbit.errors import FormatError
from lowbit.formats.binary32 import binary32
from lowbit.formats.codes import Element
from lowbit.formats.floats import FloatElement, Specials, parse_float, parse_p3109
from lowbit.formats.grids import Codebook, parse_codebook, parse_int
from lowbit.formats.hifloat import HiFloat8
from lowbit.formats.logarithms import parse_logarithmic
from lowbit.formats.posits import parse_posit

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


def _razer(special: Fraction) -> Codebook:
    """E2M1 with a special value in the place of -0, code 8."""
    e2m1 = FLOATS[0]
    code_of = {Fraction(e2m1.decode(code)): code for code in range(16) if code != 8}
    code_of[special] = 8
    entries = tuple(sorted(code_of))
    name = f"razer_{'m' if special < 0 else 'p'}{float(abs(special)):g}"
    source = f"RaZeR (arXiv 2501.04052): E2M1 whose -0 stands for {float(special):+g}"
    return Codebook(name=name, entries=entries, codes=tuple(code_of[value] for value in entries), source=source)


def _half_shift(bits: int) -> Codebook:
    """Integers n of two's complement that stand for n + 1/2."""
    half = 1 << (bits - 1)
    return Codebook(
        name=f"halfint{bits}",
        entries=tuple(Fraction(2 * n + 1, 2) for n in range(-half, half)),
        codes=tuple(n & (2 * half - 1) for n in range(-half, half)),
        source="AQT's half-shift integers (arXiv 2105.03536): n + 1/2, no zero; of 1 bit ±1/2",
    )


def _expanded_int4() -> Codebook:
    """IF4's integers: two's complement k of 4 bits that stand for fl(6k/7), so that the largest is E2M1's 6."""
    entries = tuple(Fraction(binary32(6 * k / 7)) for k in range(-7, 8))
    codes = tuple(k & 15 for k in range(-7, 8))
    return Codebook(name="int4_to6", entries=entries, codes=codes, source="IF4 (arXiv 2603.28765): INT4 times 6/7")


_DIALECT_TOPS = (
    (11, 15), (9, 15), (11, 14), (9, 14), (10, 13), (8, 13), (10, 12), (8, 12), (9, 11), (7, 11), (9, 10), (7, 10),
    (8, 9), (7, 9), (7, 8),
)  # fmt: skip
"""The two largest magnitudes, in halves, of dialects 0 to 14; below them all have 0, 1/2, 1, 3/2, 2 and 3."""


def _dialect(number: int) -> Codebook:
    """One of the 16 dialects of DialectFP4: sign and index of eight magnitudes; the code of -0 is not used."""
    halves = [0, 1, 2, 3, 4, 5, 6, 8]
    if number < len(_DIALECT_TOPS):
        halves[5:] = (6, *_DIALECT_TOPS[number])
    positive = [(Fraction(half, 2), code) for code, half in enumerate(halves)]
    pairs = sorted([*positive, *((-value, 8 + code) for value, code in positive if code)])
    return Codebook(
        name=f"dialect{number}",
        entries=tuple(value for value, _ in pairs),
        codes=tuple(code for _, code in pairs),
        source="BlockDialect's DialectFP4 (arXiv 2501.01144) figure 4, as a public codec of it lists them",
    )


CODEBOOKS = (
    Codebook(
        name="nf4",
        entries=tuple(Fraction(float(value)) for value in _NF4.split()),
        source="QLoRA (arXiv 2305.14314) appendix E: quantiles of a normal distribution",
    ),
    *(_razer(sign * Fraction(magnitude, 2)) for magnitude in (5, 10, 16) for sign in (1, -1)),
    *(_half_shift(bits) for bits in range(1, 9)),
    _expanded_int4(),
    *(_dialect(number) for number in range(16)),
)

TAPERED = (HiFloat8(name="hif8", source="Ascend HiFloat8 (arXiv 2409.16626)"),)

NAMED: dict[str, Element] = {element.name: element for element in (*FLOATS, *SCALES, *CODEBOOKS, *TAPERED)}
"""Elements that have a name of their own; integers and other floats are written by their fields."""

PARSERS: tuple[Callable[[str], Element | None], ...] = (
    parse_float,
    parse_int,
    parse_p3109,
    parse_posit,
    parse_logarithmic,
    parse_codebook,
)
"""One for each way to describe an element; each gives None for text that is not its own."""

_NAME_OF: dict[Element, str] = {element: name for name, element in NAMED.items()}


def element_text(element: Element) -> str:
    """The text that `lowbit.element` reads back as an equal element."""
    return _NAME_OF.get(element) or element.text()


def parse_element(text: str, *, as_scale: bool = False) -> Element:
    """The element that `text` names or describes; `as_scale` reads eXmY as the unsigned scale ueXmY with a NaN.

    Raises FormatError for text that no parser knows, and for descriptions of nothing.
    """
    if as_scale and re.fullmatch(r"e\dm[1-9]\d?.*", text):
        text = "u" + text
    if text in NAMED:
        return NAMED[text]
    for parse in PARSERS:
        if (found := parse(text)) is not None:
            return found
    close = get_close_matches(text, NAMED, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise FormatError(f"{text!r} is no element: use a name, eXmY, intNfF, positNesE, logNfF or {{v0,v1,...}}{hint}")
