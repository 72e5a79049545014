"""The exact scalar path of Hadamard rotations, for processes that flush subnormals to zero (contract §0)."""

import numpy as np

from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.memory import load_one, narrowed, store_one
from lowbit.kernels.cpu.rows import part
from lowbit.kernels.cpu.scalar import fl, round_bits, widen
from lowbit.kernels.cpu.vector import ABSOLUTE, LANES, largest, real_of, splat_bits, where_below

SAFE_BITS = np.uint32((127 - 96) << 23)
"""2^-96: members from here on are multiples of 2^-119, so are all sums, and times c >= 2^-6 none is subnormal."""


@small_stage
def flushes(r):
    """Whether this thread's processor reads subnormals as zero or writes zeros in their place."""
    return real_of(r.smallest_bits) == np.float32(0) or real_of(r.normal_bits) * np.float32(0.5) == np.float32(0)


@stage
def has_tiny(x, start, count):
    """Whether some of `count` elements are not zero and below the bound that flushing to zero needs."""
    one, found = splat_bits(np.uint32(1)), splat_bits(np.uint32(0))
    limit, mask = splat_bits(np.uint32(SAFE_BITS - 1)), splat_bits(ABSOLUTE)
    for i in range(0, count, LANES):
        found = found | where_below((part(x, start + i, count - i) & mask) - one, limit, one, splat_bits(np.uint32(0)))
    return largest(found) != np.uint32(0)


@stage
def exact_group(x, start, step, valid, turn, out, place, out_step):
    """One group by scalar arithmetic that no processor mode changes; its bits go to out[place + i * out_step].

    A sum of two binary32 numbers rounded to 53 bits and then to 24 is correctly rounded (see `scalar`); sums below the
    normal numbers are exact.
    """
    r, before, after, matrix = turn
    values = np.empty(r.n, np.float64)
    for i in range(r.n):
        bits = load_one(x, start + i * step) if i < valid else np.uint32(0)
        values[i] = widen(bits ^ before[i])
    stride = 1
    while stride < r.power:
        for i in range(r.n):
            if not (i % r.power) & stride:
                left, right = values[i], values[i + stride]
                values[i], values[i + stride] = fl(left + right), fl(left - right)
        stride *= 2
    for i in range(r.n):
        total = values[i % r.power] if r.base > 1 else values[i]
        row = i // r.power * r.base
        for j in range(1, r.base):
            value = values[j * r.power + i % r.power]
            total = fl(total - value) if matrix[row + j] else fl(total + value)
        bits = narrowed(x, splat_bits(round_bits(total * r.scale) ^ after[i]))
        store_one(out, place + i * out_step, largest(bits))
