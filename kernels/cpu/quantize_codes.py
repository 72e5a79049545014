"""Quantize to packed codes and scales.

Rows of a dense tensor run along its last axis, so each row of codes is packed on its own: element i at bit i * bits,
low bits first, zero padding (contract §9). Codes of a row lie in the first-level cache between rounding and packing.
"""

import numpy as np

from lowbit.kernels.cpu.band import block_inverse, block_of, locate, scratch_size
from lowbit.kernels.cpu.block_words import block_words
from lowbit.kernels.cpu.fake_quantize import AHEAD, spread
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.lane_candidates import lane_scratch
from lowbit.kernels.cpu.memory import (
    advance,
    keep,
    line_of,
    load,
    load_reals,
    load_some,
    memory,
    prefetch,
    reals,
    store_codes,
)
from lowbit.kernels.cpu.packing import pack_run
from lowbit.kernels.cpu.random import SLACK, draw_run, drawn
from lowbit.kernels.cpu.rotated_segments import segment_cells, segment_scratch
from lowbit.kernels.cpu.rounding import code_constants, element_constants, mode_constants, round_to_codes
from lowbit.kernels.cpu.segment_scales import segment_scales
from lowbit.kernels.cpu.tables import table_constants
from lowbit.kernels.cpu.vector import LANES, splat_real


@kernel
def quantize_items(
    x, packed, scale_out, plan, grid_record, given, rotation, draw, chosen, entries, pending, first, last
):
    """Quantize the work items first..last of `x`; pending[item] = 1 where the exact path is needed.

    packed: uint8, rows of ceil(columns * bits / 8) bytes. scale_out: one word a block, row-major over (band, block);
    bit patterns for binary32 scales, empty for a plain cast. given: block maxima as bits, or empty to compute them.
    rotation, draw, chosen, entries: as for `qdq_items`.
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
    turned, lanes = segment_scratch(rotation, size), scratch if chosen is None else lane_scratch(grid)
    for item in range(first, last):
        band, column, start, rows, columns = locate(grid, item)
        cells = segment_cells(source, start, grid.columns, columns, rotation, turned, size)
        width = min(grid.width, columns)
        count = segment_scales(
            p, grid, cells, start, rows, columns, width, known, len(given), band, draw, chosen, True,
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
        if width % LANES:
            spread(encodes, scales, columns, width, wide_encodes, wide_scales)
        for row in range(rows):
            base = start + row * grid.columns
            lane = draw_run(p, draw, base, columns, random_words)
            if width % LANES:
                _codes_of_columns(
                    p, cells, base, columns, wide_encodes, wide_scales, row_codes, draw, entries, random_words, lane
                )
            else:
                _codes_of_blocks(
                    p, cells, base, columns, width, encodes, scales, row_codes, draw, entries, random_words, lane
                )
            pack_run(row_codes, columns, p.bits, target, base // grid.columns * row_bytes + column * p.bits // 8)
    keep(scratch)
    keep(turned)
    keep(lanes)


@stage
def _codes_of_blocks(p, x, base, columns, width, encodes, scales, row_codes, draw, entries, random_words, lane):
    """Codes of a row whose blocks are whole vectors wide; `row_codes` has room for whole vectors."""
    element, code, how = element_constants(p), code_constants(p), mode_constants(p, draw)
    table = table_constants(entries)
    whole, inverse = columns - columns % LANES, block_inverse(width)
    for i in range(0, whole, LANES):
        block, random = block_of(i, inverse), drawn(how, random_words, lane + i)
        encode, scale = splat_real(encodes[block]), splat_real(scales[block])
        store_codes(row_codes, i, round_to_codes(element, code, how, table, load(x, base + i), encode, scale, random))
        prefetch(x, base + i + AHEAD)
    if whole < columns:
        block, bits = block_of(whole, inverse), load_some(x, base + whole, columns - whole)
        encode, scale = splat_real(encodes[block]), splat_real(scales[block])
        random = drawn(how, random_words, lane + whole)
        store_codes(row_codes, whole, round_to_codes(element, code, how, table, bits, encode, scale, random))


@stage
def _codes_of_columns(p, x, base, columns, encodes, scales, row_codes, draw, entries, random_words, lane):
    """Codes of a row with scales of its own in every lane."""
    element, code, how = element_constants(p), code_constants(p), mode_constants(p, draw)
    table = table_constants(entries)
    for i in range(0, columns, LANES):
        bits = load(x, base + i) if i + LANES <= columns else load_some(x, base + i, columns - i)
        random = drawn(how, random_words, lane + i)
        codes = round_to_codes(element, code, how, table, bits, load_reals(encodes, i), load_reals(scales, i), random)
        store_codes(row_codes, i, codes)
        prefetch(x, base + i + AHEAD)
