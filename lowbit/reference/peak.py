"""MX+: the largest magnitude of a block spends its exponent bits on more mantissa (contract §12, peak=extra_mantissa).

The exponent of the block's largest magnitude is known: the floor rule puts it into [2^Emax, 2^(Emax+1)).
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from lowbit.formats import BlockFormat, FloatElement, Overflow
from lowbit.reference import elements
from lowbit.reference.candidates import Candidate
from lowbit.reference.elements import Encoded
from lowbit.reference.grid import Grid, Side
from lowbit.reference.rounding import Mode, round_to_code
from lowbit.reference.scale import BlockScale
from lowbit.reference.tensor_scale import TensorScale
from lowbit.reference.units import unscaled


def encode(
    numbers: Sequence[float], modes: Sequence[Mode], chosen: Candidate, fmt: BlockFormat, tensor: TensorScale
) -> Encoded:
    """As plain elements, but the first of the largest magnitudes takes a code of the peak's grid.

    Side bits: 1 + its place in the block, or 0 where its scaled magnitude lies outside that grid's binade (blocks of
    zeros, clamped scales) and it is stored like the others.
    """
    plain = elements.encode(numbers, modes, chosen, fmt, tensor)
    place = max(range(len(numbers)), key=lambda i: abs(numbers[i]))  # the first of equals
    grid, y = peak_grid(fmt.element), plain.scaled[place]
    lowest = grid.positive.values[0]
    if not lowest <= abs(y) < 2 * lowest:
        return plain
    codes = list(plain.codes)
    codes[place] = round_to_code(y, grid, modes[place], Overflow.SATURATE)
    return replace(plain, codes=tuple(codes), side=1 + place)


def decode(codes: Sequence[int], scale: BlockScale, side: int, fmt: BlockFormat, tensor: TensorScale) -> list[float]:
    """As plain elements, but the one that the side bits point to is read on the peak's grid."""
    values = elements.decode(codes, scale, 0, fmt, tensor)
    if 0 < side <= len(codes):
        negative, place = divmod(codes[side - 1], 1 << (fmt.element.bits - 1))
        magnitude = peak_grid(fmt.element).positive.values[place]
        values[side - 1] = unscaled(-magnitude if negative else magnitude, scale, fmt, tensor)
    return values


@lru_cache(maxsize=64)
def peak_grid(element: FloatElement) -> Grid:
    """±2^Emax·(1 + i/2^(E+m)), i < 2^(E+m); the code is i with the sign above it."""
    count = 1 << element.magnitude_bits
    lowest = Fraction(2) ** element.max_exponent
    values = tuple(float(lowest * (1 + Fraction(i, count))) for i in range(count))
    negative = tuple(range(count, 2 * count))
    return Grid(element, Side(values, tuple(range(count))), Side(values, negative))
