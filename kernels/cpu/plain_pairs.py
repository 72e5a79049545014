"""Pairs of vectors to nearest even, in the formats that most tensors meet: regular grids that saturate.

What `round_to_values` decides for every vector is decided here once for a row, and nothing is left to decide in loops.
"""

from lowbit.kernels.cpu.band import block_of
from lowbit.kernels.cpu.jit import stage
from lowbit.kernels.cpu.memory import prefetch
from lowbit.kernels.cpu.pairs import PAIR, alike, entry_pair, load_pair, load_real_pair, store_normal_pair
from lowbit.kernels.cpu.rounding import nearest, scaled_magnitude
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    LANES,
    SIGN,
    as_bits,
    as_real,
    smaller,
    splat_bits,
    splat_real,
)
from lowbit.lowering import ROUND_REALS

BFLOAT_MANTISSA = 7


@stage
def plain_pairs(
    p, element, value, x, out, base, columns, width, inverse, encodes, scales, lane_encodes, lane_scales, upcoming,
    stream,
):  # fmt: skip
    """Round what pairs of vectors cover of a row; returns how many columns that are.

    element, value: the constants of `rounding`; inverse: `block_inverse`; the other arguments as for `_round_rows`.
    """
    if (
        p.vector != ROUND_REALS
        or p.overflow != p.max
        or not (width in (1, LANES) or width % PAIR == 0 or width >= columns)
        or not alike(x, out)
    ):
        return 0
    inside, _, divide, _, _, _, level, zero, _, _ = value
    paired = columns - columns % PAIR
    exact = inside and p.mantissa <= BFLOAT_MANTISSA
    for i in range(0, paired, PAIR):
        block = block_of(i, inverse)
        if width == LANES:
            encode, other_encode = entry_pair(x, encodes, block)
            scale, other_scale = entry_pair(x, scales, block)
        elif width == 1:
            encode, other_encode = load_real_pair(x, lane_encodes, i)
            scale, other_scale = load_real_pair(x, lane_scales, i)
        else:
            encode, scale = splat_real(encodes[block]), splat_real(scales[block])
            other_encode, other_scale = encode, scale
        first, second = load_pair(x, base + i)
        if inside:
            first = _in_place(element, first, encode, scale, zero)
            second = _in_place(element, second, other_encode, other_scale, zero)
        else:
            first = _scaled(element, first, encode, scale, zero, level, divide)
            second = _scaled(element, second, other_encode, other_scale, zero, level, divide)
        prefetch(upcoming, base + i)
        prefetch(upcoming, base + i + LANES)
        store_normal_pair(out, base + i, first, second, exact, stream)
    return paired


@stage
def _in_place(element, bits, encode, scale, zero):
    """Elements on the scaled grid, whose lowest exponent and largest value are the block's."""
    _, shift, _, _, _ = element
    rounded, _, _ = nearest(as_real(bits & splat_bits(ABSOLUTE)), as_bits(encode), shift)
    return as_bits(as_real(as_bits(smaller(rounded, scale)) | (bits & splat_bits(SIGN))) + zero)


@stage
def _scaled(element, bits, encode, scale, zero, level, divide):
    """Elements on the grid itself, and back."""
    lowest, shift, clamp, _, _ = element
    rounded, _, _ = nearest(smaller(scaled_magnitude(bits, encode, divide), clamp), lowest, shift)
    return as_bits(((as_real(as_bits(rounded) | (bits & splat_bits(SIGN))) + zero) * scale) * level)
