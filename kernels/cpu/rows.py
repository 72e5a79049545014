"""Sixteen neighbours of a row: those of its elements that exist, and the numbers of the blocks that they lie in.

These are the block's in all lanes, or one of its own in every lane.
"""

import numpy as np

from lowbit.kernels.cpu.band import block_of
from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.memory import load, load_reals, load_some
from lowbit.kernels.cpu.vector import LANES, splat_bits, splat_real


@stage
def spread(entries, columns, width, wide):
    """One entry a column from one entry a block, for blocks that split vectors."""
    for block in range((columns + width - 1) // width):
        entry = entries[block]
        for column in range(block * width, min((block + 1) * width, columns)):
            wide[column] = entry


@small_stage
def lane_factors(encodes, scales, wide_encodes, wide_scales, splits, inverse, i):
    """(encode, scale) of the vector at column i. splits: whether lanes have their own; inverse: `block_inverse`."""
    if splits:
        return load_reals(wide_encodes, i), load_reals(wide_scales, i)
    return splat_real(encodes[block_of(i, inverse)]), splat_real(scales[block_of(i, inverse)])


@small_stage
def part(x, start, count):
    """Up to sixteen elements, +0 in place of those that do not exist; nothing else is read."""
    if count >= LANES:
        return load(x, start)
    if count > 0:
        return load_some(x, start, count)
    return splat_bits(np.uint32(0))
