"""Quantize to packed codes and scales.

Rows of a dense tensor run along its last axis, so each row of codes is packed on its own: element i at bit i * bits,
low bits first, zero padding (contract §9).
"""

import numpy as np

from lowbit.kernels.cpu.amax import block_amaxes
from lowbit.kernels.cpu.band import locate, scratch_size
from lowbit.kernels.cpu.exact import exact_code, exact_scale
from lowbit.kernels.cpu.fake_quantize import spread
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import load, load_one, load_reals, store_codes
from lowbit.kernels.cpu.packing import pack_run
from lowbit.kernels.cpu.rounding import element_constants, round_to_codes
from lowbit.kernels.cpu.scale import choose_scales, divides, scale_code
from lowbit.kernels.cpu.vector import LANES
from lowbit.lowering import POWER_OF_TWO


@kernel
def quantize_items(x, packed, scale_out, plan, values, codes, grid_record, given, first, last):
    """Quantize the work items first..last of `x`.

    packed: uint8, rows of ceil(columns * bits / 8) bytes. scale_out: one code a block, row-major over (band, block);
    bit patterns for binary32 scales, empty for a plain cast. given: block maxima as bits, or empty to compute them.
    """
    p, grid = plan[0], grid_record[0]
    size = scratch_size(grid)
    amaxes, maxima, row_codes = np.empty(size, np.uint32), np.empty(size, np.uint32), np.empty(size, np.uint32)
    encodes, scales = np.empty(size, np.float32), np.empty(size, np.float32)
    wide_encodes, wide_scales = np.empty(size, np.float32), np.empty(size, np.float32)
    row_bytes = (grid.columns * p.bits + 7) // 8
    blocks = (grid.columns + grid.width - 1) // grid.width
    for item in range(first, last):
        band, column, start, rows, columns = locate(grid, item)
        width = min(grid.width, columns)
        if len(given):
            count = 1
            amaxes[:LANES] = np.uint32(0)
            amaxes[0] = given[band]
        else:
            count = block_amaxes(x, start, grid.columns, rows, columns, width, maxima, amaxes)
        exact = choose_scales(p, amaxes, count, encodes, scales) or not p.vector
        if len(scale_out):
            _store_scales(p, exact, amaxes, count, scales, scale_out, band * blocks + column // grid.width)
        if not exact:
            spread(encodes, scales, columns, width, wide_encodes, wide_scales)
        for row in range(rows):
            base = start + row * grid.columns
            if exact:
                _exact_row(p, values, codes, x, base, columns, width, amaxes, row_codes)
            else:
                _vector_row(p, values, codes, x, base, columns, wide_encodes, wide_scales, row_codes)
            pack_run(row_codes, columns, p.bits, packed, (base // grid.columns) * row_bytes + column * p.bits // 8)


@stage
def _store_scales(p, exact, amaxes, count, scales, out, start):
    for block in range(count):
        if exact:
            _, _, code = exact_scale(p, amaxes[block])
            out[start + block] = code
        else:
            out[start + block] = scale_code(p, scales[block], amaxes[block])


@stage
def _vector_row(p, values, codes, x, base, columns, encodes, scales, row_codes):
    """Codes of a row, sixteen at a time; its end by the exact path."""
    constants, divide = element_constants(p), divides(p)
    whole = columns - columns % LANES
    for i in range(0, whole, LANES):
        store_codes(row_codes, i, round_to_codes(p, constants, load(x, base + i), load_reals(encodes, i), divide))
    for i in range(whole, columns):
        by = scales[i] if p.scale_family == POWER_OF_TWO else encodes[i]
        scale = np.float64(scales[i])
        row_codes[i] = exact_code(p, values, codes, load_one(x, base + i), np.float64(by), scale)


@stage
def _exact_row(p, values, codes, x, base, columns, width, amaxes, row_codes):
    """Codes of a row by the exact path alone."""
    for first in range(0, columns, width):
        scale, encode, _ = exact_scale(p, amaxes[first // width])
        for i in range(first, min(first + width, columns)):
            row_codes[i] = exact_code(p, values, codes, load_one(x, base + i), encode, scale)
