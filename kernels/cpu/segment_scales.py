"""What comes before a segment's elements: block maxima and scales, and whether the exact path is needed instead."""

import numpy as np

from lowbit.kernels.cpu.amax import has_tiny, segment_amaxes
from lowbit.kernels.cpu.jit import small_stage
from lowbit.kernels.cpu.lane_candidates import choose_lanes
from lowbit.kernels.cpu.scale import choose_scales

EXACT = np.int64(-1)
"""In place of a number of blocks: the segment is left to the exact path."""


@small_stage
def segment_scales(
    p, grid, cells, start, stride, rows, columns, width, known, n_known, band, draw, chosen, codes_wanted,
    maxima, amaxes, encodes, scales, lanes,
):  # fmt: skip
    """Fill `amaxes`, `encodes` and `scales` for the blocks of a segment; returns how many there are, or EXACT.

    cells, stride: as `segment_cells` gives them. known, n_known: given block maxima. maxima,
    lanes: scratch memory. draw, chosen: as for `qdq_items`; where one is None its part is left out by the compiler.
    """
    count = segment_amaxes(cells, start, stride, rows, columns, width, known, n_known, band, maxima, amaxes)
    if choose_scales(p, amaxes, count, codes_wanted, encodes, scales):
        return EXACT
    if draw is not None and has_tiny(p, draw, cells, start, stride, rows, columns):
        return EXACT
    if chosen is not None and choose_lanes(
        p, grid, chosen, cells, start, stride, rows, columns, width, amaxes, count, encodes, scales, lanes
    ):
        return EXACT
    return np.int64(count)
