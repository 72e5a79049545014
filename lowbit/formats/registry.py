"""The registry of named formats, and the one function that turns what users write into a format."""

from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache

from lowbit.errors import FormatError
from lowbit.formats.block import BlockFormat
from lowbit.formats.catalog import CATALOG
from lowbit.formats.codes import Element
from lowbit.formats.elements import NAMED, parse_element
from lowbit.formats.text import parse_format

_REGISTRY: dict[str, BlockFormat] = {fmt.name: fmt for fmt in CATALOG}


def format(text: str | BlockFormat) -> BlockFormat:
    """The format that a registered name or spec text stands for; a format is returned as it is.

    Spec text: `ELEMENT[/BLOCK/SCALE[:RULE]][/ts[448]][/option=value ...]`, with BLOCK one of k16, k16x16, row, tensor.
    `format(str(fmt)) == fmt` for every format. Raises FormatError that names the unreadable part and close names.

    >>> import lowbit as lb
    >>> lb.format("e2m1/k16/ue5m3").bits_per_element
    4.5
    >>> lb.format("e2m1/k32/e8m0") == lb.format("mxfp4")
    True
    """
    if isinstance(text, BlockFormat):
        return text
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise FormatError(f"a format is a name, spec text or BlockFormat, not {type(text).__name__}")
    if text in _REGISTRY:
        return _REGISTRY[text]
    return _parsed(text)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> BlockFormat:
    try:
        return parse_format(text)
    except FormatError as error:
        if "/" in text or _is_element(text):
            raise
        close = get_close_matches(text, [*_REGISTRY, *NAMED], n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "list_formats() has the names."
        raise FormatError(f"unknown format {text!r}; {hint} Spec text is ELEMENT/BLOCK/SCALE[:RULE][/ts]") from error


def element(text: str | Element) -> Element:
    """The element that a name (e2m1, int8f6, nf4) or description (e3m3b5ieee, posit8es1, {-1,0,1}) stands for.

    An element is returned as it is. Raises FormatError.
    """
    return parse_element(text) if isinstance(text, str) else text


def list_formats() -> list[str]:
    """Sorted names of all registered formats."""
    return sorted(_REGISTRY)


def register(fmt: BlockFormat | str, *, name: str) -> BlockFormat:
    """Give a format a name for this process and return the named format.

    Raises FormatError for a name that is taken (also by an element), is spec text, or has other characters than
    letters, digits, `_`, `-` and `.`.
    """
    if not name or not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
        raise FormatError(f"name {name!r}: use letters, digits, '_', '-' and '.'")
    if name in _REGISTRY or _is_element(name):
        raise FormatError(f"{name!r} is already a format or an element; choose another name")
    named = replace(format(fmt), name=name)
    _REGISTRY[name] = named
    return named


def _is_element(name: str) -> bool:
    try:
        parse_element(name)
    except FormatError:
        return False
    return True
