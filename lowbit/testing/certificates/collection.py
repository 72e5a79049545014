"""Which formats have committed certificates: every element of up to 8 bits, and every rule of block scales."""

import re

from lowbit.formats import BlockFormat, Element, FloatElement, Overflow, list_formats
from lowbit.formats import format as find_format
from lowbit.formats.elements import NAMED, element_text

MAX_BITS = 8

BY_FIELDS = (
    *(f"int{bits}" for bits in range(2, 9)),
    *(f"uint{bits}" for bits in range(1, 9)),
    *("int1asym", "int4asym", "int8asym", "int4f2", "int6f4", "int8f6", "posit8es0", "posit8es1", "log8f3", "log4f0"),
    *(f"binary8p{precision}s{kind}" for precision in range(1, 8) for kind in "ef"),
    "binary8p4ue",
)
"""Elements without a name of their own, beside those that registered formats use."""

SCALE_ELEMENTS = ("e2m1", "e4m3", "int8f6")
E8M0_RULES = ("floor", "even", "ceil", "rceil", "nearest")
FLOAT_SCALES = ("ue4m3", "ue5m3", "ue5m3_ieee", "ue6m2")
FLOAT_RULES = ("nearest_even", "ceil")
OTHER_SCALES = (
    "e4m3/k1/ue5m3",
    "int4/k1/ue4m3",
    "e2m1/k1/ue5m3/scale_floor=one",
    "e2m1/k1/ue4m3/scale_floor=min_normal",
)


def certified_formats() -> tuple[BlockFormat, ...]:
    """All formats whose certificates are kept: casts in each overflow policy, then scales."""
    elements = [element for element in _elements() if element.bits <= MAX_BITS and (element.min <= 0)]
    casts = {fmt.spec: fmt for element in elements for fmt in _casts(element)}
    scales = [find_format(spec) for spec in _scale_specs()]
    return (*casts.values(), *scales)


def file_name(fmt: BlockFormat) -> str:
    """The name of a format's certificate file; codebooks written out are named by how they begin."""
    text = re.sub(r"[^A-Za-z0-9_.-]+", "-", fmt.spec.removesuffix("/cast").replace("/cast/", "/")).strip("-")
    return f"{text[:80]}.json"


def _elements() -> list[Element]:
    registered = [candidate.element for name in list_formats() for candidate in find_format(name).candidates]
    named = [element for element in NAMED.values() if element_text(element) not in _SCALE_NAMES]
    return [*named, *registered, *(find_format(text).element for text in BY_FIELDS)]


_SCALE_NAMES = {"e8m0", "ue4m3", "ue5m3", "ue5m3_ieee", "ue6m2", "ue5m0", "f32"}


def _casts(element: Element) -> list[BlockFormat]:
    fmt = BlockFormat(element=element, overflow=Overflow.SATURATE)
    special = isinstance(element, FloatElement) and element.signed and element.mantissa_bits > 0 and element.has_nan
    return [fmt, fmt.replace(overflow=Overflow.INF_NAN)] if special else [fmt]


def _scale_specs() -> list[str]:
    specs = [f"{element}/k1/e8m0:{rule}" for element in SCALE_ELEMENTS[:2] for rule in E8M0_RULES]
    specs += [f"{SCALE_ELEMENTS[2]}/k1/e8m0:{rule}" for rule in E8M0_RULES if rule != "even"]
    specs += [f"e2m1/k1/{scale}:{rule}" for scale in FLOAT_SCALES for rule in FLOAT_RULES]
    return [*specs, *OTHER_SCALES]
