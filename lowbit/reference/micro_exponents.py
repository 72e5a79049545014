"""Nested runs of a block with an exponent bit each (HiF4; contract §12, micro_exponents)."""

from collections.abc import Sequence
from fractions import Fraction
from math import isfinite

from lowbit.formats import BlockFormat, Overflow
from lowbit.reference.candidates import Candidate
from lowbit.reference.elements import Encoded
from lowbit.reference.grid import grid_of
from lowbit.reference.rounding import Mode, round_to_code
from lowbit.reference.scale import BlockScale
from lowbit.reference.tensor_scale import TensorScale
from lowbit.reference.units import scaled, unscaled


def encode(
    numbers: Sequence[float], modes: Sequence[Mode], chosen: Candidate, fmt: BlockFormat, tensor: TensorScale
) -> Encoded:
    """Bits from the outermost level inwards; then every number, halved once for each bit set over it, is rounded."""
    side = 0
    for level in range(len(_sizes(fmt))):
        side |= _level_bits(level, numbers, side, chosen.scale, fmt, tensor)
    units = tuple(_halved(scaled(x, chosen.scale, fmt, tensor), halvings(i, side, fmt)) for i, x in enumerate(numbers))
    grid = grid_of(fmt.element)
    codes = tuple(round_to_code(y, grid, mode, Overflow.SATURATE) for y, mode in zip(units, modes, strict=True))
    return Encoded(codes, side, units)


def decode(codes: Sequence[int], scale: BlockScale, side: int, fmt: BlockFormat, tensor: TensorScale) -> list[float]:
    """fl(fl(element·2^bits × scale) × tensor scale); doubling an element is exact."""
    return [
        unscaled(fmt.element.decode(code) * 2 ** halvings(i, side, fmt), scale, fmt, tensor)
        for i, code in enumerate(codes)
    ]


def _level_bits(
    level: int, numbers: Sequence[float], side: int, scale: BlockScale, fmt: BlockFormat, tensor: TensorScale
) -> int:
    """Bits of all runs of a level, given those of the levels around it.

    A run has its bit set where its largest magnitude, halved for every bit around it, does not fit below the largest
    that the levels inside it can still reach: 2^(Emax + 1 + levels inside).
    """
    size, inside = _sizes(fmt)[level], len(_sizes(fmt)) - 1 - level
    threshold = Fraction(2) ** (fmt.element.max_exponent + 1 + inside)
    bits = 0
    for start in range(0, len(numbers), size):
        largest = scaled(max(abs(x) for x in numbers[start : start + size]), scale, fmt, tensor)
        if _halved(largest, halvings(start, side, fmt)) >= threshold:
            bits |= 1 << _bit_position(level, start, fmt)
    return bits


def halvings(index: int, side: int, fmt: BlockFormat) -> int:
    """How many bits are set over the element at this place of the block."""
    return sum(side >> _bit_position(level, index, fmt) & 1 for level in range(len(_sizes(fmt))))


def _bit_position(level: int, index: int, fmt: BlockFormat) -> int:
    """Where the bit of an element's run lies among the side bits: all runs of the outer levels come first."""
    assert fmt.block is not None and fmt.block.elements is not None  # the format refuses blocks of unknown size
    outer = sum(fmt.block.elements // size for size in _sizes(fmt)[:level])
    return outer + index // _sizes(fmt)[level]


def _halved(y: float | Fraction, times: int) -> float | Fraction:
    """y / 2^times, exact; zeros keep their sign."""
    return Fraction(y) / 2**times if y and isfinite(y) else y


def _sizes(fmt: BlockFormat) -> tuple[int, ...]:
    assert fmt.micro_exponents is not None  # never None once a format exists
    return fmt.micro_exponents
