"""The scale stage: from the largest magnitudes of many blocks to their scales, sixteen blocks at a time.

The stage works on scratch arrays with one entry a block, so that one division serves sixteen blocks whatever the
geometry. Blocks outside the plan's bounds (see `lowbit.lowering`) are reported, and the caller takes the exact path.
"""

import numpy as np

from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.memory import load, store_reals
from lowbit.kernels.cpu.scalar import FLT_MAX
from lowbit.kernels.cpu.vector import (
    EXPONENT,
    LANES,
    any_set,
    as_bits,
    as_real,
    larger,
    real_of,
    smaller,
    splat_bits,
    splat_real,
    where_below,
    where_less,
)
from lowbit.lowering import (
    DIVIDE,
    FLOAT32_SCALE,
    FLOOR_MIN_NORMAL,
    FLOOR_ONE,
    NO_SCALE,
    POWER_OF_TWO,
    ROUND_CELLS,
    TRANSFORMER_ENGINE,
)

ONE_BITS = np.uint32(127 << 23)
LEAST_BITS = np.uint32((127 - 40) << 23)
TINY = np.float32(1e-37)
"""Below every scale that is not zero, and normal."""


@stage
def choose_scales(p, amaxes, count, codes_wanted, encodes, scales):
    """Fill `encodes` and `scales` for `count` blocks; True if some block needs the exact path.

    `amaxes` holds binary32 bits and is padded with zeros to a multiple of sixteen. `encodes` is what elements are
    multiplied with (or divided by, see `divides`). Where elements are rounded `in_place`, the pair is the scaled grid's
    lowest exponent, as bits, and its largest value. A zero block gets harmless numbers: its elements are zeros.

    A block whose scale became zero has values of zero. In TransformerEngine's arithmetic its codes saturate (contract
    §11): it is reported if `codes_wanted`, and where the processor flushes subnormal elements and so could lose the
    sign of a zero.
    """
    report = codes_wanted or (not p.negative_zero and real_of(p.smallest_bits) == np.float32(0))
    report = report and p.arithmetic == TRANSFORMER_ENGINE
    low = splat_bits(p.amax_low)
    span = splat_bits(p.amax_high - p.amax_low)
    zero = splat_bits(np.uint32(0))
    outside = zero
    for block in range(0, count, LANES):
        amax = load(amaxes, block)
        outside = outside | where_below(amax - low, span, zero, amax)
        if p.scale_family == POWER_OF_TWO:
            _power_of_two(p, amax, block, encodes, scales)
        elif p.scale_family == NO_SCALE:
            store_reals(encodes, block, splat_real(np.float32(1)))
            store_reals(scales, block, splat_real(np.float32(1)))
        else:
            vanished = _float(p, amax, block, encodes, scales)
            if report:
                outside = outside | vanished
    return any_set(outside)


@small_stage
def divides(p):
    """Whether elements are divided by `encodes` (a multiplication by the inverse would round differently)."""
    return p.scale_family > POWER_OF_TWO and p.arithmetic == DIVIDE


@small_stage
def in_place(p):
    """Whether elements are rounded on the grid times its power-of-two scale, without being scaled first."""
    return p.scale_family == POWER_OF_TWO and p.overflow == p.max and p.vector != ROUND_CELLS


@stage
def _power_of_two(p, amax, block, encodes, scales):
    """Shared exponents by one formula on amax's bits; the inverse of a power of two is exact."""
    one, bits = splat_bits(ONE_BITS), shared_scales(p, amax)
    if in_place(p):
        lowest = splat_bits(np.uint32(p.min_exponent) << np.uint32(23))  # wraps where negative, as the sum does
        store_reals(encodes, block, as_real(bits + lowest))
        store_reals(scales, block, as_real(bits) * splat_real(np.float32(p.max)))
    else:
        store_reals(encodes, block, as_real(one + one - bits))
        store_reals(scales, block, as_real(bits))


@small_stage
def shared_scales(p, amax):
    """Bits of power-of-two scales; one for a block of zeros."""
    bits = (amax + splat_bits(p.scale_increment)) & splat_bits(EXPONENT)
    bits = bits - splat_bits(np.uint32(p.target_exponent) << np.uint32(23))
    return where_below(amax, splat_bits(np.uint32(1)), splat_bits(ONE_BITS), bits)


@stage
def _float(p, amax, block, encodes, scales):
    """Float scales; returns which blocks got a zero scale although they are not zero."""
    scale, encode = float_scales(p, scale_targets(p, as_real(amax)))
    store_reals(scales, block, scale)
    store_reals(encodes, block, encode)
    return where_less(scale, splat_real(TINY), amax, splat_bits(np.uint32(0)))


@stage
def float_scales(p, target):
    """(scale, encode) from the real numbers that are rounded to float scales."""
    tiny, one = splat_real(TINY), splat_real(np.float32(1))
    if p.scale_floor == FLOOR_MIN_NORMAL:
        normal = splat_real(np.float32(p.scale_min_normal))
        target = where_less(target, normal, normal, target)
    scale = _on_scale_grid(p, target)
    if p.scale_floor == FLOOR_ONE:
        scale = where_less(scale, tiny, one, scale)
    if p.arithmetic == TRANSFORMER_ENGINE:
        encode = smaller(one / (scale * splat_real(np.float32(p.inverse_encode))), splat_real(np.float32(FLT_MAX)))
    elif p.arithmetic == DIVIDE:  # by infinity where the scale vanished: all elements become zero
        encode = scale * splat_real(np.float32(p.tensor_scale))
        encode = where_less(scale, tiny, splat_real(np.float32(np.inf)), encode)
    else:
        encode = splat_real(np.float32(p.inverse_tensor_scale)) / scale
        encode = where_less(scale, tiny, splat_real(np.float32(0)), encode)
    return scale, encode


@small_stage
def scale_targets(p, amax):
    """The real numbers that are rounded to float scales (contract §3 and §4)."""
    if p.arithmetic == TRANSFORMER_ENGINE:
        target = smaller(amax * splat_real(np.float32(p.encode_over_max)), splat_real(np.float32(p.target)))
    else:
        target = amax / splat_real(np.float32(p.target_max)) / splat_real(np.float32(p.tensor_scale))
    return target


@small_stage
def _on_scale_grid(p, target):
    """The target on the scale's grid: saturated, nearest even or upward."""
    if p.scale_family == FLOAT32_SCALE:
        return target
    target = smaller(target, splat_real(np.float32(p.scale_max)))
    lowest = splat_bits(np.uint32((p.scale_min_exponent + 127) << 23))
    binade = larger(as_bits(target) & splat_bits(EXPONENT), lowest)
    magnet = as_real(binade + splat_bits(np.uint32((23 - p.scale_mantissa) << 23)))
    rounded = (target + magnet) - magnet
    if p.scale_up:
        step = as_real(binade - splat_bits(np.uint32(p.scale_mantissa << 23)))
        rounded = where_less(rounded, target, rounded + step, rounded)
    return rounded
