"""Quantize and fake-quantize where every block has chosen its own small grid (IF4, MixFP4, RaZeR, BlockDialect).

One kernel serves values and codes. Grids are tables of at most sixteen entries, one a candidate.
"""

import numpy as np

from lowbit.kernels.cpu.band import locate, scratch_size, splits_vectors
from lowbit.kernels.cpu.block_words import block_words
from lowbit.kernels.cpu.jit import kernel, small_stage, stage
from lowbit.kernels.cpu.lane_candidates import best_candidates, lane_scratch
from lowbit.kernels.cpu.memory import (
    advance,
    keep,
    load,
    load_reals,
    memory,
    reals,
    store_codes,
    store_some,
)
from lowbit.kernels.cpu.packing import pack_octets
from lowbit.kernels.cpu.rounding import scaled
from lowbit.kernels.cpu.rows import part, spread
from lowbit.kernels.cpu.scale import divides
from lowbit.kernels.cpu.scratch import octets
from lowbit.kernels.cpu.segment_scales import segment_scales
from lowbit.kernels.cpu.tables import look_up
from lowbit.kernels.cpu.vector import (
    LANES,
    as_bits,
    splat_bits,
    splat_real,
    where_below,
    where_zero,
)


@kernel
def chosen_grid_items(
    x, out, packed, words, plan, grid_record, given, chosen, grids, codes_wanted, pending, first, last
):  # fmt: skip
    """Quantize the work items first..last of `x`; pending[item] = 1 where the exact path is needed.

    Writes values into `out`, or codes into `packed` and block words into `words`; arrays as for `qdq_items` and
    `quantize_items`. chosen: what candidates are compared by (`lane_candidates`). grids: (starts, values, codes, signs)
    of every candidate, rounded as asked: sixteen entries each, and the sign bit where the element has -0, else 0.
    """
    p, b, grid = plan[0], chosen[0][0], grid_record[0]
    source, target, bytes_out = memory(x), memory(out), memory(packed)
    size = scratch_size(grid)
    scratch, lanes = np.empty(9 * size, np.uint32), lane_scratch(grid, chosen)
    amaxes, bests = memory(scratch), best_candidates(grid, chosen, lanes)
    maxima, row_codes, wide_bests = advance(amaxes, size), advance(amaxes, 2 * size), advance(amaxes, 3 * size)
    encodes = reals(advance(amaxes, 4 * size))
    scales, wide_encodes, wide_scales = advance(encodes, size), advance(encodes, 2 * size), advance(encodes, 3 * size)
    row_bytes = (grid.columns * p.bits + 7) // 8
    blocks = (grid.columns + grid.width - 1) // grid.width
    for item in range(first, last):
        band, column, start, rows, columns = locate(grid, item)
        width = min(grid.width, columns)
        count = segment_scales(
            p, grid, source, start, grid.columns, rows, columns, width, memory(given), len(given), band, None, chosen,
            codes_wanted, maxima, amaxes, encodes, scales, lanes,
        )  # fmt: skip
        if count < 0:
            pending[item] = 1
            continue
        if codes_wanted:
            block_words(p, amaxes, scales, count, row_codes)
            place = band * blocks + column // grid.width
            for block in range(count):
                words[place + block] = np.uint64(row_codes[block]) | np.uint64(bests[block]) << np.uint64(b.scale_bits)
        spread(encodes, columns, width, wide_encodes)
        spread(scales, columns, width, wide_scales)
        spread(bests, columns, width, wide_bests)
        for row in range(rows):
            base = start + row * grid.columns
            _round_row(
                p, b, grids, source, target, base, columns, width, wide_encodes, wide_scales, wide_bests,
                row_codes, codes_wanted,
            )  # fmt: skip
            if codes_wanted:
                at = base // grid.columns * row_bytes + column * p.bits // 8
                pack_octets(octets(row_codes), columns, p.bits, bytes_out, at, False)
    keep(scratch)
    keep(lanes)


@stage
def _round_row(p, b, grids, x, out, base, columns, width, encodes, scales, bests, row_codes, codes_wanted):
    """Round a row: by one grid where blocks do not split vectors, else by each grid in turn."""
    divide, level = divides(p), splat_real(np.float32(p.tensor_scale))
    candidates = b.candidates if splits_vectors(width, columns) else 1
    for i in range(0, columns, LANES):
        rest = min(LANES, columns - i)
        bits = part(x, base + i, rest)
        encode, scale, best = load_reals(encodes, i), load_reals(scales, i), load(bests, i)
        y = scaled(bits, encode, divide)
        result = splat_bits(np.uint32(0))
        for j in range(candidates):
            candidate = np.int64(bests[i]) if candidates == 1 else j
            if codes_wanted:
                new = _codes(grids, candidate, bits, y, p.bits)
            else:
                new = _values(grids, candidate, bits, y, scale, level)
            mine = best ^ splat_bits(np.uint32(candidate))
            result = where_zero(mine, new, result) if candidates > 1 else new
        if codes_wanted:
            store_codes(octets(row_codes), i, result)
        else:
            store_some(out, base + i, result, rest)


@small_stage
def _values(grids, candidate, bits, y, scale, level):
    """Binary32 bits of the values on a candidate's grid."""
    starts, values, _, signs = grids
    number = look_up(load_reals(memory(starts), candidate * LANES), load_reals(memory(values), candidate * LANES), y)
    zero = splat_bits(np.uint32(0))
    sign = where_zero(as_bits(number), bits & splat_bits(signs[candidate]), zero)
    return as_bits(number * scale * level) | sign


@small_stage
def _codes(grids, candidate, bits, y, width):
    """Codes on a candidate's grid."""
    starts, _, codes, signs = grids
    code = look_up(load_reals(memory(starts), candidate * LANES), load(memory(codes), candidate * LANES), y)
    sign = (bits & splat_bits(signs[candidate])) >> splat_bits(np.uint32(32 - width))
    return code | where_below(code, splat_bits(np.uint32(1)), sign, splat_bits(np.uint32(0)))
