"""Where blocks lie: a dense tensor as (outer, rows, columns), cut into bands and segments.

Every geometry is one: blocks are `height` x `width` tiles. Runs along the last axis have height 1, runs along another
axis width 1. A band is one row of blocks; a segment is a stretch of a band that fits the caches: it is read twice, for
its maxima and for rounding, the second time from cache.
"""

import numpy as np

from lowbit.kernels.cpu.jit import small_stage
from lowbit.kernels.cpu.vector import LANES


@small_stage
def locate(grid, item):
    """(band, column, start, rows, columns) of a work item: where its segment lies and how large it is.

    Items run along bands, but for `grid.together` of them: there they run down those bands first.
    """
    outer, place = item // (grid.bands * grid.segments), item % (grid.bands * grid.segments)
    upper = place // (grid.segments * grid.together) * grid.together
    beside = min(grid.together, grid.bands - upper)
    segment, inner = (place - upper * grid.segments) // beside, upper + (place - upper * grid.segments) % beside
    band = outer * grid.bands + inner
    column = segment * grid.segment
    row = inner * grid.height
    start = (outer * grid.rows + row) * grid.columns + column
    return band, column, start, min(grid.height, grid.rows - row), min(grid.segment, grid.columns - column)


@small_stage
def reach(grid, column, columns):
    """How many elements further on the next segment starts: past this one in its band, or in the next band.

    While a segment is rounded from the caches, the next one is asked for by this distance. Without it the memory of
    tall blocks is read in short stretches, each of which waits for the first of its lines.
    """
    return columns if column + columns < grid.columns else grid.height * grid.together * grid.columns - column


@small_stage
def scratch_size(grid):
    """Entries of a scratch array that holds one number a column or block of a segment, in whole vectors."""
    return min(grid.segment, grid.columns) + 2 * LANES


@small_stage
def splits_vectors(width, columns):
    """Whether blocks end within vectors of a segment, whose lanes then need numbers of their own."""
    return width % LANES != 0 and width < columns


@small_stage
def block_inverse(width, columns):
    """What `block_of` needs to know of blocks that do not split vectors: 2^32 over their number of vectors, or 0 for a
    single block."""
    return (np.int64(1) << 32) // (width // LANES) + 1 if width < columns else np.int64(0)


@small_stage
def block_of(column, inverse):
    """column // width for columns of a segment that are multiples of sixteen, by a multiplication.

    A loop over vectors needs it: loops of one or two turns for each block cost more than their work. Exact as long as
    a segment's number of vectors, times that of a block, stays below 2^32.
    """
    return ((column // LANES) * inverse) >> 32
