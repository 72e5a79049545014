"""Side bits of a block: where its peak lies, its micro exponents, its zero point, the candidate it took (§12).

Positions count a block's elements in row-major order.
"""

import numpy as np

from lowbit.kernels.cpu.exact import exact_scaled
from lowbit.kernels.cpu.jit import stage
from lowbit.kernels.cpu.memory import load_one
from lowbit.kernels.cpu.scalar import fl, widen

ABSOLUTE = np.uint32(0x7FFFFFFF)


@stage
def side_of_block(b, p, best, x, start, stride, rows, width, amax_bits, scale, encode):
    """The side bits of a finite block of this scale."""
    if b.selects:
        return np.uint64(best)
    if amax_bits == np.uint32(0):
        return np.uint64(0)
    if b.peak:
        return _peak_place(b, p, x, start, stride, rows, width, amax_bits, encode)
    if b.zero_point:
        low, _ = value_range(x, start, stride, rows, width)
        return np.uint64(min(max(np.rint(fl(-low / scale)), 0.0), p.max)) if scale > 0.0 else np.uint64(0)
    if b.levels:
        return _micro_exponents(b, p, x, start, stride, rows, width, encode)
    return np.uint64(0)


@stage
def _peak_place(b, p, x, start, stride, rows, width, amax_bits, encode):
    """1 + the position of the first largest magnitude; 0 where it is scaled out of the peak's binade."""
    y = exact_scaled(p, widen(amax_bits), encode)
    if b.peak_low <= y and y < 2.0 * b.peak_low:
        for row in range(rows):
            for column in range(width):
                if load_one(x, start + row * stride + column) & ABSOLUTE == amax_bits:
                    return np.uint64(row * width + column + 1)
    return np.uint64(0)


@stage
def value_range(x, start, stride, rows, width):
    """(smallest, largest) element of a block and zero."""
    low, high = 0.0, 0.0
    for row in range(rows):
        for i in range(start + row * stride, start + row * stride + width):
            number = widen(load_one(x, i))
            low, high = min(low, number), max(high, number)
    return low, high


@stage
def _micro_exponents(b, p, x, start, stride, rows, width, encode):
    """One bit for each run of every level, outermost first: whether its elements are stored halved once more."""
    side, shift, threshold = np.uint64(0), 0, b.first_threshold
    count = rows * width
    for level in range(b.levels):
        size = b.sizes[level]
        for first in range(0, count, size):
            largest = np.uint32(0)
            for i in range(first, min(first + size, count)):
                largest = max(largest, load_one(x, start + i // width * stride + i % width) & ABSOLUTE)
            halved = doublings(b, side, first, level)
            if exact_scaled(p, widen(largest), encode) >= threshold * 2.0**halved:
                side |= np.uint64(1) << np.uint64(shift + first // size)
        shift += b.block // size
        threshold *= 0.5
    return side


@stage
def doublings(b, side, position, levels):
    """How many of the first `levels` runs around an element have their bit set."""
    total, shift = 0, 0
    for level in range(levels):
        bit = shift + position // b.sizes[level]
        total += np.int64((side >> np.uint64(bit)) & np.uint64(1))
        shift += b.block // b.sizes[level]
    return total
