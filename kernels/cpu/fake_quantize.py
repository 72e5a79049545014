"""Fake quantization: one fused pass for every regular grid, geometry and tensor type.

A work item is a segment (see `band`): its block maxima, its scales, then its elements. Items are independent, so any
split over threads gives the same bits. Segments whose scales leave the plan's bounds are left to `exact_items`.
"""

import numpy as np

from lowbit.kernels.cpu.amax import has_tiny, segment_amaxes
from lowbit.kernels.cpu.band import locate, scratch_size
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.lane_candidates import choose_lanes, lane_scratch
from lowbit.kernels.cpu.memory import (
    advance,
    keep,
    load,
    load_reals,
    load_some,
    memory,
    prefetch,
    reals,
    store,
    store_some,
    store_stream,
)
from lowbit.kernels.cpu.random import SLACK, draw_run, drawn
from lowbit.kernels.cpu.rotated_segments import segment_cells, segment_scratch
from lowbit.kernels.cpu.rounding import element_constants, mode_constants, round_to_values, value_constants
from lowbit.kernels.cpu.scale import choose_scales
from lowbit.kernels.cpu.tables import table_constants
from lowbit.kernels.cpu.vector import LANES, splat_real

AHEAD = 4096
"""How many elements ahead memory is asked for while a segment is rounded from the cache."""


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
    turned, lanes = segment_scratch(rotation, size), lane_scratch(chosen, grid)
    for item in range(first, last):
        band, _, start, rows, columns = locate(grid, item)
        cells = segment_cells(source, start, grid.columns, columns, rotation, turned, size)
        width = min(grid.width, columns)
        count = segment_amaxes(
            cells, start, grid.columns, rows, columns, width, known, len(given), band, maxima, amaxes
        )
        if (
            choose_scales(p, amaxes, count, False, encodes, scales)
            or has_tiny(p, draw, cells, start, grid.columns, rows, columns)
            or choose_lanes(
                p, chosen, cells, start, grid.columns, rows, columns, width, amaxes, count, encodes, scales, lanes
            )
        ):
            pending[item] = 1
            continue
        if width % LANES:
            spread(encodes, scales, columns, width, wide_encodes, wide_scales)
        for row in range(rows):
            base = start + row * grid.columns
            lane = draw_run(p, draw, base, columns, words)
            if width % LANES == 0:
                _row_of_blocks(
                    p, cells, target, base, columns, width, encodes, scales, stream, draw, entries, words, lane
                )
            else:
                _row_of_columns(
                    p, cells, target, base, columns, wide_encodes, wide_scales, stream, draw, entries, words, lane
                )
    keep(scratch)
    keep(turned)
    keep(lanes)


@stage
def spread(encodes, scales, columns, width, wide_encodes, wide_scales):
    """One entry a column from one entry a block."""
    for block in range((columns + width - 1) // width):
        encode, scale = encodes[block], scales[block]
        for column in range(block * width, min((block + 1) * width, columns)):
            wide_encodes[column] = encode
            wide_scales[column] = scale


@stage
def _row_of_blocks(p, x, out, base, columns, width, encodes, scales, stream, draw, entries, words, lane):
    """A row whose blocks are whole vectors wide: the scale is the same in all lanes."""
    element, value, how = element_constants(p), value_constants(p), mode_constants(p, draw)
    table = table_constants(entries)
    whole = columns - columns % LANES
    first = 0
    for block in range((columns + width - 1) // width):
        encode, scale = splat_real(encodes[block]), splat_real(scales[block])
        for i in range(base + first, base + min(first + width, whole), LANES):
            random = drawn(how, words, lane + i - base)
            bits = round_to_values(element, value, how, table, load(x, i), encode, scale, random)
            prefetch(x, i + AHEAD)
            if stream:
                store_stream(out, i, bits)
            else:
                store(out, i, bits)
        first += width
    if whole < columns:
        block, rest = whole // width, columns - whole
        encode, scale = splat_real(encodes[block]), splat_real(scales[block])
        random = drawn(how, words, lane + whole)
        bits = round_to_values(element, value, how, table, load_some(x, base + whole, rest), encode, scale, random)
        store_some(out, base + whole, bits, rest)


@stage
def _row_of_columns(p, x, out, base, columns, encodes, scales, stream, draw, entries, words, lane):
    """A row with scales of its own in every lane."""
    element, value, how = element_constants(p), value_constants(p), mode_constants(p, draw)
    table = table_constants(entries)
    whole = columns - columns % LANES
    for i in range(0, whole, LANES):
        encode, scale = load_reals(encodes, i), load_reals(scales, i)
        random = drawn(how, words, lane + i)
        bits = round_to_values(element, value, how, table, load(x, base + i), encode, scale, random)
        prefetch(x, base + i + AHEAD)
        if stream:
            store_stream(out, base + i, bits)
        else:
            store(out, base + i, bits)
    if whole < columns:
        encode, scale, rest = load_reals(encodes, whole), load_reals(scales, whole), columns - whole
        random = drawn(how, words, lane + whole)
        bits = round_to_values(element, value, how, table, load_some(x, base + whole, rest), encode, scale, random)
        store_some(out, base + whole, bits, rest)
