"""The additions of a Hadamard rotation: within a vector, between vectors, and the sums of a base matrix (contract §6).

A rotation travels as `turn`: (record, masks before, masks after, masks of the base matrix), memory and no arrays.
Vectors of a group lie in `work`, neighbours `pitch` entries apart; `spare` has room for n vectors, end to end.
"""

from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.memory import advance, load_reals, memory, store_reals
from lowbit.kernels.cpu.vector import (
    LANES,
    as_bits,
    as_real,
    butterfly_1,
    butterfly_2,
    butterfly_4,
    butterfly_8,
    splat_bits,
)


@small_stage
def opened(rotation):
    """The arrays of a `lowbit.rotation.Rotation`, given as its `arguments`, as memory."""
    return rotation[0][0], memory(rotation[1]), memory(rotation[2]), memory(rotation[3])


@small_stage
def spare_at(r):
    """Where the second of the two scratch areas of a rotation starts: each has room for n vectors."""
    return LANES * r.n


@small_stage
def work_size(r):
    """Entries of both areas together."""
    return 2 * LANES * r.n


@small_stage
def within(value, n):
    """The stages of stride 1, 2, 4 and 8 that a group of n elements has."""
    value = butterfly_1(value)
    if n >= 4:
        value = butterfly_2(value)
    if n >= 8:
        value = butterfly_4(value)
    if n >= 16:
        value = butterfly_8(value)
    return value


@stage
def across(work, pitch, spare, count, base, matrix, stride):
    """Butterflies between `count` vectors (a power of two) in each of `base` runs, then the sums over the runs.

    stride: of the first stage, in vectors; those below it are done.
    """
    total = count * base
    stride = eights(work, pitch, count, total, stride, 8)
    if count // stride >= 2:
        width = count // stride
        for first in range(0, total, width * stride):
            for vector in range(first, first + stride):
                if width == 4:
                    _four(advance(work, vector * pitch), stride * pitch)
                else:
                    _two(advance(work, vector * pitch), stride * pitch)
    if base > 1:
        _sums(work, pitch, spare, count, base, matrix)


@stage
def eights(work, pitch, count, total, stride, least):
    """Three stages at a time, from `stride` on, while `least` or more vectors of `count` are to be added up.

    `total` vectors are done, runs of `count`. Returns the stride of the next stage.
    """
    while count // stride >= least:
        for first in range(0, total, 8 * stride):
            for vector in range(first, first + stride):
                _eight(advance(work, vector * pitch), stride * pitch)
        stride *= 8
    return stride


@stage
def _sums(work, pitch, spare, count, base, matrix):
    """Row i of the result: the vectors of all runs, signed by row i of the base matrix, summed from left to right."""
    for vector in range(count):
        for i in range(base):
            total = load_reals(work, vector * pitch)
            for j in range(1, base):
                bits = as_bits(load_reals(work, (j * count + vector) * pitch)) ^ splat_bits(matrix[i * base + j])
                total = total + as_real(bits)
            store_reals(spare, (i * count + vector) * LANES, total)
    for i in range(count * base):
        store_reals(work, i * pitch, load_reals(spare, i * LANES))


@stage
def _two(work, stride):
    a, b = load_reals(work, 0), load_reals(work, stride)
    store_reals(work, 0, a + b)
    store_reals(work, stride, a - b)


@stage
def _four(work, stride):
    a, b = load_reals(work, 0), load_reals(work, stride)
    c, d = load_reals(work, 2 * stride), load_reals(work, 3 * stride)
    a, b, c, d = a + b, a - b, c + d, c - d
    store_reals(work, 0, a + c)
    store_reals(work, stride, b + d)
    store_reals(work, 2 * stride, a - c)
    store_reals(work, 3 * stride, b - d)


@small_stage
def fold_eight(a, b, c, d, e, f, g, h):
    """The stages of stride 1, 2 and 4 between eight vectors."""
    a, b, c, d, e, f, g, h = a + b, a - b, c + d, c - d, e + f, e - f, g + h, g - h
    a, b, c, d, e, f, g, h = a + c, b + d, a - c, b - d, e + g, f + h, e - g, f - h
    return a + e, b + f, c + g, d + h, a - e, b - f, c - g, d - h


@stage
def _eight(work, stride):
    a, b = load_reals(work, 0), load_reals(work, stride)
    c, d = load_reals(work, 2 * stride), load_reals(work, 3 * stride)
    e, f = load_reals(work, 4 * stride), load_reals(work, 5 * stride)
    g, h = load_reals(work, 6 * stride), load_reals(work, 7 * stride)
    store_eight(work, stride, fold_eight(a, b, c, d, e, f, g, h))


@small_stage
def store_eight(work, stride, vectors):
    """Eight vectors, `stride` entries apart."""
    a, b, c, d, e, f, g, h = vectors
    store_reals(work, 0, a)
    store_reals(work, stride, b)
    store_reals(work, 2 * stride, c)
    store_reals(work, 3 * stride, d)
    store_reals(work, 4 * stride, e)
    store_reals(work, 5 * stride, f)
    store_reals(work, 6 * stride, g)
    store_reals(work, 7 * stride, h)
