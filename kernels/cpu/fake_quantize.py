"""Fake quantization: one fused pass for every format, geometry and tensor type.

A work item is a segment (see `band`): its block maxima, its scales, then its elements. Items are independent, so any
split over threads gives the same bits.
"""

import numpy as np

from lowbit.kernels.cpu.amax import block_amaxes
from lowbit.kernels.cpu.band import locate, scratch_size
from lowbit.kernels.cpu.exact import exact_element, exact_scale
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import load, load_one, load_reals, store, store_one, store_stream
from lowbit.kernels.cpu.rounding import element_constants, round_to_values
from lowbit.kernels.cpu.scale import choose_scales, divides
from lowbit.kernels.cpu.vector import LANES, splat_real
from lowbit.lowering import POWER_OF_TWO


@kernel
def qdq_items(x, out, plan, values, codes, grid_record, given, stream, first, last):
    """Fake-quantize the work items first..last of `x` into `out`.

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
        if len(given):
            count = 1
            amaxes[:LANES] = np.uint32(0)
            amaxes[0] = given[band]
        else:
            count = block_amaxes(x, start, grid.columns, rows, columns, width, maxima, amaxes)
        if choose_scales(p, amaxes, count, encodes, scales) or not p.vector:
            _exact(p, values, codes, x, out, start, grid.columns, rows, columns, width, amaxes)
        elif width % LANES == 0:
            for row in range(rows):
                base = start + row * grid.columns
                _row_of_blocks(p, values, codes, x, out, base, columns, width, encodes, scales, stream)
        else:
            spread(encodes, scales, columns, width, wide_encodes, wide_scales)
            for row in range(rows):
                base = start + row * grid.columns
                _row_of_columns(p, values, codes, x, out, base, columns, wide_encodes, wide_scales, stream)


@stage
def spread(encodes, scales, columns, width, wide_encodes, wide_scales):
    """One entry a column from one entry a block."""
    for column in range(columns):
        wide_encodes[column] = encodes[column // width]
        wide_scales[column] = scales[column // width]


@stage
def _row_of_blocks(p, values, codes, x, out, base, columns, width, encodes, scales, stream):
    """A row whose blocks are whole vectors wide: the scale is the same in all lanes."""
    constants, divide = element_constants(p), divides(p)
    for first in range(0, columns, width):
        block = first // width
        encode, scale = splat_real(encodes[block]), splat_real(scales[block])
        size = min(width, columns - first)
        whole = size - size % LANES
        for i in range(base + first, base + first + whole, LANES):
            bits = round_to_values(p, constants, load(x, i), encode, scale, divide)
            if stream:
                store_stream(out, i, bits)
            else:
                store(out, i, bits)
        for i in range(base + first + whole, base + first + size):
            _one(p, values, codes, x, out, i, encodes[block], scales[block])


@stage
def _row_of_columns(p, values, codes, x, out, base, columns, encodes, scales, stream):
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
    for i in range(whole, columns):
        _one(p, values, codes, x, out, base + i, encodes[i], scales[i])


@stage
def _one(p, values, codes, x, out, i, encode, scale):
    """One element by the exact path, with scales that the vector path chose."""
    by = scale if p.scale_family == POWER_OF_TWO else encode
    store_one(out, i, exact_element(p, values, codes, load_one(x, i), np.float64(by), np.float64(scale)))


@stage
def _exact(p, values, codes, x, out, start, stride, rows, columns, width, amaxes):
    """A segment by the exact path alone."""
    for first in range(0, columns, width):
        scale, encode, _ = exact_scale(p, amaxes[first // width])
        for row in range(rows):
            base = start + row * stride + first
            for i in range(base, base + min(width, columns - first)):
                store_one(out, i, exact_element(p, values, codes, load_one(x, i), encode, scale))
