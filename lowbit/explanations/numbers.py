"""Numbers as text: short decimals that read back exactly, exact fractions, bit patterns."""

from fractions import Fraction
from math import copysign, isfinite, isnan
from typing import Any

from lowbit.formats.binary32 import binary32, float_to_bits

SHORT_FRACTION = 1 << 12
"""Fractions with a denominator up to this are shown as they are where no short decimal gives them."""

LONGEST = 15
"""Characters of a decimal that is shown for an exact fraction without the sign for "about"."""


def number_text(value: Any) -> str:
    """A number for people: the shortest decimal of a binary32 number, "≈" before whatever is not exact.

    >>> number_text(0.10000000149011612), number_text(Fraction(1, 3)), number_text(-0.0)
    ('0.1', '1/3', '-0')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Fraction):
        return _fraction_text(value)
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, tuple):
        return "(" + ", ".join(number_text(part) for part in value) + ("," if len(value) == 1 else "") + ")"
    return str(value)


def bits_text(value: float) -> str:
    """The pattern of a binary32 number."""
    return f"0x{0x7FC00000 if isnan(value) else float_to_bits(value):08X}"


def code_text(code: int, bits: int) -> str:
    """A code in binary, all its bits; wide ones in groups of four.

    >>> code_text(5, 4), code_text(0x1234, 16)
    ('0b0101', '0b0001_0010_0011_0100')
    """
    digits = f"{code:0{bits}b}"
    if bits > 8:
        head = len(digits) % 4
        digits = "_".join([*([digits[:head]] if head else []), *(digits[i : i + 4] for i in range(head, bits, 4))])
    return f"0b{digits}"


def plain(value: Any) -> Any:
    """A number as JSON has it: fractions, NaN and infinities as text, everything exact."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    return value


def _fraction_text(value: Fraction) -> str:
    number = float(value)
    if Fraction(number) == value:
        text = _float_text(number)
        if len(text) <= LONGEST or binary32(number) == number:
            return text
    if value.denominator <= SHORT_FRACTION:
        return f"{value.numerator}/{value.denominator}"
    return f"≈{number:.9g}"


def _float_text(value: float) -> str:
    if not isfinite(value):
        return str(value)
    if value == 0:
        return "-0" if copysign(1.0, value) < 0 else "0"
    if binary32(value) == value:
        shortest = next(text for digits in range(1, 10) if binary32(float(text := f"{value:.{digits}g}")) == value)
        return _plain_decimal(shortest)
    return f"≈{value:.9g}" if len(repr(value)) > LONGEST else repr(value)


def _plain_decimal(text: str) -> str:
    """An integer of up to seven digits without an exponent."""
    number = float(text)
    return str(int(number)) if number == int(number) and abs(number) < 1e7 else text
