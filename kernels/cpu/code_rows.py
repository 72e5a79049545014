"""The codes of a row: scaled elements rounded to what is packed, one code a byte where they fit.

Most formats need steps of their grid and a sign, nothing else: they take two vectors at a time, and what every vector
would decide anew is decided once.
"""

import numpy as np

from lowbit.kernels.cpu.band import block_inverse, block_of, splits_vectors
from lowbit.kernels.cpu.fake_quantize import AHEAD
from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.memory import load, prefetch, store_codes
from lowbit.kernels.cpu.pairs import PAIR
from lowbit.kernels.cpu.random import drawn
from lowbit.kernels.cpu.rounding import code_constants, element_constants, mode_constants, nearest, round_to_codes
from lowbit.kernels.cpu.rows import lane_factors, part
from lowbit.kernels.cpu.scale import divides
from lowbit.kernels.cpu.scratch import octets
from lowbit.kernels.cpu.tables import table_constants
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    LANES,
    SIGN,
    as_real,
    bits_of,
    smaller,
    splat_bits,
    splat_real,
    where_below,
)
from lowbit.lowering import ROUND_BITS


@stage
def codes_of_row(
    p, x, base, columns, width, encodes, scales, wide_encodes, wide_scales, row_codes, draw, entries, random_words, lane
):  # fmt: skip
    """Codes of elements base..base + columns, one a byte where they fit, else one a word of `row_codes`.

    One scale in all lanes where blocks do not split vectors, else one of its own in every lane. `row_codes` has room
    for whole vectors. draw, entries: as for `qdq_items`.
    """
    element, code, how = element_constants(p), code_constants(p), mode_constants(p, draw)
    table, codes, done = table_constants(p, entries), octets(row_codes), 0
    splits, narrow = splits_vectors(width, columns), p.bits <= 8
    inverse = np.int64(0) if splits else block_inverse(width, columns)
    if draw is None and entries is None:
        done = _plain_pairs(p, element, code, x, base, columns, width, encodes, scales, codes)
    for i in range(done, columns, LANES):
        encode, scale = lane_factors(encodes, scales, wide_encodes, wide_scales, splits, inverse, i)
        rest, random = min(LANES, columns - i), drawn(how, random_words, lane + i)
        bits = part(x, base + i, rest)
        found = round_to_codes(element, code, how, table, bits, encode, scale, random)
        if narrow:
            store_codes(codes, i, found)
        else:
            store_codes(row_codes, i, found)
        prefetch(x, base + i + AHEAD)


@small_stage
def _is_plain(p):
    """Whether codes are steps and a sign without exceptions: saturating elements, scaled by a product or in place."""
    signed = p.twos_complement != 0 or p.negative_zero
    return signed and p.overflow == p.max and p.vector != ROUND_BITS and not divides(p) and p.bits <= 8


@stage
def _plain_pairs(p, element, code, x, base, columns, width, encodes, scales, codes):
    """The part of a row that pairs of vectors cover, to nearest even; returns how many columns that are.

    None where codes are not plain or blocks split vectors. The same codes as those of `round_to_codes`.
    """
    lowest, shift, clamp, _, _ = element
    inside, _, _, integer, dropped, _, _, sign_shift, mask, _, _ = code
    sign = splat_bits(np.uint32(1) << np.uint32(p.bits - 1))
    paired = columns - columns % PAIR if not splits_vectors(width, columns) and _is_plain(p) else 0
    inverse = block_inverse(width, columns) if paired else np.int64(0)
    for i in range(0, paired, PAIR):
        left, right = load(x, base + i), load(x, base + i + LANES)
        block, next_block = block_of(i, inverse), block_of(i + LANES, inverse)
        encode, scale, next_encode, next_scale = encodes[block], scales[block], encodes[next_block], scales[next_block]
        if inside:
            first = _steps(_at_most(left, scale), splat_bits(bits_of(encode)), shift, dropped)
            second = _steps(_at_most(right, next_scale), splat_bits(bits_of(next_encode)), shift, dropped)
        else:
            first = _steps(smaller(_magnitude(left) * splat_real(encode), clamp), lowest, shift, dropped)
            second = _steps(smaller(_magnitude(right) * splat_real(next_encode), clamp), lowest, shift, dropped)
        if integer:
            first, second = _complement(left, first) & mask, _complement(right, second) & mask
        else:
            first, second = first | ((left >> sign_shift) & sign), second | ((right >> sign_shift) & sign)
        store_codes(codes, i, first)
        store_codes(codes, i + LANES, second)
        prefetch(x, base + i + AHEAD)
        prefetch(x, base + i + AHEAD + LANES)
    return paired


@small_stage
def _magnitude(bits):
    """|x|."""
    return as_real(bits & splat_bits(ABSOLUTE))


@small_stage
def _at_most(bits, limit):
    """|x|, or the limit where that is less."""
    return smaller(_magnitude(bits), splat_real(limit))


@small_stage
def _steps(magnitude, lowest, shift, dropped):
    """How many steps of the grid lie below the rounded magnitudes: within their binade, and in those below."""
    _, steps, binade = nearest(magnitude, lowest, shift)
    return steps + ((binade - lowest) >> dropped)


@small_stage
def _complement(bits, codes):
    """Two's complement of the codes of negative elements."""
    return where_below(bits, splat_bits(SIGN), codes, splat_bits(np.uint32(0)) - codes)
