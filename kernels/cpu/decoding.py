"""The decode stage: sixteen element codes to binary32 bits, for every element (see `lowbit.decoding`)."""

import numpy as np

from lowbit.decoding import FLOAT_FIELDS, INTEGER_STEPS, NO_CODE
from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.packed_lanes import load_lanes
from lowbit.kernels.cpu.vector import any_set, as_bits, as_real, splat_bits, splat_real, where_below


@small_stage
def decode_constants(d):
    """(form, specials, mask, sign shift, shift, first normal, normal, lowest, largest, odd code, bias, magnet, offset).

    specials: whether some codes of a float must be looked up. Read once before a loop, like `element_constants`.
    """
    return (
        d.form,
        d.largest < d.magnitude_mask or d.odd_code != np.uint32(NO_CODE),
        splat_bits(d.magnitude_mask),
        splat_bits(d.sign_shift),
        splat_bits(d.shift),
        splat_bits(d.first_normal),
        splat_bits(d.normal),
        splat_bits(d.lowest),
        splat_bits(d.largest),
        splat_bits(d.odd_code),
        splat_bits(d.bias),
        splat_bits(d.magnet),
        splat_real(np.float32(d.offset)),
    )


@small_stage
def decode(constants, values, codes):
    """Binary32 bits of the values of codes; `values` is the element's table. A NaN comes out as the table has it."""
    form, specials, mask, sign_shift, shift, first, normal, lowest, largest, odd, bias, magnet, offset = constants
    if form == FLOAT_FIELDS:
        magnitude = codes & mask
        fields = magnitude << shift
        small = as_bits(as_real(fields + lowest) - as_real(lowest))
        bits = where_below(magnitude, first, small, fields + normal) | ((codes - magnitude) << sign_shift)
        if specials and _some_special(codes, magnitude, largest, odd):
            bits = _looked_up(values, codes)
    elif form == INTEGER_STEPS:
        bits = as_bits(as_real(((codes + bias) & mask) + magnet) - offset)
    else:
        bits = _looked_up(values, codes)
    return bits


@stage
def _looked_up(values, codes):
    return load_lanes(values, codes)


@small_stage
def _some_special(codes, magnitude, largest, odd):
    zero, one = splat_bits(np.uint32(0)), splat_bits(np.uint32(1))
    return any_set(where_below(largest, magnitude, one, zero) | where_below(codes - odd, one, one, zero))
