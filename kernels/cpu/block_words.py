"""What is stored of a block besides its elements: one word, the code of its scale (contract §3 and §9).

Both directions, so that a word's layout is known here alone. A binary32 scale is its own bit pattern.
"""

import numpy as np

from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.memory import load, load_reals, memory, store_codes
from lowbit.kernels.cpu.scale import ONE_BITS, in_place
from lowbit.kernels.cpu.vector import EXPONENT, LANES, as_bits, as_real, larger, splat_bits, splat_real, where_below
from lowbit.lowering import FLOAT32_SCALE, POWER_OF_TWO


@stage
def block_words(p, amaxes, scales, count, words):
    """The words of `count` blocks inside the plan's bounds, from their maxima (bits) and scales, sixteen at a time."""
    for block in range(0, count, LANES):
        scale = load_reals(scales, block)
        if p.scale_family == FLOAT32_SCALE:
            store_codes(words, block, as_bits(scale))
        elif p.scale_family == POWER_OF_TWO:
            store_codes(words, block, _shared_exponents(p, load(amaxes, block), scale))
        else:
            store_codes(words, block, _float_codes(p, scale))


@small_stage
def _shared_exponents(p, amax, scale):
    """Codes of power-of-two scales, which come times the largest element if `in_place`; 0 for a block of zeros."""
    unit = splat_real(np.float32(p.max)) if in_place(p) else splat_real(np.float32(1))
    exponent = as_bits(scale) - as_bits(unit) + splat_bits(ONE_BITS)
    code = (exponent >> splat_bits(np.uint32(23))) - splat_bits(np.uint32(np.int32(127) + p.scale_min_exponent))
    return where_below(amax, splat_bits(np.uint32(1)), amax, code)


@small_stage
def _float_codes(p, scale):
    """Codes of scales on their grid: steps counted from zero, or from the smallest value where there is no zero."""
    lowest = splat_bits(np.uint32((p.scale_min_exponent + 127) << 23))
    binade = larger(as_bits(scale) & splat_bits(EXPONENT), lowest)
    magnet = binade + splat_bits(np.uint32((23 - p.scale_mantissa) << 23))
    steps = as_bits(scale + as_real(magnet)) - magnet
    codes = steps + ((binade - lowest) >> splat_bits(np.uint32(23 - p.scale_mantissa)))
    return codes - splat_bits(np.uint32(p.scale_code_base))


@stage
def scale_bits_of_words(words, table, count, scale_bits):
    """Binary32 bits of the scales of `count` blocks, padded with ones to a multiple of sixteen entries.

    table: the bits by scale code, or empty for binary32 scales.
    """
    by_code = memory(table)
    if len(table):
        for block in range(count):
            scale_bits[block] = by_code[words[block]]
    else:
        for block in range(count):
            scale_bits[block] = words[block]
    for block in range(count, (count + LANES - 1) // LANES * LANES):
        scale_bits[block] = ONE_BITS
