"""The exact scalar path: any format, any block, element by element.

It serves irregular grids, blocks with extreme exponents or non-finite members, and the ends of rows; the vector path
must agree with it bit for bit. Contract sections are those of the numerical contract.
"""

import math

import numpy as np

from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.scalar import (
    FLT_MAX,
    INFINITY_BITS,
    NAN_BITS,
    exponent_of,
    fl,
    magnitude_code,
    round_bits,
    round_to_grid,
    sign_of_sum,
    widen,
)
from lowbit.lowering import (
    DIVIDE,
    FLOAT32_SCALE,
    FLOOR_MIN_NORMAL,
    FLOOR_ONE,
    NO_SCALE,
    POWER_OF_TWO,
    TORCHAO,
    TRANSFORMER_ENGINE,
)


@stage
def exact_scale(p, amax_bits):
    """(scale, encode, code) of a block from its largest magnitude; a non-finite block has a NaN scale.

    `encode` is what elements are multiplied with or divided by (`exact_scaled`).
    """
    if p.scale_family == NO_SCALE:
        return 1.0, 1.0, np.uint32(0)
    if amax_bits >= INFINITY_BITS:
        return math.nan, math.nan, p.scale_nan_code
    if p.scale_family == POWER_OF_TWO:
        exponent = _shared_exponent(p, amax_bits)
        scale = math.ldexp(1.0, exponent)
        return scale, scale, np.uint32(exponent - p.scale_min_exponent)
    return scale_of_target(p, scale_target(p, widen(amax_bits)))


@stage
def scale_of_target(p, target):
    """(scale, encode, code) of a float scale from the real number that is rounded to it (infinity saturates)."""
    scale = float_scale(p, min(target, 1e300))
    if p.inverse_scale:
        return min(fl(1.0 / scale), FLT_MAX) if scale > 0.0 else 0.0, scale, scale_code_of(p, scale)
    return scale, encode_factor(p, scale), scale_code_of(p, scale)


@stage
def scale_code_of(p, scale):
    """Code of a float scale: steps counted from zero, or from the smallest value where there is no zero."""
    if p.scale_family == FLOAT32_SCALE:
        return round_bits(scale)
    return magnitude_code(scale, p.scale_mantissa, p.scale_min_exponent) - np.uint32(p.scale_code_base)


@stage
def _shared_exponent(p, amax_bits):
    """Contract §3: one formula for floor, even, ceil, rceil and nearest, on amax's 24-bit significand."""
    if amax_bits == np.uint32(0):
        return p.scale_min_exponent
    fraction, exponent = math.frexp(widen(amax_bits))
    significand = np.int64(fraction * 16777216.0) + np.int64(p.scale_increment)
    exponent += (-1 if significand < 16777216 else 0) - p.target_exponent
    return min(max(exponent, p.scale_min_exponent), p.scale_max_exponent)


@stage
def scale_target(p, amax):
    """The real number that is rounded to a float scale (contract §3 and §4)."""
    if p.inverse_scale:
        scaled = fl(amax / p.tensor_scale)
        target = min(fl(p.target_max / scaled), p.scale_max) if scaled > 0.0 else p.scale_max
    elif p.arithmetic == TRANSFORMER_ENGINE:
        target = min(fl(amax * p.encode_over_max), p.target)
    else:
        target = fl(fl(amax / p.target_max) / p.tensor_scale)
    return target


@stage
def float_scale(p, target):
    """The target on the scale's grid, saturated, with the zero policy applied."""
    if p.scale_floor == FLOOR_MIN_NORMAL:
        target = max(target, p.scale_min_normal)
    if p.scale_family == FLOAT32_SCALE:
        scale = min(target, FLT_MAX)
    else:
        scale = round_to_grid(target, p.scale_mantissa, p.scale_min_exponent)
        if p.scale_up and scale < target:
            exponent = max(exponent_of(target), p.scale_min_exponent)
            scale += math.ldexp(1.0, exponent - p.scale_mantissa)
        scale = min(scale, p.scale_max)
    return 1.0 if scale == 0.0 and p.scale_floor == FLOOR_ONE else scale


@stage
def encode_factor(p, scale):
    """What elements are multiplied with, or divided by, for a float scale (contract §3 and §4)."""
    if p.arithmetic == TRANSFORMER_ENGINE:
        product = fl(scale * p.inverse_encode)
        return min(fl(1.0 / product), FLT_MAX) if product > 0.0 else FLT_MAX
    if p.arithmetic == TORCHAO:
        return min(fl(p.inverse_tensor_scale / scale), FLT_MAX) if scale > 0.0 else 0.0
    return fl(scale * p.tensor_scale)


@stage
def exact_scaled(p, value, encode):
    """y: the element before rounding. A zero scale makes a zero block, but TransformerEngine saturates its codes."""
    if p.scale_family == POWER_OF_TWO:
        return value / encode
    if p.scale_family == NO_SCALE:
        return value
    if p.inverse_scale:
        return fl(fl(value / p.tensor_scale) * encode) if encode > 0.0 else math.copysign(0.0, value)
    if p.arithmetic == DIVIDE:
        return fl(value / encode) if encode > 0.0 else math.copysign(0.0, value)
    return fl(value * encode)


@stage
def exact_round(p, table, scaled, random):
    """(element value, code) that `scaled` is rounded to with its random bits; -0 only where the element has one."""
    if scaled != scaled:
        return math.nan, p.nan_code
    negative = math.copysign(1.0, scaled) < 0
    if p.table:
        return _round_to_table(p, table, scaled, negative, random)
    limit = abs(p.min) if negative else p.max
    if math.isinf(scaled) and p.infinity != p.max:
        magnitude, code = p.infinity, p.infinity_code
    else:
        magnitude = _round_magnitude(p, min(abs(scaled), p.clamp), negative, random)
        if magnitude > limit:
            magnitude = p.overflow if p.overflow != p.max else limit
            code = p.overflow_code if p.overflow != p.max else magnitude_code(limit, p.mantissa, p.min_exponent)
        else:
            code = magnitude_code(magnitude, p.mantissa, p.min_exponent)
    return _signed(p, magnitude, code, negative)


@stage
def _round_magnitude(p, magnitude, negative, random):
    """A magnitude on a regular grid: floor((R(t * 2^b) + r) / 2^b) steps (see `lowbit.rounding_rules`)."""
    if magnitude == 0.0:
        return 0.0
    step = math.ldexp(1.0, max(exponent_of(magnitude), p.min_exponent) - p.mantissa)
    whole = np.int64(1) << np.int64(p.draw_bits)
    below = np.floor(magnitude / step)
    drawn = (magnitude / step - below) * np.float64(whole)
    units = np.int64(drawn)
    odd = np.int64(below) if p.draw_bits == 0 else units
    if drawn - np.float64(units) >= _rises_from(p, negative, odd & np.int64(1)):
        units += 1
    return (below + 1.0 if units + np.int64(random) >= whole else below) * step


@small_stage
def _rises_from(p, negative, odd):
    """The fraction from which R goes up."""
    if negative:
        return p.negative_odd if odd else p.negative_even
    return p.positive_odd if odd else p.positive_even


@stage
def _signed(p, magnitude, code, negative):
    """Attach the sign to a magnitude and its code; a NaN and an unsigned zero have none."""
    if not negative or magnitude != magnitude or (magnitude == 0.0 and not p.negative_zero):
        return magnitude, code
    if p.twos_complement:
        return -magnitude, (np.uint32(0) - code) & np.uint32((np.uint64(1) << np.uint64(p.bits)) - np.uint64(1))
    return -magnitude, code | np.uint32(np.uint32(1) << np.uint32(p.bits - 1))


@stage
def _round_to_table(p, table, scaled, negative, random):
    """The entry of an irregular grid that a number is rounded to, by its starts or by its random bits."""
    entry = _last_start(table, scaled)
    if p.draw_bits > 0 and table[entry].value < scaled and entry + 1 < len(table):
        low, high = table[entry].value, table[entry + 1].value
        if negative and not p.signed_list:  # up is away from zero
            entry += 1 - _rises(p, -scaled, -high, -low, random)
        else:
            entry += _rises(p, scaled, low, high, random)
    value, code = table[entry].value, table[entry].code
    return _signed(p, 0.0, code, negative) if value == 0.0 else (value, code)


@stage
def _last_start(table, position):
    """The last entry that starts at or below a position, or the first one."""
    low, high = 0, len(table)
    while high - low > 1:
        middle = (low + high) >> 1
        if table[middle].start <= position:
            low = middle
        else:
            high = middle
    return low


@stage
def _rises(p, position, low, high, random):
    """1 where R(d * 2^b) + r >= 2^b for a position at d between two values, exactly, else 0.

    That is 2^(b+1) * position >= (2^(b+1) - c) * low + c * high for an integer c of at most 34 bits. Products with its
    halves are exact in binary64, and so is the sign of their sum.
    """
    whole = np.int64(1) << np.int64(p.draw_bits)
    below = whole - np.int64(random) - 1
    fraction = _rises_from(p, False, below & np.int64(1))
    c = 2 * below + (2 if fraction == 1.0 else 1)
    rest = 2 * whole - c
    side = sign_of_sum(
        position * np.float64(2 * whole),
        -low * np.float64((rest >> 17) << 17),
        -low * np.float64(rest & 0x1FFFF),
        -high * np.float64((c >> 17) << 17),
        -high * np.float64(c & 0x1FFFF),
    )
    return 1 if side > 0 or (side == 0 and fraction != 0.5 + 2.0**-24) else 0


@stage
def exact_code(p, table, bits, encode, scale, random):
    """Element code of a tensor element; 0 in a block whose scale is NaN."""
    if scale != scale:
        return np.uint32(0)
    _, code = exact_round(p, table, exact_scaled(p, widen(bits), encode), random)
    return code


@stage
def exact_element(p, table, bits, encode, scale, random):
    """Binary32 bits of a fake-quantized tensor element: fl(fl(element * scale) * tensor scale), contract §2."""
    if scale != scale:
        return NAN_BITS
    element, _ = exact_round(p, table, exact_scaled(p, widen(bits), encode), random)
    return round_bits(fl(element * scale) * p.tensor_scale)
