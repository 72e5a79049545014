"""Checks that recipes share: wrong kinds of value and unknown fields, refused with what is allowed."""

from collections.abc import Iterable
from difflib import get_close_matches
from types import UnionType

from lowbit.errors import ArgumentError


def check_type(value: object, kind: type | UnionType, name: str, expected: str) -> None:
    """Raise ArgumentError, saying what is expected, if `value` is not of that kind."""
    if not isinstance(value, kind):
        raise ArgumentError(f"{name}={value!r} is not {expected}")


def check_fields(given: Iterable[str], allowed: Iterable[str], what: str) -> None:
    """Raise ArgumentError for the first name given that is not allowed, with the closest one that is."""
    names = list(allowed)
    for name in given:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ArgumentError(f"{name!r} is not {what}; choose from: {', '.join(names)}{hint}")
