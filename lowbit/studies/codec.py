"""Canonical JSON for the frozen dataclasses of a study, and a strict way back.

Canonical means one text for one value: keys sorted, no spaces, floats in Python's shortest form, no NaN. A
trial is named by a hash of this text, so the way back refuses anything it does not know instead of guessing.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from lowbit.errors import FormatError

T = TypeVar("T")


def canonical_json(value: object) -> str:
    """The one JSON text of a value made of dicts, lists, strings, numbers, booleans and None.

    Raises ValueError for NaN or infinity: JSON has neither, and a hash must not depend on how they are spelt.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def sha256_of(value: object) -> str:
    """SHA-256 (hexadecimal) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def parse_object(text: str | bytes, what: str) -> dict[str, Any]:
    """A JSON object, or FormatError naming `what` if the text is not JSON or not an object."""
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        raise FormatError(f"{what} is not valid JSON") from None
    if not isinstance(value, dict):
        raise FormatError(f"{what} holds a JSON {type(value).__name__}; an object is needed")
    return value


def _finite(text: str) -> float:
    """A number that can be written back: canonical JSON has neither NaN nor infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def check_keys(given: Mapping[str, Any], allowed: set[str], what: str) -> None:
    """Raise FormatError if `given` is no mapping, lacks one of the `allowed` keys or has others."""
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise FormatError(f"{what} is {given!r}; an object with {', '.join(sorted(allowed))} is needed")
    if unknown := sorted(set(given) - allowed):
        raise FormatError(f"{what} has unknown keys {', '.join(unknown)}; allowed are {', '.join(sorted(allowed))}")
    if missing := sorted(allowed - set(given)):
        raise FormatError(f"{what} lacks {', '.join(missing)}")


def flat_to_json(value: Any) -> dict[str, Any]:
    """Fields of a flat dataclass (numbers, strings, None) by name."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def flat_from_json(kind: type[T], given: Mapping[str, Any], what: str) -> T:
    """The dataclass `kind` from all its int, float and str fields; FormatError for a missing, unknown or
    mistyped one.

    An integer below 2^53 is taken where a float is declared (JSON does not tell 1 from 1.0), nothing else is converted.
    """
    declared = {field.name: field.type for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    check_keys(given, set(declared), what)
    converted: dict[str, Any] = {}
    for name, wanted in declared.items():
        value = given[name]
        if wanted is float and type(value) is int and abs(value) < 1 << 53:
            value = float(value)
        if type(value) is not wanted:
            raise FormatError(f"{what}: {name} is {value!r}; {getattr(wanted, '__name__', wanted)} is needed")
        converted[name] = value
    return kind(**converted)
