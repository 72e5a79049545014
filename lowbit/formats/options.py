"""The options of a block format: how each is read from what users give, and how spec text writes it.

A new option is one entry of `OPTIONS` and one field of `BlockFormat`. Standard library only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, cast

from lowbit.errors import ArgumentError
from lowbit.formats.binary32 import FLT_MAX, binary32
from lowbit.formats.codes import Element
from lowbit.formats.elements import element_text
from lowbit.formats.grids import number_text
from lowbit.formats.rounding import (
    Arithmetic,
    Correction,
    Overflow,
    Peak,
    ScaleDomain,
    ScaleFloor,
    ScaleRule,
    Select,
    Statistic,
    ZeroPoint,
    enum_member,
)


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to store a block: a grid, and the magnitude on it that the block's statistic maps to.

    `target_max`, a number or its text, is rounded to binary32; by default the largest value of the element.
    """

    element: Element
    target_max: Fraction | str | None = None

    def __post_init__(self) -> None:
        given = self.element.max_fraction if self.target_max is None else self.target_max
        object.__setattr__(self, "target_max", positive_number(given, "target_max"))

    @property
    def target(self) -> Fraction:
        """`target_max`, which is a fraction once the value exists."""
        assert isinstance(self.target_max, Fraction)
        return self.target_max

    def __str__(self) -> str:
        plain = self.target == Alternative(self.element).target
        return element_text(self.element) + ("" if plain else f"@{number_text(self.target)}")


@dataclass(frozen=True, slots=True)
class Option:
    """read(given, name) -> the field's value, raising ArgumentError; write(value) -> its text."""

    read: Callable[[Any, str], Any]
    write: Callable[[Any], str]


def positive_number(given: Any, name: str) -> Fraction:
    """A positive number as a binary32 fraction."""
    try:
        number = binary32(float(given))
    except (TypeError, ValueError, OverflowError):
        number = 0.0
    if not 2.0**-126 <= number <= FLT_MAX:
        raise ArgumentError(f"{name}={given!r}: give a positive number that is normal in binary32")
    return Fraction(number)


def _whole(given: Any, name: str) -> int:
    try:
        number = int(given)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number < 1 or isinstance(given, bool) or number != (int(given) if isinstance(given, str) else given):
        raise ArgumentError(f"{name}={given!r}: give a positive integer")
    return number


def _numbers(separator: str) -> Option:
    """A tuple of positive integers."""

    def read(given: Any, name: str) -> tuple[int, ...]:
        parts = given.split(separator) if isinstance(given, str) else given
        if not isinstance(parts, list | tuple):
            raise ArgumentError(f"{name}={given!r}: give integers, in text as 8{separator}4")
        return tuple(_whole(part, name) for part in cast("list[Any]", parts))

    return Option(read, lambda value: separator.join(map(str, value)))


def _choice(kind: type[StrEnum]) -> Option:
    return Option(lambda given, name: enum_member(kind, given, name), lambda value: value.value)


def _read_alternatives(given: Any, name: str) -> tuple[Alternative, ...]:
    entries = cast("list[Any]", given) if isinstance(given, list | tuple) else [given]
    for entry in entries:
        if not isinstance(entry, Alternative):
            raise ArgumentError(f"{name}={given!r}: give Alternative(element, target_max), in text as e2m1@4")
    return tuple(entries)


OPTIONS: dict[str, Option] = {
    "scale_rule": _choice(ScaleRule),
    "statistic": _choice(Statistic),
    "target_max": Option(positive_number, number_text),
    "scale_floor": _choice(ScaleFloor),
    "scale_domain": _choice(ScaleDomain),
    "arithmetic": _choice(Arithmetic),
    "overflow": _choice(Overflow),
    "alternatives": Option(_read_alternatives, lambda value: "+".join(map(str, value))),
    "select": _choice(Select),
    "peak": _choice(Peak),
    "micro_exponents": _numbers("+"),
    "zero_point": _choice(ZeroPoint),
    "correction": _choice(Correction),
    "correction_group": Option(_whole, str),
    "sparsity": _numbers(":"),
}
"""Every option by the name of its field."""
