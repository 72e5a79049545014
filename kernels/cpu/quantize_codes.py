"""Quantize to packed codes and scales.

Rows of a dense tensor run along its last axis, so each row of codes is packed on its own: element i at bit i * bits,
low bits first, zero padding (contract §9).
"""

import numpy as np

from lowbit.kernels.cpu.amax import has_tiny, segment_amaxes
from lowbit.kernels.cpu.band import locate, scratch_size
from lowbit.kernels.cpu.fake_quantize import spread
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import advance, keep, load, load_reals, load_some, memory, reals, store_codes
from lowbit.kernels.cpu.packing import pack_run
from lowbit.kernels.cpu.random import SLACK, draw_run, drawn
from lowbit.kernels.cpu.rounding import code_constants, element_constants, mode_constants, round_to_codes
from lowbit.kernels.cpu.scale import choose_scales, scale_code
from lowbit.kernels.cpu.vector import LANES


@kernel
def quantize_items(x, packed, scale_out, plan, grid_record, given, draw, pending, first, last):
    """Quantize the work items first..last of `x`; pending[item] = 1 where the exact path is needed.

    packed: uint8, rows of ceil(columns * bits / 8) bytes. scale_out: one code a block, row-major over (band, block);
    bit patterns for binary32 scales, empty for a plain cast. given: block maxima as bits, or empty to compute them.
    draw: as for `qdq_items`.
    """
    p, grid = plan[0], grid_record[0]
    source, target, known = memory(x), memory(packed), memory(given)
    size = scratch_size(grid)
    scratch = np.empty(8 * size + SLACK, np.uint32)
    amaxes, words = memory(scratch), advance(memory(scratch), 7 * size)
    maxima, row_codes, encodes = advance(amaxes, size), advance(amaxes, 2 * size), reals(advance(amaxes, 3 * size))
    scales, wide_encodes, wide_scales = advance(encodes, size), advance(encodes, 2 * size), advance(encodes, 3 * size)
    row_bytes = (grid.columns * p.bits + 7) // 8
    blocks = (grid.columns + grid.width - 1) // grid.width
    for item in range(first, last):
        band, column, start, rows, columns = locate(grid, item)
        width = min(grid.width, columns)
        count = segment_amaxes(
            source, start, grid.columns, rows, columns, width, known, len(given), band, maxima, amaxes
        )
        if choose_scales(p, amaxes, count, True, encodes, scales) or has_tiny(
            p, draw, source, start, grid.columns, rows, columns
        ):
            pending[item] = 1
            continue
        if len(scale_out):
            for block in range(count):
                code = scale_code(p, scales[block], amaxes[block])
                scale_out[band * blocks + column // grid.width + block] = code
        spread(encodes, scales, columns, width, wide_encodes, wide_scales)
        for row in range(rows):
            base = start + row * grid.columns
            lane = draw_run(p, draw, base, columns, words)
            _codes_of_row(p, source, base, columns, wide_encodes, wide_scales, row_codes, draw, words, lane)
            pack_run(row_codes, columns, p.bits, target, base // grid.columns * row_bytes + column * p.bits // 8)
    keep(scratch)


@stage
def _codes_of_row(p, x, base, columns, encodes, scales, row_codes, draw, words, lane):
    """Codes of a row, sixteen at a time; `row_codes` has room for whole vectors."""
    element, code, how = element_constants(p), code_constants(p), mode_constants(p, draw)
    whole = columns - columns % LANES
    for i in range(0, whole, LANES):
        encode, scale, random = load_reals(encodes, i), load_reals(scales, i), drawn(how, words, lane + i)
        store_codes(row_codes, i, round_to_codes(element, code, how, load(x, base + i), encode, scale, random))
    if whole < columns:
        bits, random = load_some(x, base + whole, columns - whole), drawn(how, words, lane + whole)
        encode, scale = load_reals(encodes, whole), load_reals(scales, whole)
        store_codes(row_codes, whole, round_to_codes(element, code, how, bits, encode, scale, random))
