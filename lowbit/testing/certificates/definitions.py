"""The values and codes of elements, from what defines each kind; written anew, not read from `Element`'s tables.

Floats follow from their fields, integers count, posits are grown bit by bit, logarithmic values are compared as whole
powers, HiFloat8 follows its table of exponents. A codebook is its entries and codes. Contract §1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import singledispatch
from itertools import pairwise

from lowbit.errors import UnsupportedError
from lowbit.formats import Codebook, Element, FloatElement, HiFloat8, IntElement, Logarithmic, Posit, Specials

Pairs = tuple[tuple[Fraction, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """A grid of exact values, each with its code.

    positive, negative: magnitudes from zero on, ascending, with the codes of values of that sign (none on the negative
    side of unsigned grids); the code of a zero on the negative side is that of -0, or of 0 where there is none.
    signed: instead the list of all values, where rounding looks at signed neighbours (codebooks). beyond: what would
    follow the largest magnitude of a float. infinities: codes of +inf and -inf, or None. nan: a NaN's code, or None.
    """

    positive: Pairs = ()
    negative: Pairs = ()
    signed: Pairs = ()
    beyond: Fraction | None = None
    infinities: tuple[int, int] | None = None
    nan: int | None = None


@singledispatch
def definition_of(element: Element) -> Definition:
    """The definition of an element. UnsupportedError for kinds that this file does not define."""
    raise UnsupportedError(f"{element.name}: certificates have no definition of a {type(element).__name__}; add one")


@definition_of.register
def _(element: FloatElement) -> Definition:
    fields, sign = element.exponent_bits + element.mantissa_bits, 1 << (element.exponent_bits + element.mantissa_bits)
    special = _special_codes(element)
    numbers = [code for code in range(sign) if code not in special]
    positive = tuple((_float_value(element, code), code) for code in numbers)
    no_minus_zero = element.specials in (Specials.UZ, Specials.P3109)
    negative = [(value, code if code == 0 and no_minus_zero else code | sign) for value, code in positive]
    nans = [code for code in special if special[code] == "nan"]
    nan = sign if element.signed and no_minus_zero else None
    if nans:  # IEEE's quiet NaN is the first whose highest mantissa bit is set
        quiet = element.specials is Specials.IEEE and element.signed
        nan = nans[0] - 1 + (1 << (element.mantissa_bits - 1)) if quiet else (1 << fields) - 1
    infinity = next((code for code in special if special[code] == "inf"), None)
    return Definition(
        positive=positive,
        negative=tuple(negative) if element.signed else (),
        beyond=_float_value(element, numbers[-1] + 1),
        infinities=None if infinity is None else (infinity, infinity | sign if element.signed else infinity),
        nan=nan,
    )


def _special_codes(element: FloatElement) -> dict[int, str]:
    """Codes without a sign that are no finite numbers."""
    mantissas = 1 << element.mantissa_bits
    ones = (1 << element.exponent_bits) * mantissas - 1
    match element.specials:
        case Specials.NAN:
            return {ones: "nan"}
        case Specials.IEEE:
            return {ones + 1 - mantissas: "inf"} | {ones + 1 - mantissas + i: "nan" for i in range(1, mantissas)}
        case Specials.P3109:
            return {ones: "inf"} if element.signed else {ones: "nan", ones - 1: "inf"}
        case Specials.FINITE | Specials.UZ:
            return {}


def _float_value(element: FloatElement, code: int) -> Fraction:
    exponent, mantissa = divmod(code, 1 << element.mantissa_bits)
    fraction = Fraction(mantissa, 1 << element.mantissa_bits)
    if element.zero and exponent == 0:
        return fraction * Fraction(2) ** (1 - element.bias)
    return (1 + fraction) * Fraction(2) ** (exponent - element.bias)


@definition_of.register
def _(element: IntElement) -> Definition:
    codes, unit = 1 << element.bits, Fraction(1, 1 << element.fraction_bits)
    largest = codes // 2 - 1 if element.signed else codes - 1
    lowest = largest + int(element.asymmetric) if element.signed else -1
    return Definition(
        positive=tuple((n * unit, n) for n in range(largest + 1)),
        negative=tuple((n * unit, -n % codes) for n in range(lowest + 1)),
    )


@definition_of.register
def _(element: Codebook) -> Definition:
    return Definition(signed=tuple(zip(element.entries, element.codes, strict=True)))


@definition_of.register
def _(element: Posit) -> Definition:
    """Each further bit puts a value between two neighbours: their mean, geometric if a regime or exponent bit is added,
    and one before the first and after the last, by a whole regime."""
    regime = Fraction(2) ** (1 << element.exponent_bits)
    values = [Fraction(1)]
    for _bit in range(element.bits - 2):
        grown = [values[0] / regime]
        for low, high in pairwise(values):
            grown += [low, _between(low, high)]
        values = [*grown, values[-1], values[-1] * regime]
    positive = ((Fraction(0), 0), *((value, code) for code, value in enumerate(values, 1)))
    negative = tuple((value, -code % (1 << element.bits)) for value, code in positive)
    return Definition(positive=positive, negative=negative, nan=1 << (element.bits - 1))


def _between(low: Fraction, high: Fraction) -> Fraction:
    ratio = high / low  # more than 2 only between powers of two, whose exponents differ by an even number
    return low * Fraction(2) ** ((ratio.numerator.bit_length() - 1) // 2) if ratio > 2 else (low + high) / 2


@definition_of.register
def _(element: Logarithmic) -> Definition:
    """A sign bit and k in two's complement, whose lowest number is zero, or NaN with the sign."""
    sign, parts = 1 << (element.bits - 1), 1 << element.fraction_bits
    lowest = -sign // 2
    powers = [(_root_power(k, parts), k % sign) for k in range(lowest + 1, -lowest)]
    positive = ((Fraction(0), lowest % sign), *powers)
    negative = ((Fraction(0), lowest % sign), *((value, code | sign) for value, code in powers))
    return Definition(positive=positive, negative=negative, nan=lowest % sign | sign)


def _root_power(numerator: int, parts: int) -> Fraction:
    """The binary32 number nearest to 2^(numerator / parts): it and its neighbours are compared as whole powers."""
    exponent, rest = divmod(numerator, parts)
    low, high = 1 << 23, 1 << 24  # (2 low - 1)^parts <= 2^(24 parts + rest) < (2 high - 1)^parts
    while high - low > 1:
        middle = (low + high) // 2
        if (2 * middle - 1) ** parts <= 1 << (24 * parts + rest):
            low = middle
        else:
            high = middle
    return low * Fraction(2) ** (exponent - 23)


_DOT_FIELDS = ((0x08, 3), (0x10, 3), (0x20, 3), (0x40, 2), (0x60, 1))
"""First code and mantissa bits of HiFloat8's magnitudes with 0 to 4 exponent bits."""


@definition_of.register
def _(element: HiFloat8) -> Definition:
    codes = dict(_hifloat_magnitudes())
    infinity = codes.pop(Fraction(3, 2) * 2**15)
    positive = tuple(sorted({Fraction(0): 0, **codes}.items()))
    negative = tuple((value, code | 0x80 if code else 0) for value, code in positive)
    return Definition(positive=positive, negative=negative, infinities=(infinity, infinity | 0x80), nan=0x80)


def _hifloat_magnitudes() -> Iterator[tuple[Fraction, int]]:
    for code in range(1, 8):
        yield Fraction(2) ** (code - 23), code
    for exponent in range(-15, 16):
        width = abs(exponent).bit_length()
        first, bits = _DOT_FIELDS[width]
        below = abs(exponent) - (1 << width >> 1)  # without the leading one
        prefix = ((1 << width >> 1) if exponent < 0 else 0) + below
        for mantissa in range(1 << bits):
            yield (1 + Fraction(mantissa, 1 << bits)) * Fraction(2) ** exponent, first + (prefix << bits) + mantissa
