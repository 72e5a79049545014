"""Hadamard rotations of groups of n elements (contract §6), sixteen lanes at a time.

Neighbours along the rotated axis lie next to each other (`rotate_rows`: strides below sixteen are shuffles within a
vector, the others butterflies between vectors) or further apart (`rotate_columns`: every stride is between vectors).

Arithmetic is IEEE-754's as it stands, so NaN, infinities and subnormals need no care, unless the process flushes
subnormals to zero: then groups with a member small enough to leave one behind take the exact scalar path.
"""

import numpy as np

from lowbit.kernels.cpu.butterflies import opened, work_size
from lowbit.kernels.cpu.exact_rotation import flushes
from lowbit.kernels.cpu.jit import kernel, small_stage
from lowbit.kernels.cpu.memory import advance, keep, load, load_some, memory, store, store_some
from lowbit.kernels.cpu.rotate_groups import rotate_run, rotate_tile
from lowbit.kernels.cpu.scalar import INFINITY_BITS
from lowbit.kernels.cpu.vector import ABSOLUTE, LANES, larger, largest, splat_bits, where_below

PIECE = 4096
"""About how many elements of a row are rotated before they are written."""

STRIP = 16 * LANES
"""Columns that are rotated one after the other, so that whole pages are read."""


@kernel
def rotate_rows(x, out, rotation, first, last):
    """Rotate the work items first..last of rows that lie in memory one after the other (r.inner is 1).

    x, out: one-dimensional views of dense tensors of the same type, rows of r.source and r.target elements; `out` may
    be `x` itself if these are equal. rotation: the `arguments` of a `lowbit.rotation.Rotation`. An item is a
    piece of a row.
    """
    turn = opened(rotation)
    r = turn[0]
    source, target = memory(x), memory(out)
    padded, piece, pieces = pieces_of(r)
    scratch = np.empty(piece + LANES + work_size(r), np.float32)
    turned = memory(scratch)
    work, flushing = advance(turned, piece + LANES), flushes(r)
    for item in range(first, last):
        row, begin = item // pieces, item % pieces * piece
        count = min(piece, padded - begin)
        rotate_run(source, row * r.source + begin, r.source - begin, count, turn, flushing, work, turned)
        start, kept = row * r.target + begin, min(count, r.target - begin)
        for i in range(0, kept - kept % LANES, LANES):
            store(target, start + i, load(turned, i))
        if kept % LANES:
            whole = kept - kept % LANES
            store_some(target, start + whole, load(turned, whole), kept - whole)
    keep(scratch)


@kernel
def rotate_columns(x, out, rotation, first, last):
    """The same where neighbours along the axis are r.inner > 1 elements apart; an item is a strip of a group."""
    turn = opened(rotation)
    r = turn[0]
    source, target = memory(x), memory(out)
    scratch = np.empty(work_size(r), np.float32)
    work, flushing = memory(scratch), flushes(r)
    strips = (r.inner + STRIP - 1) // STRIP
    groups = (r.source + r.n - 1) // r.n
    for item in range(first, last):
        band, strip = item // strips, item % strips
        outer, row = band // groups, band % groups * r.n
        begin, end = strip * STRIP, min((strip + 1) * STRIP, r.inner)
        rows_in, rows_out = min(r.source - row, r.n), min(r.target - row, r.n)
        read, written = (outer * r.source + row) * r.inner, (outer * r.target + row) * r.inner
        for column in range(begin, end, LANES):
            count = min(LANES, end - column)
            rotate_tile(source, read + column, rows_in, count, turn, flushing, work)
            for i in range(rows_out):
                bits = load(work, i * LANES)
                if count == LANES:
                    store(target, written + column + i * r.inner, bits)
                else:
                    store_some(target, written + column + i * r.inner, bits, count)
    keep(scratch)


@kernel
def rotated_amax(x, rotation, finite, first, last):
    """Bits of the largest magnitude that rotated rows have in the items first..last (as those of `rotate_rows`).

    finite: leave NaN and infinities out (contract §8); else they show in the result.
    """
    turn = opened(rotation)
    r = turn[0]
    source = memory(x)
    padded, piece, pieces = pieces_of(r)
    scratch = np.empty(piece + LANES + work_size(r), np.float32)
    turned = memory(scratch)
    work, flushing = advance(turned, piece + LANES), flushes(r)
    mask, infinity, zero = splat_bits(ABSOLUTE), splat_bits(INFINITY_BITS), splat_bits(np.uint32(0))
    limit = infinity if finite else mask
    maxima = zero
    for item in range(first, last):
        row, begin = item // pieces, item % pieces * piece
        count = min(piece, padded - begin)
        rotate_run(source, row * r.source + begin, r.source - begin, count, turn, flushing, work, turned)
        for i in range(0, count, LANES):
            magnitude = load_some(turned, i, min(count - i, LANES)) & mask
            maxima = larger(maxima, where_below(magnitude, limit, magnitude, zero))
    keep(scratch)
    return largest(maxima)


def rotation_pieces(n: int, source: int, inner: int) -> int:
    """Work items of an outer slice: pieces of a row, or strips of all groups."""
    groups = -(-source // n)
    return groups * -(-inner // STRIP) if inner > 1 else -(-groups // max(1, PIECE // n))


@small_stage
def pieces_of(r):
    """(elements of a padded row, of a piece: whole groups; pieces of a row)."""
    padded = (r.source + r.n - 1) // r.n * r.n
    piece = min(padded, r.n * max(1, PIECE // r.n))
    return padded, piece, (padded + piece - 1) // piece
