"""The candidate stage on vectors: sixteen blocks at a time, or the sixteen rows of a tile, one a lane.

It serves formats whose candidates differ in their scale alone (four over six, mse). Every lane adds its errors in the
contract's order (docs/numerics.md §12), so it decides as the exact stage does, bit for bit.
"""

import numpy as np

from lowbit.kernels.cpu.jit import stage
from lowbit.kernels.cpu.memory import load, load_one, load_reals, load_some, memory, store_codes, store_reals
from lowbit.kernels.cpu.rounding import element_constants, round_to_values, value_constants
from lowbit.kernels.cpu.scale import float_scales
from lowbit.kernels.cpu.transpose import transpose
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
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

EXPONENT_STEP = np.uint32(1 << 23)


@stage
def lane_scratch(grid):
    """Scratch memory for the elements of sixteen blocks, or of a tile."""
    return np.empty(LANES * (max(grid.width, grid.height) + LANES), np.uint32)


@stage
def choose_lanes(p, chosen, x, start, stride, rows, columns, width, amaxes, count, encodes, scales, lanes):
    """Replace the scales of `count` blocks inside the plan's bounds by those of their best candidates.

    chosen: (BLOCK record, factors) of a BlockwisePlan. True if the blocks need the exact stage instead: a tile whose
    height is no power of two, or a processor that flushes subnormal errors to zero.
    """
    block, factors = chosen
    b, cells = block[0], memory(lanes)
    if (b.tile and rows & (rows - 1)) or real_of(p.smallest_bits) == np.float32(0):
        return True
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
        _choose(p, b, factors, cells, length, load(amaxes, first), first, encodes, scales)
    return False


@stage
def _fill_lanes(x, start, stride, count, length, last_length, cells):
    """Runs of `length` elements, the last of them shorter, one a lane; zeros beyond their ends add no error."""
    for i in range(0, length, LANES):
        if count == LANES and i + LANES <= last_length:
            transpose(x, start + i, stride, cells, i * LANES)
        else:
            for lane in range(LANES):
                end = length if lane < count - 1 else last_length if lane == count - 1 else 0
                for j in range(i, min(i + LANES, length)):
                    cells[j * LANES + lane] = load_one(x, start + lane * stride + j) if j < end else np.uint32(0)


@stage
def _load_columns(x, start, stride, rows, count, cells):
    """Columns of memory, one a lane."""
    for row in range(rows):
        at = start + row * stride
        store_codes(cells, row * LANES, load(x, at) if count == LANES else load_some(x, at, count))


@stage
def _choose(p, b, factors, cells, length, amax, first, encodes, scales):
    """Compare the candidates of sixteen blocks, or of one tile, from `first` on, and write the best one's numbers."""
    element, value = element_constants(p), value_constants(p)
    plain_encode, plain_scale = load_reals(encodes, first), load_reals(scales, first)
    if b.tile:
        amax, plain_encode, plain_scale = first_lane(amax), first_lane(plain_encode), first_lane(plain_scale)
    best_encode, best_scale = _candidate(p, b, factors[0], 0, amax, plain_encode, plain_scale)
    least = splat_real(np.float32(np.inf))
    for i in range(b.candidates):
        encode, scale = _candidate(p, b, factors[i], i, amax, plain_encode, plain_scale)
        error = _errors(element, value, b, cells, length, encode, scale)
        if b.tile:
            error = added_lanes(error)
        best_encode = where_less(error, least, encode, best_encode)
        best_scale = where_less(error, least, scale, best_scale)
        least = where_less(error, least, error, least)
    if b.tile:
        encodes[first], scales[first] = real_of(largest(as_bits(best_encode))), real_of(largest(as_bits(best_scale)))
    else:
        store_reals(encodes, first, best_encode)
        store_reals(scales, first, best_scale)


@stage
def _candidate(p, b, factor, i, amax, encode, scale):
    """(encode, scale) of a candidate; `encode` and `scale` are those without a choice (rule mse: the smaller ones)."""
    if p.scale_family == POWER_OF_TWO:
        larger_encode = as_real(as_bits(encode) + splat_bits(EXPONENT_STEP))
        return (larger_encode, scale + scale) if i == 0 else (encode, scale)
    base = as_real(amax) / splat_real(np.float32(b.base_target)) * splat_real(np.float32(b.encode))
    new_scale, new_encode = float_scales(p, base * splat_real(np.float32(factor)))
    return new_encode, new_scale


@stage
def _errors(element, value, b, cells, length, encode, scale):
    """The errors of every lane's run, summed in order."""
    inside, drops, divide, simple, dropped, ceiling, level, zero, zero_signs, beyond_signs = value
    one, amax = splat_real(np.float32(1)), splat_real(np.float32(b.level_amax))
    product, total = splat_real(np.float32(b.level_product)), splat_real(np.float32(0))
    if b.level_error:
        level = one
    plain = (inside, drops, divide, simple, dropped, ceiling, level, zero, zero_signs, beyond_signs)
    for i in range(0, length * LANES, LANES):
        bits = load(cells, i)
        number = as_real(round_to_values(element, plain, None, None, bits, encode, scale, None))
        if b.level_error:
            number = number * amax / product
        difference = number - as_real(bits)
        if b.absolute:
            total = total + as_real(as_bits(difference) & splat_bits(ABSOLUTE))
        else:
            total = total + difference * difference
    return total
