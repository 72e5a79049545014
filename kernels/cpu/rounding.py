"""The round stage: scaled elements to values or codes, sixteen at a time, for every regular grid.

Adding and subtracting a power of two M rounds to a multiple of M's last place, ties to even; with M chosen from the
element's own exponent that place is the element's grid step. The same sum also holds the code: the distance of its bit
pattern from M's counts steps.
"""

import numpy as np

from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.scale import divides, in_place
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    EXPONENT,
    SIGN,
    as_bits,
    as_real,
    larger,
    smaller,
    splat_bits,
    splat_real,
    where_below,
    where_less,
)
from lowbit.lowering import ROUND_BITS

UNLIMITED = np.float32(2.0**100)


@small_stage
def element_constants(p):
    """The plan's element as vectors: lowest exponent, exponent shift to M, clamp, largest, what lies beyond it.

    Read once before a loop: the compiler cannot know that a store leaves the plan alone, and would read it again.
    """
    saturates = p.overflow == p.max
    return (
        splat_bits(np.uint32((p.min_exponent + 127) << 23)),
        splat_bits(np.uint32((23 - p.mantissa) << 23)),
        splat_real(np.float32(p.max) if saturates else UNLIMITED),
        splat_real(np.float32(p.max)),
        splat_real(np.float32(p.overflow)),
    )


@small_stage
def value_constants(p):
    """(in place, drop bits, divide, saturating with one level, dropped bits, tensor scale, zero, two sign masks).

    Elements without -0 lose the sign of a zero: `zero` is added last where nothing else can be zero (+0 turns -0 into
    +0, -0 changes nothing), else signs are masked. NaN has no sign either, infinities have one.
    """
    zero = np.float32(-0.0) if p.negative_zero else np.float32(0.0)
    return (
        in_place(p),
        p.vector == ROUND_BITS,
        divides(p),
        p.overflow == p.max and p.tensor_scale == 1.0,
        splat_bits(np.uint32(23 - p.mantissa)),
        splat_real(np.float32(p.tensor_scale)),
        splat_real(zero),
        splat_bits(SIGN if p.negative_zero else np.uint32(0)),
        splat_bits(SIGN if p.overflow == p.overflow else np.uint32(0)),
    )


@small_stage
def code_constants(p):
    """(in place, drop bits, divide, two's complement, dropped bits, code past the largest, sign shift, mask, signed).

    A float's sign is attached to codes in a range: from 0 where it has -0, else from 1, and not to a NaN.
    """
    return (
        in_place(p),
        p.vector == ROUND_BITS,
        divides(p),
        p.twos_complement != 0,
        splat_bits(np.uint32(23 - p.mantissa)),
        splat_bits(p.overflow_code),
        splat_bits(np.uint32(32 - p.bits)),
        splat_bits(np.uint32((np.uint64(1) << np.uint64(p.bits)) - np.uint64(1))),
        splat_bits(np.uint32(0) if p.negative_zero else np.uint32(1)),
        splat_bits(p.overflow_code if p.overflow != p.overflow else np.uint32(0xFFFFFFFF)),
    )


@small_stage
def scaled_magnitude(bits, encode, divide):
    """|y|: the scaled magnitudes of tensor elements."""
    magnitude = as_real(bits & splat_bits(ABSOLUTE))
    if divide:
        return magnitude / encode
    return magnitude * encode


@stage
def round_to_values(element, value, bits, encode, scale):
    """Binary32 bits of the fake-quantized elements: fl(fl(element * scale) * tensor scale) with the input's sign.

    `element`, `value`: the constants of this file; `encode`, `scale`: what `choose_scales` chose.
    """
    lowest, shift, clamp, largest, beyond = element
    inside, drops, divide, simple, dropped, level, zero, zero_signs, beyond_signs = value
    sign = bits & splat_bits(SIGN)
    if inside:
        rounded = round_real(as_real(bits & splat_bits(ABSOLUTE)), as_bits(encode), shift)
        return as_bits(as_real(as_bits(smaller(rounded, scale)) | sign) + zero)
    if drops:
        return drop_bits(bits & splat_bits(ABSOLUTE), dropped) | sign
    rounded = round_real(smaller(scaled_magnitude(bits, encode, divide), clamp), lowest, shift)
    sign = where_less(splat_real(np.float32(0)), rounded, sign, sign & zero_signs)
    if simple:
        return as_bits(rounded * scale) | sign
    sign = where_less(largest, rounded, sign & beyond_signs, sign)
    return as_bits((where_less(largest, rounded, beyond, rounded) * scale) * level) | sign


@stage
def round_real(magnitude, lowest, shift):
    """Magnitudes rounded to the grid with this lowest exponent; `shift` leads from a binade to M's."""
    magnet = as_real(larger(as_bits(magnitude) & splat_bits(EXPONENT), lowest) + shift)
    return (magnitude + magnet) - magnet


@stage
def round_to_codes(element, code, bits, encode, scale):
    """Element codes of tensor elements; arguments as for `round_to_values`."""
    lowest, shift, clamp, largest, _ = element
    inside, drops, divide, integer, dropped, beyond, sign_shift, mask, first_signed, end_signed = code
    zero = splat_bits(np.uint32(0))
    if drops:
        codes = drop_bits(bits & splat_bits(ABSOLUTE), dropped) >> dropped
    else:
        if inside:
            magnitude, lowest, largest = smaller(as_real(bits & splat_bits(ABSOLUTE)), scale), as_bits(encode), scale
        else:
            magnitude = smaller(scaled_magnitude(bits, encode, divide), clamp)
        binade = larger(as_bits(magnitude) & splat_bits(EXPONENT), lowest)
        magnet = as_real(binade + shift)
        total = magnitude + magnet
        codes = as_bits(total) - as_bits(magnet) + ((binade - lowest) >> dropped)
        codes = where_less(largest, total - magnet, beyond, codes)
    if integer:
        return where_below(bits, splat_bits(SIGN), codes, zero - codes) & mask
    sign = (bits & splat_bits(SIGN)) >> sign_shift
    return codes | where_below(codes, first_signed, zero, where_below(codes, end_signed, sign, zero))


@small_stage
def drop_bits(magnitude, dropped):
    """Round binary32 magnitudes to fewer mantissa bits in integers: exact for subnormals, overflows to infinity."""
    one = splat_bits(np.uint32(1))
    half = (one << (dropped - one)) - one
    return ((magnitude + half + ((magnitude >> dropped) & one)) >> dropped) << dropped
