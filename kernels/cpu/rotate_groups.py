"""Groups of a Hadamard rotation along rows, from memory to scratch: whole ones in registers, others through `work`."""

import numpy as np

from lowbit.kernels.cpu.butterflies import across, fold_eight, spare_at, store_eight, within
from lowbit.kernels.cpu.exact_rotation import exact_group, has_tiny
from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.memory import advance, load, load_one, load_reals, narrowed, prefetch, store_codes, store_reals
from lowbit.kernels.cpu.rows import part
from lowbit.kernels.cpu.vector import (
    LANES,
    as_bits,
    as_real,
    butterfly_1,
    butterfly_2,
    butterfly_4,
    butterfly_8,
    quiet_bits,
    real_of,
    splat_bits,
    splat_real,
)

AHEAD = 4096
"""How many elements ahead memory is asked for."""


@small_stage
def _entry(x, i, before, j):
    """A whole vector of a group, signed, after the stages within it."""
    prefetch(x, i + AHEAD)
    return butterfly_8(butterfly_4(butterfly_2(butterfly_1(as_real(load(x, i) ^ load(before, j))))))


@small_stage
def _entries(x, i, before, j):
    """Eight whole vectors of a group after the stages of stride 1 to 64."""
    a, b = _entry(x, i, before, j), _entry(x, i + 16, before, j + 16)
    c, d = _entry(x, i + 32, before, j + 32), _entry(x, i + 48, before, j + 48)
    e, f = _entry(x, i + 64, before, j + 64), _entry(x, i + 80, before, j + 80)
    g, h = _entry(x, i + 96, before, j + 96), _entry(x, i + 112, before, j + 112)
    return fold_eight(a, b, c, d, e, f, g, h)


@small_stage
def settled(x, value, scale, after):
    """A vector of results: scaled, signed, rounded to x's type, every NaN the positive quiet one."""
    return narrowed(x, quiet_bits(as_real(as_bits(value * scale) ^ after)))


@small_stage
def _exit(x, value, scale, after, j, out, i):
    store_codes(out, i, settled(x, value, scale, load(after, j)))


@stage
def rotate_run(x, start, valid, count, turn, flushing, work, out):
    """Rotate `count` elements (whole groups), of which the first `valid` exist, into float32 memory with slack."""
    r = turn[0]
    chunk = max(r.n, LANES)
    if r.base > 1 and r.power < LANES:
        for first in range(0, count, LANES * r.n):
            _turn_short(
                x, start + first, valid - first, min(count - first, LANES * r.n), turn, flushing, work, out, first
            )
        return
    first = 0
    if r.n <= 8 * LANES and r.base == 1 and not flushing:
        first = min(valid, count) // chunk * chunk
        if r.n <= LANES:
            _by_one(x, start, first, turn, out)
        elif r.n == 2 * LANES:
            _by_two(x, start, first, turn, out)
        elif r.n == 4 * LANES:
            _by_four(x, start, first, turn, out)
        else:
            _by_eight(x, start, first, turn, out)
    for group in range(first, count, chunk):
        _turn_group(x, start + group, min(valid - group, chunk), turn, flushing, work, out, group)


@stage
def _by_one(x, start, count, turn, out):
    """Whole vectors that hold one or more groups each. This and the next three keep all vectors of a group at hand."""
    n, scale = turn[0].n, splat_real(np.float32(turn[0].scale))
    before, after = load(turn[1], 0), load(turn[2], 0)
    for i in range(0, count, LANES):
        value = within(as_real(load(x, start + i) ^ before), n)
        prefetch(x, start + i + AHEAD)
        store_codes(out, i, settled(x, value, scale, after))


@stage
def _by_two(x, start, count, turn, out):
    scale, before, after = splat_real(np.float32(turn[0].scale)), turn[1], turn[2]
    for i in range(0, count, 2 * LANES):
        a, b = _entry(x, start + i, before, 0), _entry(x, start + i + 16, before, 16)
        _exit(x, a + b, scale, after, 0, out, i)
        _exit(x, a - b, scale, after, 16, out, i + 16)


@stage
def _by_four(x, start, count, turn, out):
    scale, before, after = splat_real(np.float32(turn[0].scale)), turn[1], turn[2]
    for i in range(0, count, 4 * LANES):
        a, b = _entry(x, start + i, before, 0), _entry(x, start + i + 16, before, 16)
        c, d = _entry(x, start + i + 32, before, 32), _entry(x, start + i + 48, before, 48)
        a, b, c, d = a + b, a - b, c + d, c - d
        _exit(x, a + c, scale, after, 0, out, i)
        _exit(x, b + d, scale, after, 16, out, i + 16)
        _exit(x, a - c, scale, after, 32, out, i + 32)
        _exit(x, b - d, scale, after, 48, out, i + 48)


@stage
def _by_eight(x, start, count, turn, out):
    scale, before, after = splat_real(np.float32(turn[0].scale)), turn[1], turn[2]
    for i in range(0, count, 8 * LANES):
        a, b, c, d, e, f, g, h = _entries(x, start + i, before, 0)
        _exit(x, a, scale, after, 0, out, i)
        _exit(x, b, scale, after, 16, out, i + 16)
        _exit(x, c, scale, after, 32, out, i + 32)
        _exit(x, d, scale, after, 48, out, i + 48)
        _exit(x, e, scale, after, 64, out, i + 64)
        _exit(x, f, scale, after, 80, out, i + 80)
        _exit(x, g, scale, after, 96, out, i + 96)
        _exit(x, h, scale, after, 112, out, i + 112)


@stage
def _turn_group(x, start, valid, turn, flushing, work, out, place):
    """Any group that fills vectors (or a vector of groups), of which the first `valid` elements exist."""
    r, before, after, matrix = turn
    chunk = max(r.n, LANES)
    if flushing and has_tiny(x, start, valid):
        for group in range(0, chunk, r.n):
            exact_group(x, start + group, 1, valid - group, turn, out, place + group, 1)
        return
    done = 1
    if valid >= chunk and r.power >= 8 * LANES:
        done = 8
        for i in range(0, chunk, 8 * LANES):
            store_eight(advance(work, i), LANES, _entries(x, start + i, before, i))
    else:
        for i in range(0, chunk, LANES):
            bits = part(x, start + i, valid - i)
            prefetch(x, start + i + AHEAD)
            store_reals(work, i, within(as_real(bits ^ load(before, i)), r.power))
    across(work, LANES, advance(work, spare_at(r)), max(r.power // LANES, 1), r.base, matrix, done)
    scale = splat_real(np.float32(r.scale))
    for i in range(0, chunk, LANES):
        _exit(x, load_reals(work, i), scale, after, i, out, place + i)


@stage
def _turn_short(x, start, valid, count, turn, flushing, work, out, place):
    """Up to sixteen groups side by side, one a lane: for sizes whose power of two is smaller than a vector."""
    r, before, after, matrix = turn
    groups = count // r.n
    if flushing and has_tiny(x, start, min(valid, count)):
        for group in range(0, count, r.n):
            exact_group(x, start + group, 1, valid - group, turn, out, place + group, 1)
        return
    for lane in range(LANES):
        for i in range(r.n):
            index = lane * r.n + i
            bits = load_one(x, start + index) if lane < groups and index < valid else np.uint32(0)
            work[i * LANES + lane] = real_of(bits ^ before[i])
    across(work, LANES, advance(work, spare_at(r)), r.power, r.base, matrix, 1)
    scale = splat_real(np.float32(r.scale))
    for i in range(r.n):
        store_codes(work, i * LANES, settled(x, load_reals(work, i * LANES), scale, splat_bits(after[i])))
    for lane in range(groups):
        for i in range(r.n):
            out[place + lane * r.n + i] = work[i * LANES + lane]
