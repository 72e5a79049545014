"""The candidate stage on vectors: sixteen blocks at a time, or the sixteen rows of a tile, one a lane.

It serves candidates that differ in their scale alone (four over six, mse), and those that differ in an element of at
most sixteen values. Every lane adds its errors in the contract's order (docs/numerics.md §12), so it decides as the
exact stage does, bit for bit.
"""

import numpy as np

from lowbit.kernels.cpu.band import scratch_size
from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.lane_errors import errors, grid_errors, level_constants
from lowbit.kernels.cpu.memory import (
    advance,
    line_of,
    load,
    load_one,
    load_reals,
    load_some,
    memory,
    reals,
    store_codes,
    store_reals,
)
from lowbit.kernels.cpu.rounding import element_constants
from lowbit.kernels.cpu.scale import ONE_BITS, float_scales, in_place, scale_targets, shared_scales
from lowbit.kernels.cpu.transpose import transpose
from lowbit.kernels.cpu.vector import (
    LANES,
    added_lanes,
    as_bits,
    as_real,
    first_lane,
    largest,
    real_of,
    splat_bits,
    splat_real,
    where_less,
)
from lowbit.lowering import POWER_OF_TWO


@stage
def lane_scratch(grid, chosen):
    """Scratch memory for the elements of sixteen blocks, or of a tile, and for the scales of all candidates."""
    return np.empty(_cells_size(grid) + (2 * chosen[0][0].candidates + 1) * scratch_size(grid), np.uint32)


@small_stage
def best_candidates(grid, chosen, lanes):
    """Where `choose_lanes` leaves the number of every block's candidate in its scratch memory."""
    place = _cells_size(grid) - LANES + 2 * chosen[0][0].candidates * scratch_size(grid)
    return advance(line_of(memory(lanes)), place)


@small_stage
def _cells_size(grid):
    return LANES * (max(grid.width, grid.height) + LANES)


@stage
def choose_lanes(p, grid, chosen, x, start, stride, rows, columns, width, amaxes, count, encodes, scales, lanes):
    """Replace the scales of `count` blocks inside the plan's bounds by those of their best candidates.

    chosen: see `BlockwisePlan`; `best_candidates` says which ones they took. True if the blocks need
    the exact stage instead: a tile whose height is no power of two, or a processor that flushes subnormal errors to
    zero.
    """
    block, factors, records, grids = chosen
    b, cells, size = block[0], line_of(memory(lanes)), scratch_size(grid)
    options, bests = reals(advance(cells, _cells_size(grid) - LANES)), best_candidates(grid, chosen, lanes)
    element, level = element_constants(p), level_constants(p, b)
    if (b.tile and rows & (rows - 1)) or real_of(p.smallest_bits) == np.float32(0):
        return True
    _scales_of_candidates(b, records, factors, amaxes, count, options, size)
    for first in range(0, count, 1 if b.tile else LANES):
        left = columns - first * width
        if b.tile:
            length = min(width, left)
            _fill_lanes(x, start + first * width, stride, rows, length, length, cells)
        elif width == 1:
            length = rows
            _load_columns(x, start + first, stride, rows, min(LANES, left), cells)
        else:
            here, length = min(LANES, count - first), min(width, left)
            _fill_lanes(x, start + first * width, width, here, length, min(width, left - (here - 1) * width), cells)
        _choose(
            p, b, element, level, grids, cells, length, advance(options, first), size, first, encodes, scales, bests
        )
    return False


@stage
def _scales_of_candidates(b, records, factors, amaxes, count, options, size):
    """Write the (encode, scale) of all candidates of all blocks, an array of `size` entries each."""
    for i in range(b.candidates):
        p = records[i]
        for first in range(0, count, LANES):
            amax = load(amaxes, first)
            encode, scale = _scale_of_candidate(p, b, factors[i], amax)
            store_reals(options, 2 * i * size + first, encode)
            store_reals(options, (2 * i + 1) * size + first, scale)


@small_stage
def _scale_of_candidate(p, b, factor, amax):
    """(encode, scale) of sixteen blocks, as the round stage takes them."""
    if p.scale_family == POWER_OF_TWO:
        bits, one = shared_scales(p, amax), splat_bits(ONE_BITS)
        encode, scale = as_real(one + one - bits), as_real(bits)
        if not b.selects and in_place(p):
            lowest = splat_bits(np.uint32(p.min_exponent) << np.uint32(23))  # wraps where negative, as the sum does
            encode, scale = as_real(bits + lowest), scale * splat_real(np.float32(p.max))
    elif b.factored:
        base = as_real(amax) / splat_real(np.float32(b.base_target)) * splat_real(np.float32(b.encode))
        scale, encode = float_scales(p, base * splat_real(np.float32(factor)))
    else:
        scale, encode = float_scales(p, scale_targets(p, as_real(amax)))
    return encode, scale


@stage
def _fill_lanes(x, start, stride, count, length, last_length, cells):
    """Runs of `length` elements, the last of them shorter, one a lane; zeros beyond their ends add no error."""
    whole = last_length - last_length % LANES if count == LANES else 0
    for i in range(0, whole, LANES):
        transpose(x, start + i, stride, cells, i * LANES)
    if whole < length:
        _fill_rest(x, start, stride, count, whole, length, last_length, cells)


@stage
def _fill_rest(x, start, stride, count, first, length, last_length, cells):
    """Elements from `first` on, one by one: a stage of its own, whose constants short fills need not set up."""
    for lane in range(LANES):
        end = length if lane < count - 1 else last_length if lane == count - 1 else 0
        for j in range(first, length):
            cells[j * LANES + lane] = load_one(x, start + lane * stride + j) if j < end else np.uint32(0)


@stage
def _load_columns(x, start, stride, rows, count, cells):
    """Columns of memory, one a lane."""
    for row in range(rows):
        at = start + row * stride
        store_codes(cells, row * LANES, load(x, at) if count == LANES else load_some(x, at, count))


@stage
def _choose(p, b, element, level, grids, cells, length, options, size, first, encodes, scales, bests):
    """Compare the candidates of sixteen blocks, or of one tile, from `first` on, and write the best one's numbers.

    Two candidates at a time: the order of additions is fixed within each sum, and the processor adds for both at once.
    """
    best_encode, best_scale, best = load_reals(options, 0), load_reals(options, size), splat_bits(np.uint32(0))
    if b.tile:
        best_encode, best_scale = first_lane(best_encode), first_lane(best_scale)
    least = splat_real(np.float32(np.inf))  # where all errors overflow the first candidate stays
    for i in range(0, b.candidates, 2):
        j = min(i + 1, b.candidates - 1)
        encode, scale = load_reals(options, 2 * i * size), load_reals(options, (2 * i + 1) * size)
        next_encode, next_scale = load_reals(options, 2 * j * size), load_reals(options, (2 * j + 1) * size)
        if b.tile:
            encode, scale = first_lane(encode), first_lane(scale)
            next_encode, next_scale = first_lane(next_encode), first_lane(next_scale)
        if grids is not None:
            error, next_error = grid_errors(
                p, b, grids, i, j, level, cells, length, encode, scale, next_encode, next_scale
            )
        else:
            error, next_error = errors(p, b, element, level, cells, length, encode, scale, next_encode, next_scale)
        if b.tile:
            error, next_error = added_lanes(error), added_lanes(next_error)
        best_encode = where_less(error, least, encode, best_encode)
        best_scale = where_less(error, least, scale, best_scale)
        best = where_less(error, least, splat_bits(np.uint32(i)), best)
        least = where_less(error, least, error, least)
        best_encode = where_less(next_error, least, next_encode, best_encode)
        best_scale = where_less(next_error, least, next_scale, best_scale)
        best = where_less(next_error, least, splat_bits(np.uint32(j)), best)
        least = where_less(next_error, least, next_error, least)
    if b.tile:
        encodes[first], scales[first] = real_of(largest(as_bits(best_encode))), real_of(largest(as_bits(best_scale)))
        bests[first] = largest(best)
    else:
        store_reals(encodes, first, best_encode)
        store_reals(scales, first, best_scale)
        store_codes(bests, first, best)
