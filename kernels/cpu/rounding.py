"""The round stage: scaled elements to values or codes, sixteen at a time, for every regular grid.

Adding and subtracting a power of two M rounds to a multiple of M's last place, ties to even; with M chosen from the
element's own exponent that place is the element's grid step. The same sum also holds the code: the distance of its bit
pattern from M's counts steps.
"""

import numpy as np

from lowbit.kernels.cpu.jit import stage
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


@stage
def element_constants(p):
    """The plan's element as vectors: lowest exponent, exponent shift to M, clamp, largest, what lies beyond it."""
    saturates = p.overflow == p.max
    return (
        splat_bits(np.uint32((p.min_exponent + 127) << 23)),
        splat_bits(np.uint32((23 - p.mantissa) << 23)),
        splat_real(np.float32(p.max) if saturates else UNLIMITED),
        splat_real(np.float32(p.max)),
        splat_real(np.float32(p.overflow)),
    )


@stage
def scaled_magnitude(bits, encode, divide):
    """|y|: the scaled magnitudes of tensor elements."""
    magnitude = as_real(bits & splat_bits(ABSOLUTE))
    if divide:
        return magnitude / encode
    return magnitude * encode


@stage
def round_to_values(p, constants, bits, encode, scale, divide):
    """Binary32 bits of the fake-quantized elements: fl(fl(element * scale) * tensor scale) with the input's sign.

    Elements without -0 return +0: adding +0 turns -0 into +0, adding -0 changes nothing.
    """
    sign = bits & splat_bits(SIGN)
    if p.vector == ROUND_BITS:
        return _drop_bits(p, bits & splat_bits(ABSOLUTE)) | sign
    lowest, shift, clamp, largest, beyond = constants
    magnitude = smaller(scaled_magnitude(bits, encode, divide), clamp)
    magnet = as_real(larger(as_bits(magnitude) & splat_bits(EXPONENT), lowest) + shift)
    element = (magnitude + magnet) - magnet
    element = where_less(largest, element, beyond, element)
    value = (element * scale) * splat_real(np.float32(p.tensor_scale))
    zero = splat_real(np.float32(-0.0) if p.negative_zero else np.float32(0.0))
    return as_bits(as_real(as_bits(value) | sign) + zero)


@stage
def round_to_codes(p, constants, bits, encode, divide):
    """Element codes of tensor elements."""
    if p.vector == ROUND_BITS:
        return _float_codes(
            p, _drop_bits(p, bits & splat_bits(ABSOLUTE)) >> splat_bits(np.uint32(23 - p.mantissa)), bits
        )
    lowest, shift, clamp, largest, _ = constants
    magnitude = smaller(scaled_magnitude(bits, encode, divide), clamp)
    binade = larger(as_bits(magnitude) & splat_bits(EXPONENT), lowest)
    magnet = as_real(binade + shift)
    total = magnitude + magnet
    steps = as_bits(total) - as_bits(magnet)
    codes = steps + ((binade - lowest) >> splat_bits(np.uint32(23 - p.mantissa)))
    codes = where_less(largest, total - magnet, splat_bits(p.overflow_code), codes)
    if p.twos_complement:
        return _integer_codes(p, codes, bits)
    return _float_codes(p, codes, bits)


@stage
def _drop_bits(p, magnitude):
    """Round binary32 magnitudes to fewer mantissa bits in integers: exact for subnormals, overflows to Inf."""
    dropped = splat_bits(np.uint32(23 - p.mantissa))
    odd = (magnitude >> dropped) & splat_bits(np.uint32(1))
    half = splat_bits((np.uint32(1) << np.uint32(22 - p.mantissa)) - np.uint32(1))
    return ((magnitude + half + odd) >> dropped) << dropped


@stage
def _float_codes(p, codes, bits):
    """Sign and magnitude; the sign of a zero only where the element has -0."""
    sign = (bits & splat_bits(SIGN)) >> splat_bits(np.uint32(32 - p.bits))
    if not p.negative_zero:
        sign = where_below(codes, splat_bits(np.uint32(1)), codes, sign)
    return codes | sign


@stage
def _integer_codes(p, codes, bits):
    """Two's complement in the element's width."""
    negative = splat_bits(np.uint32(0)) - codes
    codes = where_below(bits, splat_bits(SIGN), codes, negative)
    return codes & splat_bits(np.uint32((np.uint64(1) << np.uint64(p.bits)) - np.uint64(1)))
