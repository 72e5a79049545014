"""Fake quantization: one fused pass for every regular grid, geometry and tensor type.

A work item is a segment (see `band`): its block maxima, its scales, then its elements. Items are independent, so any
split over threads gives the same bits. Segments whose scales leave the plan's bounds are left to `exact_items`.
"""

import numpy as np

from lowbit.kernels.cpu.amax import segment_amaxes
from lowbit.kernels.cpu.band import locate, scratch_size
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import load, load_reals, load_some, store, store_some, store_stream
from lowbit.kernels.cpu.rounding import element_constants, round_to_values
from lowbit.kernels.cpu.scale import choose_scales, divides
from lowbit.kernels.cpu.vector import LANES, splat_real


@kernel
def qdq_items(x, out, plan, grid_record, given, stream, pending, first, last):
    """Fake-quantize the work items first..last of `x` into `out`; pending[item] = 1 where the exact path is needed.

    x, out: one-dimensional views of dense tensors in the same memory order, the same type; `out` may be `x` itself.
    given: block maxima as bits, one for each block, or empty to compute them. stream: write past the caches.
    """
    p, grid = plan[0], grid_record[0]
    size = scratch_size(grid)
    amaxes, maxima = np.empty(size, np.uint32), np.empty(size, np.uint32)
    encodes, scales = np.empty(size, np.float32), np.empty(size, np.float32)
    wide_encodes, wide_scales = np.empty(size, np.float32), np.empty(size, np.float32)
    for item in range(first, last):
        band, _, start, rows, columns = locate(grid, item)
        width = min(grid.width, columns)
        count = segment_amaxes(x, start, grid.columns, rows, columns, width, given, band, maxima, amaxes)
        if choose_scales(p, amaxes, count, encodes, scales):
            pending[item] = 1
        elif width % LANES == 0:
            for row in range(rows):
                _row_of_blocks(p, x, out, start + row * grid.columns, columns, width, encodes, scales, stream)
        else:
            spread(encodes, scales, columns, width, wide_encodes, wide_scales)
            for row in range(rows):
                _row_of_columns(p, x, out, start + row * grid.columns, columns, wide_encodes, wide_scales, stream)


@stage
def spread(encodes, scales, columns, width, wide_encodes, wide_scales):
    """One entry a column from one entry a block."""
    for column in range(columns):
        wide_encodes[column] = encodes[column // width]
        wide_scales[column] = scales[column // width]


@stage
def _row_of_blocks(p, x, out, base, columns, width, encodes, scales, stream):
    """A row whose blocks are whole vectors wide: the scale is the same in all lanes."""
    constants, divide = element_constants(p), divides(p)
    for first in range(0, columns, width):
        encode, scale = splat_real(encodes[first // width]), splat_real(scales[first // width])
        size = min(width, columns - first)
        whole = size - size % LANES
        for i in range(base + first, base + first + whole, LANES):
            bits = round_to_values(p, constants, load(x, i), encode, scale, divide)
            if stream:
                store_stream(out, i, bits)
            else:
                store(out, i, bits)
        if whole < size:
            i, rest = base + first + whole, size - whole
            bits = round_to_values(p, constants, load_some(x, i, rest), encode, scale, divide)
            store_some(out, i, bits, rest)


@stage
def _row_of_columns(p, x, out, base, columns, encodes, scales, stream):
    """A row with scales of its own in every lane."""
    constants, divide = element_constants(p), divides(p)
    whole = columns - columns % LANES
    for i in range(0, whole, LANES):
        encode, scale = load_reals(encodes, i), load_reals(scales, i)
        bits = round_to_values(p, constants, load(x, base + i), encode, scale, divide)
        if stream:
            store_stream(out, base + i, bits)
        else:
            store(out, base + i, bits)
    if whole < columns:
        encode, scale, rest = load_reals(encodes, whole), load_reals(scales, whole), columns - whole
        bits = round_to_values(p, constants, load_some(x, base + whole, rest), encode, scale, divide)
        store_some(out, base + whole, bits, rest)
