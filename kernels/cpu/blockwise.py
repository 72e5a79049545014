"""Blockwise formats: quantize and fake-quantize, block by block, where candidates, RMS or side bits take part (§12).

One kernel serves values and codes. It is exact and scalar: what `lane_candidates` leaves, and all other such formats.
"""

import numpy as np

from lowbit.kernels.cpu.amax import segment_amaxes
from lowbit.kernels.cpu.band import locate, scratch_size
from lowbit.kernels.cpu.candidates import choose_scale
from lowbit.kernels.cpu.correction import corrected_scale, group_ratio
from lowbit.kernels.cpu.exact import exact_round, exact_scaled
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import advance, keep, load_one, memory, store_one
from lowbit.kernels.cpu.packing import pack_run
from lowbit.kernels.cpu.random import draw_one
from lowbit.kernels.cpu.scalar import NAN_BITS, fl, round_bits, widen
from lowbit.kernels.cpu.scratch import octets
from lowbit.kernels.cpu.side_bits import doublings, side_of_block


@kernel
def blockwise_items(
    x, out, packed, words, block, plans, tables, nearest, nearest_tables, factors, sizes, grid_record, draw,
    scale_draw, codes_wanted, pending, first, last,
):  # fmt: skip
    """Quantize those of the work items first..last that are pending.

    Writes values into `out`, or codes into `packed` and block words into `words`; arrays as for `qdq_items` and
    `quantize_items`. `block` to `sizes`: the format's BlockwisePlan. scale_draw: what the random bits of corrected
    scales follow from, positions being those of blocks.
    """
    b, p, grid = block[0], plans[0], grid_record[0]
    source, target, bytes_out = memory(x), memory(out), memory(packed)
    size = scratch_size(grid)
    scratch = np.empty(2 * size, np.uint32)
    amaxes, maxima = memory(scratch), advance(memory(scratch), size)
    row_errors = np.empty(grid.height, np.float64)
    segment_codes = np.empty(grid.height * size if codes_wanted else 0, np.uint32)
    row_bytes = (grid.columns * p.bits + 7) // 8
    blocks = (grid.columns + grid.width - 1) // grid.width
    for item in range(first, last):
        if not pending[item]:
            continue
        band, start_column, start, rows, columns = locate(grid, item)
        width = min(grid.width, columns)
        segment_amaxes(source, start, grid.columns, rows, columns, width, amaxes, 0, band, maxima, amaxes)
        ratio = 1.0
        for column in range(0, columns, width):
            at, extent = start + column, min(width, columns - column)
            place = band * blocks + (start_column + column) // grid.width
            best, scale, encode, code = choose_scale(
                b, p, nearest, nearest_tables, factors, sizes, source, at, grid.columns, rows, extent,
                amaxes[column // width], row_errors,
            )  # fmt: skip
            side = np.uint64(0)
            if scale == scale:
                side = side_of_block(
                    b, p, best, source, at, grid.columns, rows, extent, amaxes[column // width], scale, encode
                )
            decode = scale
            if b.group > 0:
                if column % b.group == 0:
                    members = min(b.group, columns - column)
                    ratio = group_ratio(p, tables[0, : sizes[0]], source, at, members, width, amaxes, column, draw)
                decode, code = corrected_scale(p, scale, code, ratio, draw_one(scale_draw, 32, place))
            _round_block(
                b, plans, tables[best, : sizes[best]], best, source, at, grid.columns, rows, extent,
                encode, decode, side, target, segment_codes, column, columns, draw, codes_wanted,
            )  # fmt: skip
            if codes_wanted:
                words[place] = np.uint64(code) | (side << np.uint64(b.scale_bits))
        if codes_wanted:
            for row in range(rows):
                row_codes = advance(memory(segment_codes), row * columns)
                byte = (start // grid.columns + row) * row_bytes + start_column * p.bits // 8
                pack_run(row_codes, columns, p.bits, octets(maxima), bytes_out, byte)
    keep(scratch)
    keep(segment_codes)


@stage
def _round_block(
    b, plans, table, best, x, start, stride, rows, width,
    encode, scale, side, out, segment_codes, column, columns, draw, codes_wanted,
):  # fmt: skip
    """Round the elements of a block with a chosen scale; write values or codes."""
    p = plans[best]
    finite = scale == scale
    for row in range(rows):
        for i in range(width):
            at = start + row * stride + i
            element, element_code = 0.0, np.uint32(0)
            if finite:
                y = exact_scaled(p, widen(load_one(x, at)), encode)
                random = draw_one(draw, p.draw_bits, at)
                element, element_code = _encode_element(b, plans, best, table, y, row * width + i, side, random)
            if codes_wanted:
                segment_codes[row * columns + column + i] = element_code
            else:
                store_one(out, at, round_bits(fl(element * scale) * p.tensor_scale) if finite else NAN_BITS)


@stage
def _encode_element(b, plans, best, table, y, position, side, random):
    """(element, code) of a scaled number; the element holds what side bits add to the code's own value."""
    p = plans[best]
    if b.peak and side == np.uint64(position + 1):
        element, _ = exact_round(plans[b.candidates], table, y, random)
        steps = np.uint32((abs(element) / b.peak_low - 1.0) * b.peak_steps)
        sign = np.uint32(1) << np.uint32(p.bits - 1) if element < 0.0 else np.uint32(0)
        return element, steps | sign
    if b.zero_point:
        rounded, _ = exact_round(plans[b.candidates], table, y, random)
        shifted = min(max(rounded + np.float64(side), 0.0), p.max)
        return shifted - np.float64(side), np.uint32(shifted)
    if b.levels:
        doubled = 2.0 ** doublings(b, side, position, b.levels)
        element, code = exact_round(p, table, y / doubled, random)
        return element * doubled, code
    return exact_round(p, table, y, random)
