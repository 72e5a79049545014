"""Groups of a Hadamard rotation down the rows: sixteen columns side by side, one group a lane, in scratch memory.

The first three stages are done while memory is read, the last ones with what follows them: rows pass through the
registers two times, or three times where a group has more than 64 of them.
"""

import numpy as np

from lowbit.kernels.cpu.butterflies import across, eights, fold_eight, store_eight
from lowbit.kernels.cpu.exact_rotation import exact_group, has_tiny
from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.memory import advance, load, load_reals, prefetch, store_codes
from lowbit.kernels.cpu.rotate_groups import settled
from lowbit.kernels.cpu.rows import part
from lowbit.kernels.cpu.vector import LANES, as_real, splat_bits, splat_real

STRIP = 4 * LANES
"""Most columns that are rotated together: memory is read and written that wide; they lie in the first-level cache."""


@stage
def rotate_columns_of(x, start, rows, columns, ahead, turn, flushing, work, pitch, spare):
    """Rotate a group of each of `columns` neighbouring columns, of which the first `rows` rows exist, into `work`.

    There rows lie `pitch` entries apart: whole vectors. Memory is read row by row. ahead: how many elements further on
    it is asked for, in time for what comes next. spare: room for n vectors.
    """
    r = turn[0]
    folds = rows >= r.n and r.power >= 8 and r.base == 1 and not flushing
    whole = columns - columns % LANES if folds else 0
    for i in range(0, r.n if folds else 0, 8):
        for column in range(0, whole, LANES):
            _read_eight(x, start + column, ahead, turn, i, advance(work, i * pitch + column), pitch)
    for i in range(r.n):
        sign, at = splat_bits(turn[1][i]), start + i * r.inner
        for column in range(whole, columns, LANES):
            prefetch(x, at + column + ahead)
            store_codes(work, i * pitch + column, part(x, at + column, columns - column if i < rows else 0) ^ sign)
    for column in range(0, columns, LANES):
        own = advance(work, column)
        if flushing and _any_tiny(own, pitch, r.n):
            for lane in range(min(LANES, columns - column)):
                exact_group(x, start + column + lane, r.inner, rows, turn, own, lane, pitch)
        else:
            _finish(x, turn, own, pitch, spare, 8 if column < whole else 1)


@small_stage
def _row(x, start, ahead, turn, i):
    at = start + i * turn[0].inner
    prefetch(x, at + ahead)
    return as_real(load(x, at) ^ splat_bits(turn[1][i]))


@stage
def _read_eight(x, start, ahead, turn, i, work, pitch):
    """Rows i..i + 8 of sixteen columns, signed, after the stages of stride 1, 2 and 4."""
    a, b = _row(x, start, ahead, turn, i), _row(x, start, ahead, turn, i + 1)
    c, d = _row(x, start, ahead, turn, i + 2), _row(x, start, ahead, turn, i + 3)
    e, f = _row(x, start, ahead, turn, i + 4), _row(x, start, ahead, turn, i + 5)
    g, h = _row(x, start, ahead, turn, i + 6), _row(x, start, ahead, turn, i + 7)
    store_eight(work, pitch, fold_eight(a, b, c, d, e, f, g, h))


@stage
def _any_tiny(work, pitch, count):
    """`has_tiny` of vectors that lie `pitch` entries apart."""
    found = False
    for i in range(count):
        found |= has_tiny(work, i * pitch, LANES)
    return found


@stage
def _finish(x, turn, work, pitch, spare, stride):
    """The stages from `stride` on of sixteen columns, and what comes after them, in place."""
    r = turn[0]
    if r.base > 1:
        across(work, pitch, spare, r.power, r.base, turn[3], stride)
        stride = r.power
    stride = eights(work, pitch, r.power, r.power, stride, 16)  # the last ones go with what follows
    last = r.power // stride
    for row in range(stride if r.base == 1 else r.n):
        own, step = advance(work, row * pitch), stride * pitch
        if last == 8:
            _end_eight(x, turn, own, step, row, stride)
        elif last == 4:
            _end_four(x, turn, own, step, row, stride)
        elif last == 2:
            _end_two(x, turn, own, step, row, stride)
        else:
            _end(x, turn, load_reals(own, 0), own, 0, row)


@small_stage
def _end(x, turn, value, work, place, row):
    scale, after = splat_real(np.float32(turn[0].scale)), splat_bits(turn[2][row])
    store_codes(work, place, settled(x, value, scale, after))


@stage
def _end_two(x, turn, work, step, row, stride):
    a, b = load_reals(work, 0), load_reals(work, step)
    _end(x, turn, a + b, work, 0, row)
    _end(x, turn, a - b, work, step, row + stride)


@stage
def _end_four(x, turn, work, step, row, stride):
    a, b = load_reals(work, 0), load_reals(work, step)
    c, d = load_reals(work, 2 * step), load_reals(work, 3 * step)
    a, b, c, d = a + b, a - b, c + d, c - d
    _end(x, turn, a + c, work, 0, row)
    _end(x, turn, b + d, work, step, row + stride)
    _end(x, turn, a - c, work, 2 * step, row + 2 * stride)
    _end(x, turn, b - d, work, 3 * step, row + 3 * stride)


@stage
def _end_eight(x, turn, work, step, row, stride):
    a, b = load_reals(work, 0), load_reals(work, step)
    c, d = load_reals(work, 2 * step), load_reals(work, 3 * step)
    e, f = load_reals(work, 4 * step), load_reals(work, 5 * step)
    g, h = load_reals(work, 6 * step), load_reals(work, 7 * step)
    a, b, c, d, e, f, g, h = fold_eight(a, b, c, d, e, f, g, h)
    _end(x, turn, a, work, 0, row)
    _end(x, turn, b, work, step, row + stride)
    _end(x, turn, c, work, 2 * step, row + 2 * stride)
    _end(x, turn, d, work, 3 * step, row + 3 * stride)
    _end(x, turn, e, work, 4 * step, row + 4 * stride)
    _end(x, turn, f, work, 5 * step, row + 5 * stride)
    _end(x, turn, g, work, 6 * step, row + 6 * stride)
    _end(x, turn, h, work, 7 * step, row + 7 * stride)
