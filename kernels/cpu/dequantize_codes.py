"""Dequantize packed codes: element × block scale × tensor scale, each product rounded once (contract §2).

Codes of a row lie in the first-level cache between unpacking and decoding. Where every product stays a normal number,
vectors of binary32 arithmetic are exact; blocks with other scales are then decoded again, one by one.
"""

import numpy as np

from lowbit.kernels.cpu.band import block_inverse, block_of, locate, scratch_size, splits_vectors
from lowbit.kernels.cpu.block_words import scale_bits_of_words
from lowbit.kernels.cpu.decoding import decode, decode_constants
from lowbit.kernels.cpu.jit import kernel, small_stage, stage
from lowbit.kernels.cpu.memory import (
    advance,
    keep,
    line_of,
    load,
    load_reals,
    memory,
    reals,
    store,
    store_one,
    store_reals,
    store_some,
    store_stream,
)
from lowbit.kernels.cpu.packing import unpack_run
from lowbit.kernels.cpu.rows import spread
from lowbit.kernels.cpu.scalar import INFINITY_BITS, fl, round_bits, widen
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    LANES,
    any_set,
    as_bits,
    as_real,
    bits_of,
    splat_bits,
    splat_real,
    where_below,
)

LOWEST_SCALE, HIGHEST_SCALE = np.uint32((127 - 50) << 23), np.uint32((127 + 50) << 23)
"""Bits of 2^-50 and 2^50. With elements within 2^±40 and levels within 2^±30 no product is subnormal or overflows."""

HUGE = HIGHEST_SCALE
"""Stands for a scale that vectors are not exact with: zeros stay zeros, other elements are decoded again."""


@kernel
def dequantize_items(packed, words, table, out, values, decode_record, level, grid_record, stream, first, last):
    """Decode the work items first..last: fl(fl(element * scale) * tensor scale), contract §2.

    words: one a block, row-major over (band, block), or empty for a plain cast; table: binary32 bits of their scales by
    code (see `block_words`). values, decode_record: the element's `DecodePlan`. level: the tensor scale. stream: write
    past the caches.
    """
    d, grid = decode_record[0], grid_record[0]
    source, target, bits_by_code = memory(packed), memory(out), memory(values)
    size = scratch_size(grid)
    scratch = np.empty(4 * size + LANES, np.uint32)
    codes = line_of(memory(scratch))
    scale_bits, scales = advance(codes, size), reals(advance(codes, 2 * size))
    wide = advance(scales, size)
    row_bytes = (grid.columns * d.bits + 7) // 8
    blocks = (grid.columns + grid.width - 1) // grid.width
    plain = len(words) == 0
    level_fits = 2.0**-30 <= level <= 2.0**30
    for item in range(first, last):
        band, column, start, rows, columns = locate(grid, item)
        width = min(grid.width, columns) if not plain else size
        count = (columns + width - 1) // width
        outside = False
        if not plain:
            found = advance(memory(words), band * blocks + column // grid.width)
            scale_bits_of_words(found, table, count, scale_bits)
            outside = _fitting(d, scale_bits, count, level_fits, scales)
            if splits_vectors(width, columns):
                spread(scales, columns, width, wide)
        for row in range(rows):
            base = start + row * grid.columns
            at = base // grid.columns * row_bytes + column * d.bits // 8
            unpack_run(source, at, len(packed), columns, d.bits, codes)
            if not plain and splits_vectors(width, columns):
                _row_of_columns(d, bits_by_code, codes, target, base, columns, wide, level, stream)
            else:
                _row_of_blocks(d, bits_by_code, codes, target, base, columns, width, scales, level, plain, stream)
            if outside:
                _decode_again(d, bits_by_code, codes, target, base, columns, width, scale_bits, scales, level)
    keep(scratch)


@stage
def _fitting(d, scale_bits, count, level_fits, scales):
    """Fill `scales` with those that vectors are exact with, and HUGE for others; returns whether there are others.

    Exact are moderate scales, and zeros where no element is infinite. `scale_bits` is padded with ones.
    """
    exact = d.narrow and level_fits
    vanishing = splat_bits(np.uint32(1 if exact and d.finite else 0))
    span = splat_bits(HIGHEST_SCALE - LOWEST_SCALE if exact else np.uint32(0))
    lowest, huge = splat_bits(LOWEST_SCALE), splat_bits(HUGE)
    zero, one = splat_bits(np.uint32(0)), splat_bits(np.uint32(1))
    others = zero
    for block in range(0, count, LANES):
        bits = load(scale_bits, block)
        magnitude = bits & splat_bits(ABSOLUTE)
        fitting = where_below(magnitude, vanishing, bits, where_below(magnitude - lowest, span, bits, huge))
        store_reals(scales, block, as_real(fitting))
        others = others | where_below(fitting - huge, one, one, zero)
    return any_set(others)


@stage
def _row_of_blocks(d, values, codes, out, base, columns, width, scales, level, plain, stream):
    """A row whose blocks do not split vectors: the scale is the same in all lanes. `plain`: elements as they are.

    One loop over vectors: a loop of one or two turns for each block costs more than its work.
    """
    constants, outer = decode_constants(d), splat_real(np.float32(level))
    inverse = block_inverse(width, columns)
    for i in range(0, columns, LANES):
        bits = decode(constants, values, load(codes, i))
        if not plain:
            scale = scales[block_of(i, inverse)]
            bits = as_bits(as_real(bits) * splat_real(scale) * outer)
        _write(out, base + i, bits, columns - i, stream)


@small_stage
def _write(out, index, bits, count, stream):
    """Write the first `count` of sixteen elements."""
    if count < LANES:
        store_some(out, index, bits, count)
    elif stream:
        store_stream(out, index, bits)
    else:
        store(out, index, bits)


@stage
def _row_of_columns(d, values, codes, out, base, columns, scales, level, stream):
    """A row with scales of its own in every lane."""
    constants, outer = decode_constants(d), splat_real(np.float32(level))
    for i in range(0, columns, LANES):
        element = as_real(decode(constants, values, load(codes, i)))
        _write(out, base + i, as_bits(element * load_reals(scales, i) * outer), columns - i, stream)


@stage
def _decode_again(d, values, codes, out, base, columns, width, scale_bits, scales, level):
    """The blocks of a row whose products vectors cannot hold. Zeros stay zeros whatever their (positive) scale."""
    for block in range((columns + width - 1) // width):
        first, stop = block * width, min(block * width + width, columns)
        bits = scale_bits[block]
        if bits_of(scales[block]) != HUGE or (bits < INFINITY_BITS and _all_zero(values, codes, first, stop)):
            continue
        scale = widen(bits)
        for i in range(first, stop):
            product = fl(widen(values[codes[i]]) * scale)
            store_one(out, base + i, round_bits(product * level))


@stage
def _all_zero(values, codes, first, stop):
    seen = np.uint32(0)
    for i in range(first, stop):
        seen |= values[codes[i]]
    return seen & ABSOLUTE == np.uint32(0)
