"""Hadamard rotations of groups of n elements (contract §6), sixteen lanes at a time.

Neighbours along the rotated axis lie next to each other (`rotate_rows`: strides below sixteen are shuffles within a
vector, the others butterflies between vectors) or further apart (`rotate_columns`: every stride is between vectors).

Arithmetic is IEEE-754's as it stands, so NaN, infinities and subnormals need no care, unless the process flushes
subnormals to zero: then groups with a member small enough to leave one behind take the exact scalar path.
"""

import numpy as np

from lowbit.kernels.cpu.butterflies import opened, work_size
from lowbit.kernels.cpu.exact_rotation import flushes
from lowbit.kernels.cpu.jit import kernel, small_stage, stage
from lowbit.kernels.cpu.memory import advance, keep, load, load_some, memory, store, store_some, store_stream
from lowbit.kernels.cpu.rotate_columns import STRIP, rotate_columns_of
from lowbit.kernels.cpu.rotate_groups import rotate_run
from lowbit.kernels.cpu.scalar import INFINITY_BITS
from lowbit.kernels.cpu.vector import ABSOLUTE, LANES, larger, largest, splat_bits, where_below

PIECE = 4096
"""About how many elements of a row are rotated before they are written."""

STRIP_ELEMENTS = 1 << 17
"""Most elements of a strip: it must stay in the second-level cache."""


@kernel
def rotate_rows(x, out, rotation, stream, first, last):
    """Rotate the work items first..last of rows that lie in memory one after the other (r.inner is 1).

    x, out: one-dimensional views of dense tensors of the same type, rows of r.source and r.target elements; `out` may
    be `x` itself if these are equal. rotation: the `arguments` of a `lowbit.rotation.Rotation`. stream: write
    past the caches. An item is a piece of a row.
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
            if stream:
                store_stream(target, start + i, load(turned, i))
            else:
                store(target, start + i, load(turned, i))
        if kept % LANES:
            whole = kept - kept % LANES
            store_some(target, start + whole, load(turned, whole), kept - whole)
    keep(scratch)


@kernel
def rotate_columns(x, out, rotation, stream, first, last):
    """The same where neighbours along the axis are r.inner > 1 elements apart; an item is a strip of a group."""
    turn = opened(rotation)
    r = turn[0]
    source, target = memory(x), memory(out)
    strip = strip_of(r.n)
    scratch = np.empty(r.n * (strip + LANES), np.float32)
    work, flushing = memory(scratch), flushes(r)
    for item in range(first, last):
        outer, row, column = _turn_strip(source, item, strip, turn, flushing, work)
        columns, rows_out = min(strip, r.inner - column), min(r.target - row, r.n)
        for i in range(rows_out):
            written = (outer * r.target + row + i) * r.inner + column
            for j in range(0, columns, LANES):
                bits = load(work, i * strip + j)
                if columns - j < LANES:
                    store_some(target, written + j, bits, columns - j)
                elif stream:
                    store_stream(target, written + j, bits)
                else:
                    store(target, written + j, bits)
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


@kernel
def rotated_column_amax(x, rotation, finite, first, last):
    """The same of rotated columns, in the items first..last of `rotate_columns`."""
    turn = opened(rotation)
    r = turn[0]
    source, strip = memory(x), strip_of(r.n)
    scratch = np.empty(r.n * (strip + LANES), np.float32)
    work, flushing = memory(scratch), flushes(r)
    mask, infinity, zero = splat_bits(ABSOLUTE), splat_bits(INFINITY_BITS), splat_bits(np.uint32(0))
    limit, maxima = infinity if finite else mask, zero
    for item in range(first, last):
        _, _, column = _turn_strip(source, item, strip, turn, flushing, work)
        columns = min(strip, r.inner - column)
        for i in range(r.n):
            for j in range(0, columns, LANES):
                magnitude = load_some(work, i * strip + j, min(columns - j, LANES)) & mask
                maxima = larger(maxima, where_below(magnitude, limit, magnitude, zero))
    keep(scratch)
    return largest(maxima)


@stage
def _turn_strip(x, item, strip, turn, flushing, work):
    """Rotate an item's strip into `work`, rows `strip` entries apart; returns (outer, row, column) of its start."""
    r = turn[0]
    strips, groups = (r.inner + strip - 1) // strip, (r.source + r.n - 1) // r.n
    band, column = item // strips, item % strips * strip
    outer, row = band // groups, band % groups * r.n
    columns, rows = min(strip, r.inner - column), min(r.source - row, r.n)
    ahead = columns if column + columns < r.inner else rows * r.inner - column
    start = (outer * r.source + row) * r.inner + column
    rotate_columns_of(x, start, rows, columns, ahead, turn, flushing, work, strip, advance(work, r.n * strip))
    return outer, row, column


@small_stage
def strip_of(n):
    """Columns of a strip of groups of n: whole vectors."""
    return min(STRIP, max(LANES, STRIP_ELEMENTS // n // LANES * LANES))


@small_stage
def piece_of(n):
    """Elements of a piece of a row: whole groups and whole vectors."""
    unit = n
    while unit % LANES:
        unit *= 2
    return unit * max(1, PIECE // unit)


def rotation_pieces(n: int, source: int, inner: int) -> int:
    """Work items of an outer slice: pieces of a row, or strips of all groups."""
    groups = -(-source // n)
    return groups * -(-inner // strip_of.py_func(n)) if inner > 1 else -(-groups * n // piece_of.py_func(n))


@small_stage
def pieces_of(r):
    """(elements of a padded row, of a piece: whole groups; pieces of a row)."""
    padded = (r.source + r.n - 1) // r.n * r.n
    piece = min(padded, piece_of(r.n))
    return padded, piece, (padded + piece - 1) // piece
