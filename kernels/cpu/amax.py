"""The statistic stage: largest magnitudes of blocks and of whole tensors, as binary32 bits.

Magnitudes are compared as unsigned integers, where NaN lies above infinity and infinity above every number, so a
non-finite member shows in the result; no processor mode can change it.
"""

import numpy as np

from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import load, load_some, memory, reals, store_codes
from lowbit.kernels.cpu.pairs import PAIR
from lowbit.kernels.cpu.scalar import INFINITY_BITS
from lowbit.kernels.cpu.short_runs import pair_magnitudes, sixteen_runs
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    LANES,
    any_set,
    larger,
    largest,
    splat_bits,
    where_below,
)


@stage
def run_amax(x, start, count):
    """Largest magnitude of `count` consecutive elements."""
    mask, maxima, whole = splat_bits(ABSOLUTE), splat_bits(np.uint32(0)), count - count % PAIR
    for i in range(0, whole, PAIR):
        maxima = larger(maxima, pair_magnitudes(x, start + i))
    for i in range(whole, count, LANES):
        maxima = larger(maxima, load_some(x, start + i, min(LANES, count - i)) & mask)
    return largest(maxima)


@stage
def column_amax(x, start, stride, rows, columns, maxima):
    """Largest magnitude of each of `columns` columns over `rows` rows, four rows at a time.

    So memory is read in long stretches, and maxima once for four rows. `maxima` has room for whole vectors; lanes past
    the last column are zero.
    """
    mask, zero = splat_bits(ABSOLUTE), splat_bits(np.uint32(0))
    whole, last = columns - columns % LANES, start + (rows - 1) * stride
    for first in range(start, last + 1, 4 * stride):
        # Past the last row it is read again.
        second, third, fourth = min(first + stride, last), min(first + 2 * stride, last), min(first + 3 * stride, last)
        for i in range(0, whole, LANES):
            upper = larger(load(x, first + i) & mask, load(x, second + i) & mask)
            lower = larger(load(x, third + i) & mask, load(x, fourth + i) & mask)
            four = larger(upper, lower)
            store_codes(maxima, i, four if first == start else larger(load(maxima, i), four))
    if whole < columns:
        maximum = zero
        for row in range(start, last + 1, stride):
            maximum = larger(maximum, load_some(x, row + whole, columns - whole) & mask)
        store_codes(maxima, whole, maximum)


@stage
def _row_amaxes(x, start, columns, width, amaxes):
    """Largest magnitudes of the runs of `width` elements in a row, the last one maybe shorter.

    The two common widths take sixteen runs at a time.
    """
    whole = columns // width
    first = whole - whole % LANES if width == LANES or width == 2 * LANES else 0
    for block in range(0, first, LANES):
        store_codes(amaxes, block, sixteen_runs(x, start + block * width, width))
    for block in range(first, whole):
        amaxes[block] = run_amax(x, start + block * width, width)
    if whole * width < columns:
        amaxes[whole] = run_amax(x, start + whole * width, columns - whole * width)


@stage
def segment_amaxes(x, start, stride, rows, columns, width, given, n_given, band, columns_maxima, amaxes):
    """Largest magnitudes of the blocks (`rows` x `width`) of a band segment; returns how many blocks there are.

    A segment of a long block takes the maximum that was `given` for it. `amaxes` is padded with zeros to a multiple of
    sixteen entries.
    """
    if n_given:
        store_codes(amaxes, 0, splat_bits(np.uint32(0)))
        amaxes[0] = given[band]
        return 1
    count = (columns + width - 1) // width
    if width == 1:
        column_amax(x, start, stride, rows, columns, amaxes)
    elif rows == 1:
        _row_amaxes(x, start, columns, width, amaxes)
    else:
        column_amax(x, start, stride, rows, columns, columns_maxima)
        _row_amaxes(reals(columns_maxima), np.int64(0), columns, width, amaxes)
    for block in range(count, (count + LANES - 1) // LANES * LANES):
        amaxes[block] = np.uint32(0)
    return count


@stage
def has_tiny(p, draw, x, start, stride, rows, columns):
    """Whether a segment has members below the plan's least magnitude that are not zero (never to nearest even)."""
    if draw is None:
        return False
    if p.least_bits == np.uint32(0):
        return False
    # Less one, zero is the largest unsigned number.
    mask, one, end = splat_bits(ABSOLUTE), splat_bits(np.uint32(1)), splat_bits(p.least_bits - np.uint32(1))
    zero = splat_bits(np.uint32(0))
    found = zero
    for row in range(rows):
        base = start + row * stride
        for i in range(0, columns, LANES):
            bits = load_some(x, base + i, min(LANES, columns - i)) & mask
            found = found | where_below(bits - one, end, one, zero)
    return any_set(found)


@kernel
def long_block_amaxes(x, length, amaxes, first, last):
    """Largest magnitudes of the runs first..last of `length` elements each (rows and whole tensors)."""
    for run in range(first, last):
        amaxes[run] = run_amax(memory(x), run * length, length)


@kernel
def run_amax_range(x, start, stop, result, slot):
    """result[slot] = largest magnitude of x[start:stop], non-finite members included."""
    result[slot] = run_amax(memory(x), start, stop - start)


@kernel
def finite_amax(x, start, stop, result, slot):
    """result[slot] = largest finite magnitude of x[start:stop]: non-finite elements do not count (contract §8)."""
    source = memory(x)
    mask, infinity, zero = splat_bits(ABSOLUTE), splat_bits(INFINITY_BITS), splat_bits(np.uint32(0))
    count = stop - start
    whole = count - count % (2 * LANES)
    maxima, other = zero, zero
    for i in range(start, start + whole, 2 * LANES):
        left, right = load(source, i) & mask, load(source, i + LANES) & mask
        maxima = larger(maxima, where_below(left, infinity, left, zero))
        other = larger(other, where_below(right, infinity, right, zero))
    for i in range(start + whole, stop, LANES):
        rest = load_some(source, i, min(stop - i, LANES)) & mask
        maxima = larger(maxima, where_below(rest, infinity, rest, zero))
    result[slot] = largest(larger(maxima, other))
