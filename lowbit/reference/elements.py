"""The elements of a block, once its scale is chosen: plain ones, and how they are decoded (contract §2, §5).

Peaks, micro exponents and zero points, in modules of their own, have the same two functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from lowbit.errors import FormatError
from lowbit.formats import BlockFormat, Overflow
from lowbit.reference.candidates import Candidate
from lowbit.reference.grid import grid_of
from lowbit.reference.rounding import Mode, round_to_code
from lowbit.reference.scale import BlockScale
from lowbit.reference.tensor_scale import TensorScale
from lowbit.reference.units import scaled, unscaled


@dataclass(frozen=True, slots=True)
class Encoded:
    """The codes of a block's elements, its side bits, and the numbers in units of the grid that were rounded."""

    codes: tuple[int, ...]
    side: int
    scaled: tuple[float | Fraction, ...]


def encode(
    numbers: Sequence[float], modes: Sequence[Mode], chosen: Candidate, fmt: BlockFormat, tensor: TensorScale
) -> Encoded:
    """Every number divided by the scale and rounded to the chosen element; side bits name the element if it varies."""
    grid = grid_of(chosen.way.element)
    units = tuple(scaled(x, chosen.scale, fmt, tensor) for x in numbers)
    policy = fmt.overflow or Overflow.SATURATE
    codes = tuple(round_to_code(y, grid, mode, policy) for y, mode in zip(units, modes, strict=True))
    return Encoded(codes, fmt.candidates.index(chosen.way) if fmt.selector_bits else 0, units)


def decode(codes: Sequence[int], scale: BlockScale, side: int, fmt: BlockFormat, tensor: TensorScale) -> list[float]:
    """fl(fl(element × scale) × tensor scale) with the element that the side bits name.

    Raises FormatError for side bits that name none.
    """
    if side >= len(fmt.candidates):
        raise FormatError(f"side bits {side} of a block word: {fmt} has {len(fmt.candidates)} candidates")
    element = fmt.candidates[side].element
    return [unscaled(element.decode(code), scale, fmt, tensor) for code in codes]
