"""Quantize to packed codes and scales.

Rows of a dense tensor run along its last axis, so each row of codes is packed on its own: element i at bit i * bits,
low bits first, zero padding (contract §9). Codes of a row lie in the first-level cache between rounding and packing.
"""

import numpy as np

from lowbit.kernels.cpu.band import locate, scratch_size, splits_vectors
from lowbit.kernels.cpu.block_words import block_words
from lowbit.kernels.cpu.code_rows import codes_of_row
from lowbit.kernels.cpu.jit import kernel
from lowbit.kernels.cpu.lane_candidates import lane_scratch
from lowbit.kernels.cpu.memory import advance, keep, line_of, memory, reals
from lowbit.kernels.cpu.packing import pack_octets, pack_wide
from lowbit.kernels.cpu.random import SLACK, draw_run
from lowbit.kernels.cpu.rotated_segments import segment_cells, segment_scratch
from lowbit.kernels.cpu.rows import spread
from lowbit.kernels.cpu.scratch import octets
from lowbit.kernels.cpu.segment_scales import segment_scales
from lowbit.kernels.cpu.vector import LANES


@kernel
def quantize_items(
    x, packed, scale_out, plan, grid_record, given, rotation, draw, chosen, entries, stream, pending, first, last
):
    """Quantize the work items first..last of `x`; pending[item] = 1 where the exact path is needed.

    packed: uint8, rows of ceil(columns * bits / 8) bytes. scale_out: one word a block, row-major over (band, block);
    bit patterns for binary32 scales, empty for a plain cast. given: block maxima as bits, or empty to compute them.
    rotation, draw, chosen, entries: as for `qdq_items`. stream: write codes past the caches.
    """
    p, grid = plan[0], grid_record[0]
    source, target, known = memory(x), memory(packed), memory(given)
    size = scratch_size(grid)
    scratch = np.empty(8 * size + LANES + SLACK, np.uint32)
    amaxes = line_of(memory(scratch))
    random_words = advance(amaxes, 7 * size)
    maxima, row_codes, encodes = advance(amaxes, size), advance(amaxes, 2 * size), reals(advance(amaxes, 3 * size))
    scales, wide_encodes, wide_scales = advance(encodes, size), advance(encodes, 2 * size), advance(encodes, 3 * size)
    row_bytes = (grid.columns * p.bits + 7) // 8
    blocks = (grid.columns + grid.width - 1) // grid.width
    turned, lanes = segment_scratch(rotation, grid), scratch if chosen is None else lane_scratch(grid, chosen)
    for item in range(first, last):
        band, column, start, rows, columns = locate(grid, item)
        cells, stride = segment_cells(source, grid, start, rows, columns, item == first, rotation, turned)
        width = min(grid.width, columns)
        count = segment_scales(
            p, grid, cells, start, stride, rows, columns, width, known, len(given), band, draw, chosen, True,
            maxima, amaxes, encodes, scales, lanes,
        )  # fmt: skip
        if count < 0:
            pending[item] = 1
            continue
        if len(scale_out):
            block_words(p, amaxes, scales, count, row_codes)
            words = advance(memory(scale_out), band * blocks + column // grid.width)
            for block in range(count):
                words[block] = row_codes[block]
        if splits_vectors(width, columns):
            spread(encodes, columns, width, wide_encodes)
            spread(scales, columns, width, wide_scales)
        for row in range(rows):
            base = start + row * grid.columns
            lane = draw_run(p, draw, base, columns, random_words)
            codes_of_row(
                p, advance(cells, row * (stride - grid.columns)), base, columns, width, encodes, scales,
                wide_encodes, wide_scales, row_codes, draw, entries, random_words, lane,
            )  # fmt: skip
            at = base // grid.columns * row_bytes + column * p.bits // 8
            if p.bits <= 8:
                pack_octets(octets(row_codes), columns, p.bits, target, at, stream)
            else:
                pack_wide(row_codes, columns, p.bits, target, at)
    keep(scratch)
    keep(turned)
    keep(lanes)
