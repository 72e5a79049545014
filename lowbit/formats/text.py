"""From text to formats: `ELEMENT[/BLOCK/SCALE[:RULE]][/ts[448]][/option=value ...]`.

A plain cast is the element alone, or `ELEMENT/cast` where the element's name is also a block format's.

Errors say which part of the text could not be read and what may stand there.
"""

import re
from fractions import Fraction
from typing import Any

from lowbit.errors import FormatError
from lowbit.formats.block import BlockFormat
from lowbit.formats.elements import SCALES, parse_element
from lowbit.formats.floats import FloatElement
from lowbit.formats.options import OPTIONS, Alternative
from lowbit.formats.shape import BlockShape

DEFAULT_TENSOR_TARGET = Fraction(448)
"""S of `/ts` without a number: the largest UE4M3 scale, as NVFP4 has it (contract §4)."""

_BLOCK = re.compile(r"k([0-9]{1,18})(?:x([0-9]{1,18}))?")
_TENSOR = re.compile(r"ts([0-9]+(?:\.[0-9]+)?)?")


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
        return {"tensor_target": match[1] or DEFAULT_TENSOR_TARGET}
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
        alternatives.append(Alternative(parse_element(element), target or None))
    return tuple(alternatives)
