"""What every element can do with its codes: list its values and encode a value exactly.

Only enumeration over `decode` is used, so one definition serves floats, integers and codebooks.
"""

from fractions import Fraction
from math import copysign, isfinite, isnan
from typing import NoReturn, Protocol

from lowbit.errors import FormatError

MAX_ENUMERATED_BITS = 19
"""Widest element whose values are listed (tf32). binary32 scales are described but never enumerated."""


class Coded(Protocol):
    """Anything with a name, a code width and a decoder."""

    @property
    def name(self) -> str:
        """What errors call the element."""
        ...

    @property
    def bits(self) -> int:
        """Width of a code."""
        ...

    def decode(self, code: int, /) -> float:
        """The value of a code."""
        ...


def finite_values(element: Coded, unused: frozenset[int] = frozenset()) -> tuple[float, ...]:
    """Distinct finite values of all codes but the unused ones, ascending; zero appears once, as +0."""
    decoded = (element.decode(code) for code in _codes(element) if code not in unused)
    return tuple(sorted({value + 0.0 for value in decoded if isfinite(value)}))


def exact_code(element: Coded, value: float | Fraction) -> int:
    """The code of `value`; -0 is the code of +0 where there is no other. FormatError if no code has that value."""
    negative_zero: int | None = None
    for code in _codes(element):
        candidate = element.decode(code)
        if candidate == value:
            if value or copysign(1.0, candidate) == copysign(1.0, value):
                return code
            negative_zero = code
        elif isnan(candidate) and isnan(value):
            return code
    if negative_zero is not None:
        return negative_zero
    return _raise_off_grid(element, value)


def check_code(element: Coded, code: int) -> None:
    """FormatError unless `code` fits the element's width."""
    if not 0 <= code < 1 << element.bits:
        raise FormatError(f"code {code} is outside 0..{(1 << element.bits) - 1} of {element.name}")


def _codes(element: Coded) -> range:
    if element.bits > MAX_ENUMERATED_BITS:
        raise FormatError(f"{element.name} has 2^{element.bits} codes; only elements of up to 19 bits are listed")
    return range(1 << element.bits)


def _raise_off_grid(element: Coded, value: float | Fraction) -> NoReturn:
    values = finite_values(element)
    neighbours = [str(v) for v in ([v for v in values if v < value][-1:] + [v for v in values if v > value][:1])]
    raise FormatError(
        f"{value} is not a value of {element.name}; its neighbours are {' and '.join(neighbours) or 'none'}: "
        "encode takes exact values, use lowbit.quantize or lowbit.reference.round to round"
    )
