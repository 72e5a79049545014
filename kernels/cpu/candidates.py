"""The candidate stage: the scale of a block where more than its largest magnitude decides (docs/numerics.md §12).

All arithmetic is the exact scalar one. A block is `rows` x `width` elements of memory whose rows lie `stride` apart;
its elements are visited in row-major order.
"""

import math

import numpy as np

from lowbit.block_plans import NO_RMS, RMS_CEIL, RMS_FLOAT, RMS_FLOOR
from lowbit.kernels.cpu.exact import exact_round, exact_scale, exact_scaled, scale_of_target
from lowbit.kernels.cpu.jit import stage
from lowbit.kernels.cpu.memory import load_one
from lowbit.kernels.cpu.scalar import FLT_MAX, INFINITY_BITS, exponent_of, fl, round_bits, widen
from lowbit.kernels.cpu.side_bits import value_range


@stage
def choose_scale(b, p, plans, tables, factors, sizes, x, start, stride, rows, width, amax_bits, row_errors):
    """(candidate, scale, encode, scale code) of a block, NaN if it is not finite. `plans` round to nearest even."""
    if amax_bits < INFINITY_BITS:
        if b.zero_point:
            low, high = value_range(x, start, stride, rows, width)
            scale, encode, code = scale_of_target(p, fl(fl(high - low) / p.target_max))
            return 0, scale, encode, code
        if b.rms != NO_RMS:
            scale, encode, code = _rms_scale(b, p, _mean_square(x, start, stride, rows, width))
            return 0, scale, encode, code
    return _choose_candidate(b, plans, tables, factors, sizes, x, start, stride, rows, width, amax_bits, row_errors)


@stage
def _choose_candidate(b, plans, tables, factors, sizes, x, start, stride, rows, width, amax_bits, row_errors):
    """(candidate, scale, encode, scale code) of a block: the first of those with the smallest error.

    `plans` and `tables` are those that round to nearest even, whatever rounding is asked for.
    """
    scale, encode, code = _candidate_scale(b, plans[0], factors[0], amax_bits)
    best = 0
    if b.candidates == 1 or amax_bits >= INFINITY_BITS:
        return best, scale, encode, code
    least = math.inf
    for i in range(b.candidates):
        p = plans[i]
        new_scale, new_encode, new_code = _candidate_scale(b, p, factors[i], amax_bits)
        table = tables[i, : sizes[i]]
        error = 0.0
        for row in range(rows):
            error = _add_errors(b, p, table, x, start + row * stride, width, new_scale, new_encode, error)
            if b.tile:
                row_errors[row], error = error, 0.0
        if b.tile:
            error = _folded(row_errors, rows)
        if i == 0 or error < least:
            least, best, scale, encode, code = error, i, new_scale, new_encode, new_code
    return best, scale, encode, code


@stage
def _candidate_scale(b, p, factor, amax_bits):
    """(scale, encode, code) of one candidate; four over six takes all scales as multiples of one base (contract §4)."""
    if not b.factored or amax_bits >= INFINITY_BITS:
        return exact_scale(p, amax_bits)
    base = fl(fl(widen(amax_bits) / b.base_target) * b.encode)
    return scale_of_target(p, fl(base * factor))


@stage
def _add_errors(b, p, table, x, start, width, scale, encode, total):
    """`total` and the errors of one row of a block, summed left to right in binary32."""
    for i in range(start, start + width):
        number = widen(load_one(x, i))
        element, _ = exact_round(p, table, exact_scaled(p, number, encode), np.uint32(0))
        value = fl(element * scale)
        value = fl(fl(value * b.level_amax) / b.level_product) if b.level_error else fl(value * p.tensor_scale)
        difference = fl(value - number)
        total = fl(total + (abs(difference) if b.absolute else fl(difference * difference)))
    return total


@stage
def _folded(sums, count):
    """Row sums added pairwise, row i and row i + ceil(count / 2), until one is left."""
    while count > 1:
        half = (count + 1) // 2
        for i in range(count // 2):
            sums[i] = fl(sums[i] + sums[i + half])
        count = half
    return sums[0]


@stage
def _mean_square(x, start, stride, rows, width):
    """Binary64 mean of the binary64 squares."""
    total = 0.0
    for row in range(rows):
        for i in range(start + row * stride, start + row * stride + width):
            number = widen(load_one(x, i))
            total += number * number
    return total / (rows * width)


@stage
def _rms_scale(b, p, mean_square):
    """(scale, encode, code) from the mean square: the exponent is decided exactly, on squares."""
    if b.rms == RMS_FLOAT:
        return exact_scale(p, round_bits(min(math.sqrt(mean_square), FLT_MAX)))
    exponent = p.scale_min_exponent
    if mean_square > 0.0:
        unit = p.target_max * p.target_max
        low, high = 0, 2  # rms / T lies in [2^(e + low / 2), 2^(e + high / 2))
        if b.rms != RMS_FLOOR and b.rms != RMS_CEIL:
            low, high = -1, 1
        exponent = exponent_of(mean_square / unit) >> 1
        while mean_square >= math.ldexp(unit, 2 * exponent + high):
            exponent += 1
        while mean_square < math.ldexp(unit, 2 * exponent + low):
            exponent -= 1
        if b.rms == RMS_CEIL and mean_square > math.ldexp(unit, 2 * exponent):
            exponent += 1
        exponent = min(max(exponent, p.scale_min_exponent), p.scale_max_exponent)
    scale = math.ldexp(1.0, exponent)
    return scale, scale, np.uint32(exponent - p.scale_min_exponent)
