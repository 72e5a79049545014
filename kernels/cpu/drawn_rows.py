"""Stochastic rounding of whole rows, for the modes whose R is a truncation (see `rounding`): those that training uses.

Such a mode is floor((floor(t * 2^b + 1/2) + r) / 2^b) steps, or the same without the half. Where these numbers fit one
integer that is what is computed; where they do not (32 random bits), the part of t beyond its last step is compared.
"""

import numpy as np

from lowbit.kernels.cpu.band import block_of
from lowbit.kernels.cpu.jit import stage
from lowbit.kernels.cpu.memory import load, prefetch, store, store_stream
from lowbit.kernels.cpu.random import load_random
from lowbit.kernels.cpu.rounding import TO_LAST_PLACE, TWICE_BIAS, scaled_magnitude
from lowbit.kernels.cpu.scale import ONE_BITS
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    EXPONENT,
    LANES,
    SIGN,
    as_bits,
    as_real,
    larger,
    small_number,
    smaller,
    splat_bits,
    splat_real,
    truncated,
    truncated_small,
    where_below,
    where_less,
    whole_part,
)
from lowbit.lowering import ROUND_REALS

HALF = np.float32(0.5 - 2.0**-25)
"""Added to a magnitude before it is truncated: the nearest integer, halves up. With 0.5 the largest number below a half
would become one, and odd numbers of 24 bits would become even ones."""

FITTING = 30
"""Bits of an integer that holds grid steps and their fractions; all of them fit a signed one's."""


@stage
def draw_row(p, element, value, x, out, base, columns, inverse, encodes, scales, upcoming, stream, words, lane):
    """Round the whole vectors of a row, if it knows the mode; returns how many columns that are.

    element, value: the constants of `rounding`; inverse: `block_inverse`; the other arguments as for `_round_rows`.
    """
    same = p.positive_even == p.positive_odd == p.negative_even == p.negative_odd
    known = same and (p.positive_even == 0.5 or p.positive_even == 1.0)
    if not known or p.vector != ROUND_REALS or p.overflow != p.max:
        return 0
    lowest, shift, clamp, _, _ = element
    inside, _, divide, _, _, _, level, zero, zero_signs, _ = value
    bits_drawn, fits = p.draw_bits, p.mantissa + 1 + p.draw_bits <= FITTING
    ease = splat_real(HALF if p.positive_even == 0.5 else np.float32(0))
    count, power = splat_bits(np.uint32(p.draw_bits)), splat_bits(np.uint32(p.draw_bits << 23))
    flipped = splat_bits(np.uint32((np.int64(1) << np.int64(p.draw_bits)) - np.int64(1)))
    to_step, twice_bias = shift - splat_bits(TO_LAST_PLACE), splat_bits(TWICE_BIAS)
    unit = as_real(splat_bits(ONE_BITS) + power)
    whole = columns - columns % LANES
    for i in range(0, whole, LANES):
        block = block_of(i, inverse)
        encode, scale = splat_real(encodes[block]), splat_real(scales[block])
        random, bits = load_random(words, lane + i, bits_drawn), load(x, base + i)
        sign = bits & splat_bits(SIGN)
        magnitude = as_real(bits & splat_bits(ABSOLUTE))
        if inside:
            lowest = as_bits(encode)
        else:
            magnitude = smaller(scaled_magnitude(bits, encode, divide), clamp)
        step = larger(as_bits(magnitude) & splat_bits(EXPONENT), lowest) + to_step
        if fits:
            t = magnitude * as_real(twice_bias + power - step) + ease
            rounded = small_number((truncated_small(t) + random) >> count) * as_real(step)
        else:
            t = magnitude * as_real(twice_bias - step)
            below = whole_part(t)
            units = truncated((t - below) * unit + ease)
            above = below + splat_real(np.float32(1))
            rounded = where_below(random ^ flipped, units, above, below) * as_real(step)
        if inside:
            bits = as_bits(as_real(as_bits(smaller(rounded, scale)) | sign) + zero)
        else:
            sign = where_less(splat_real(np.float32(0)), rounded, sign, sign & zero_signs)
            bits = as_bits(rounded * scale * level) | sign
        prefetch(upcoming, base + i)
        if stream:
            store_stream(out, base + i, bits)
        else:
            store(out, base + i, bits)
    return whole
