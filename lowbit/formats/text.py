"""From text to formats: `ELEMENT[/BLOCK/SCALE[:RULE]][/ts[448]][/option=value ...]`, and elements alone.

A plain cast is the element alone, or `ELEMENT/cast` where the element's name is also a block format's.

Errors say which part of the text could not be read and what may stand there.
"""

import re
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from lowbit.errors import FormatError
from lowbit.formats.binary32 import binary32
from lowbit.formats.block import BlockFormat
from lowbit.formats.elements import NAMED, SCALES
from lowbit.formats.floats import FloatElement, Specials
from lowbit.formats.grids import Codebook, Element, IntElement
from lowbit.formats.options import OPTIONS, Alternative
from lowbit.formats.shape import BlockShape

DEFAULT_TENSOR_TARGET = Fraction(448)
"""S of `/ts` without a number: the largest UE4M3 scale, as NVFP4 has it (contract §4)."""

_FLOAT = re.compile(r"(u?)e(\d)m(\d\d?)(?:b(-?\d+))?(finite|fn|ieee|fnuz|p3109)?(nz)?")
_INT = re.compile(r"(u?)int(\d\d?)(?:f(\d\d?))?(asym)?")
_BLOCK = re.compile(r"k(\d+)(?:x(\d+))?")
_TENSOR = re.compile(r"ts(\d+(?:\.\d+)?)?")


def parse_element(text: str, *, as_scale: bool = False) -> Element:
    """The element that `text` names or describes.

    An unnamed eXmY has bias 2^(X-1) - 1 (at least 1); up to 8 bits every code is a number, as in OCP's small floats,
    wider ones reserve the top exponent as IEEE does. `as_scale` reads eXmY as the unsigned scale ueXmY with a NaN.
    Raises FormatError.
    """
    if as_scale and re.fullmatch(r"e\dm[1-9]\d?.*", text):
        text = "u" + text
    if text in NAMED:
        return NAMED[text]
    if text.startswith("{"):
        return _parse_codebook(text)
    if match := _FLOAT.fullmatch(text):
        return _parse_float(text, *match.groups())
    if match := _INT.fullmatch(text):
        unsigned, bits, fraction, asymmetric = match.groups()
        return IntElement(
            name=text,
            bits=int(bits),
            fraction_bits=int(fraction or 0),
            signed=not unsigned,
            asymmetric=bool(asymmetric),
            source="two's complement fixed point",
        )
    close = get_close_matches(text, NAMED, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise FormatError(f"{text!r} is no element: use a name, eXmY, intNfF or {{v0,v1,...}}{hint}")


def parse_format(text: str) -> BlockFormat:
    """The format that spec text describes. Raises FormatError naming the part that cannot be read."""
    element_part, *parts = [part.strip() for part in text.split("/")]
    arguments: dict[str, Any] = {"element": parse_element(element_part)}
    for part in parts:
        for key, value in _parse_part(text, part, scale_expected="block" in arguments).items():
            if key in arguments:
                raise FormatError(f"{text!r}: {part!r} gives {key} a second time")
            arguments[key] = value
    return BlockFormat(**arguments)


def _parse_part(text: str, part: str, *, scale_expected: bool) -> dict[str, Any]:
    """Fields that one part between slashes sets."""
    if "=" in part:
        option, _, value = part.partition("=")
        if option not in OPTIONS:
            raise FormatError(f"{text!r}: {option!r} is no option; choose from: {', '.join(OPTIONS)}")
        return {option: _parse_alternatives(value) if option == "alternatives" else value}
    if match := _TENSOR.fullmatch(part):
        return {"tensor_target": Fraction(match[1]) if match[1] else DEFAULT_TENSOR_TARGET}
    if part == "cast":
        return {"block": None, "scale": None}
    if part in ("row", "tensor"):
        return {"block": BlockShape((None,) if part == "row" else ())}
    if match := _BLOCK.fullmatch(part):
        return {"block": BlockShape(tuple(int(side) for side in match.groups() if side))}
    if not scale_expected:
        raise FormatError(f"{text!r}: {part!r} is no block; after the element write k32, k16x16, row or tensor")
    name, _, rule = part.partition(":")
    scale = parse_element(name, as_scale=True)
    if not isinstance(scale, FloatElement) or (scale.signed and scale.bits <= 8):
        names = ", ".join(element.name for element in SCALES)
        raise FormatError(f"{text!r}: {name!r} is no scale; use {names} or ueXmY")
    return {"scale": scale, **({"scale_rule": rule} if rule else {})}


def _parse_alternatives(text: str) -> tuple[Alternative, ...]:
    """`ELEMENT[@TARGET]`, joined by `+`."""
    alternatives: list[Alternative] = []
    for entry in text.split("+"):
        element, _, target = entry.partition("@")
        alternatives.append(Alternative(parse_element(element), Fraction(target) if target else None))
    return tuple(alternatives)


def _parse_float(
    text: str,
    unsigned: str,
    exponent: str,
    mantissa: str,
    bias: str | None,
    suffix: str | None,
    no_zero: str | None,
) -> FloatElement:
    exponent_bits, mantissa_bits = int(exponent), int(mantissa)
    if suffix is not None:
        specials = Specials(suffix)
    elif unsigned:
        specials = Specials.NAN
    else:
        specials = Specials.FINITE if 1 + exponent_bits + mantissa_bits <= 8 else Specials.IEEE
    return FloatElement(
        name=text,
        exponent_bits=exponent_bits,
        mantissa_bits=mantissa_bits,
        bias=int(bias) if bias is not None else max(1, (1 << max(exponent_bits - 1, 0)) - 1),
        signed=not unsigned,
        specials=specials,
        zero=not no_zero,
        source="described by its fields",
    )


def _parse_codebook(text: str) -> Codebook:
    try:
        entries = tuple(Fraction(binary32(float(value))) for value in text.strip("{}").split(","))
    except (ValueError, OverflowError):
        raise FormatError(f"{text!r}: a codebook is {{v0,v1,...}} with ascending finite decimal numbers") from None
    return Codebook(name=text, entries=entries, source="described by its values")
