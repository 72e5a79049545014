"""Fake quantization: one fused pass for every regular grid, geometry and tensor type.

A work item is a segment (see `band`): its block maxima, its scales, then its elements. Items are independent, so any
split over threads gives the same bits. Segments whose scales leave the plan's bounds are left to `exact_items`.
"""

import numpy as np

from lowbit.kernels.cpu.band import block_inverse, block_of, locate, reach, scratch_size, splits_vectors
from lowbit.kernels.cpu.drawn_rows import draw_row
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.lane_candidates import lane_scratch
from lowbit.kernels.cpu.memory import (
    advance,
    keep,
    memory,
    prefetch,
    reals,
    store,
    store_some,
    store_stream,
)
from lowbit.kernels.cpu.pairs import PAIR, alike, load_pair, load_real_pair, store_pair, stream_pair
from lowbit.kernels.cpu.plain_pairs import plain_pairs
from lowbit.kernels.cpu.random import SLACK, draw_run, drawn
from lowbit.kernels.cpu.rotated_segments import segment_cells, segment_scratch
from lowbit.kernels.cpu.rounding import element_constants, mode_constants, round_to_values, value_constants
from lowbit.kernels.cpu.rows import lane_factors, part, spread
from lowbit.kernels.cpu.segment_scales import segment_scales
from lowbit.kernels.cpu.tables import table_constants
from lowbit.kernels.cpu.vector import LANES, splat_real

AHEAD = 4096
"""How many elements ahead memory is asked for while a row is rounded from the cache."""


@kernel
def qdq_items(x, out, plan, grid_record, given, rotation, draw, chosen, entries, stream, pending, first, last):
    """Fake-quantize the work items first..last of `x` into `out`; pending[item] = 1 where the exact path is needed.

    x, out: one-dimensional views of dense tensors in the same memory order, the same type; `out` may be `x` itself.
    given: block maxima as bits, one for each block, or empty to compute them. rotation: None, or the rotation of rows
    that comes first, for blocks one row high (`rotated_segments`). draw: what random bits follow from (`random`), or
    None to round to nearest even. chosen: None, or what candidates are compared by (`lane_candidates`). entries: None,
    or the table of an irregular grid. A kernel of its own is compiled for each None. stream: write past the caches.
    """
    p, grid = plan[0], grid_record[0]
    source, target, known = memory(x), memory(out), memory(given)
    size = scratch_size(grid)
    scratch = np.empty(7 * size + SLACK, np.uint32)
    amaxes, words = memory(scratch), advance(memory(scratch), 6 * size)
    maxima, encodes = advance(amaxes, size), reals(advance(amaxes, 2 * size))
    scales, wide_encodes, wide_scales = advance(encodes, size), advance(encodes, 2 * size), advance(encodes, 3 * size)
    turned, lanes = segment_scratch(rotation, grid), scratch if chosen is None else lane_scratch(grid, chosen)
    for item in range(first, last):
        band, column, start, rows, columns = locate(grid, item)
        cells, stride = segment_cells(source, grid, start, rows, columns, item == first, rotation, turned)
        width = min(grid.width, columns)
        count = segment_scales(
            p, grid, cells, start, stride, rows, columns, width, known, len(given), band, draw, chosen, False,
            maxima, amaxes, encodes, scales, lanes,
        )  # fmt: skip
        if count < 0:
            pending[item] = 1
            continue
        lane_encodes, lane_scales = encodes, scales
        if width > 1 and splits_vectors(width, columns):
            lane_encodes, lane_scales = wide_encodes, wide_scales
            spread(encodes, columns, width, wide_encodes)
            spread(scales, columns, width, wide_scales)
        upcoming = advance(source, AHEAD if rows * grid.together == 1 else reach(grid, column, columns))
        _round_rows(
            p, cells, stride, target, start, grid.columns, rows, columns, width, encodes, scales,
            lane_encodes, lane_scales, upcoming, stream, draw, entries, words,
        )  # fmt: skip
    keep(scratch)
    keep(turned)
    keep(lanes)


@stage
def _round_rows(
    p, cells, cells_stride, out, start, stride, rows, columns, width, encodes, scales, lane_encodes, lane_scales,
    upcoming, stream, draw, entries, words,
):  # fmt: skip
    """Round a segment: one scale in all lanes where blocks do not split vectors, else one of its own in every lane.

    cells, cells_stride: as `segment_cells` gives them. upcoming: memory that is asked for at the index of each vector,
    in time for what comes next.
    """
    element, value, how = element_constants(p), value_constants(p), mode_constants(p, draw)
    table, paired = table_constants(p, entries), 0
    splits = splits_vectors(width, columns)
    inverse = np.int64(0) if splits else block_inverse(width, columns)
    for row in range(rows):
        base, lane = start + row * stride, 0
        x = advance(cells, row * (cells_stride - stride))
        if draw is not None:
            lane = draw_run(p, draw, base, columns, words)
            paired = 0 if splits else draw_row(
                p, element, value, x, out, base, columns, inverse, encodes, scales, upcoming, stream, words, lane
            )  # fmt: skip
        elif entries is None:
            paired = plain_pairs(
                p, element, value, x, out, base, columns, width, inverse, encodes, scales, lane_encodes, lane_scales,
                upcoming, stream,
            )  # fmt: skip
        else:
            paired = _pairs_of_blocks(
                element, value, table, x, out, base, columns, width, encodes, scales, lane_encodes, lane_scales,
                upcoming, stream,
            )  # fmt: skip
        for i in range(paired, columns, LANES):
            encode, scale = lane_factors(encodes, scales, lane_encodes, lane_scales, splits, inverse, i)
            rest, random = min(LANES, columns - i), drawn(how, words, lane + i)
            bits = part(x, base + i, rest)
            bits = round_to_values(element, value, how, table, bits, encode, scale, random)
            prefetch(upcoming, base + i)
            if rest < LANES:
                store_some(out, base + i, bits, rest)
            elif stream:
                store_stream(out, base + i, bits)
            else:
                store(out, base + i, bits)


@stage
def _pairs_of_blocks(
    element, value, table, x, out, base, columns, width, encodes, scales, lane_encodes, lane_scales, upcoming, stream
):  # fmt: skip
    """The part of a row that pairs of vectors cover, rounded to nearest even; returns how many columns that are."""
    whole = width % PAIR == 0 or width >= columns
    paired = columns - columns % PAIR if (whole or width == 1) and alike(x, out) else 0
    inverse = block_inverse(width, columns) if whole else np.int64(0)
    for i in range(0, paired, PAIR):
        if whole:
            block = block_of(i, inverse)
            encode, scale = splat_real(encodes[block]), splat_real(scales[block])
            other_encode, other_scale = encode, scale
        else:
            encode, other_encode = load_real_pair(x, lane_encodes, i)
            scale, other_scale = load_real_pair(x, lane_scales, i)
        first, second = load_pair(x, base + i)
        first = round_to_values(element, value, None, table, first, encode, scale, None)
        second = round_to_values(element, value, None, table, second, other_encode, other_scale, None)
        prefetch(upcoming, base + i)
        prefetch(upcoming, base + i + LANES)
        if stream:
            stream_pair(out, base + i, first, second)
        else:
            store_pair(out, base + i, first, second)
    return paired
