"""Where blocks lie: a dense tensor as (outer, rows, columns), cut into bands and segments.

Every geometry is one: blocks are `height` x `width` tiles. Runs along the last axis have height 1, runs along another
axis width 1. A band is one row of blocks; a segment is a stretch of a band that fits the caches: it is read twice, for
its maxima and for rounding, the second time from cache.
"""

from lowbit.kernels.cpu.jit import stage
from lowbit.kernels.cpu.vector import LANES


@stage
def bands_of(grid):
    """Bands of one outer slice."""
    return (grid.rows + grid.height - 1) // grid.height


@stage
def segments_of(grid):
    """Segments of a band."""
    return (grid.columns + grid.segment - 1) // grid.segment


@stage
def locate(grid, item):
    """(band, column, start, rows, columns) of a work item: where its segment lies and how large it is."""
    segments = segments_of(grid)
    band, segment = item // segments, item % segments
    bands = bands_of(grid)
    outer, inner = band // bands, band % bands
    column = segment * grid.segment
    row = inner * grid.height
    start = (outer * grid.rows + row) * grid.columns + column
    return band, column, start, min(grid.height, grid.rows - row), min(grid.segment, grid.columns - column)


@stage
def scratch_size(grid):
    """Entries of a scratch array that holds one number a column or block of a segment, in whole vectors."""
    return min(grid.segment, grid.columns) + 2 * LANES
