"""Errors of candidates (docs/numerics.md §12): the elements of sixteen blocks, one a lane, with two candidates each.

Every lane adds its errors in order. Two sums at a time keep the processor busy, which waits for each addition.
"""

import numpy as np

from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.memory import load, load_reals, memory
from lowbit.kernels.cpu.rounding import nearest, scaled, scaled_magnitude
from lowbit.kernels.cpu.scale import divides, in_place
from lowbit.kernels.cpu.tables import look_up
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    EXPONENT,
    LANES,
    as_bits,
    as_real,
    smaller,
    splat_bits,
    splat_real,
    where_zero,
)

MIDDLE_BIT = np.uint32(1 << 22)
"""The highest mantissa bit: that of 1.5 times a power of two."""


@small_stage
def level_constants(p, b):
    """What turns element times scale into what errors are taken of."""
    return (
        splat_real(np.float32(b.level_amax if b.level_error else p.tensor_scale)),
        splat_real(np.float32(b.level_product)),
    )


@small_stage
def errors(p, b, element, level, cells, length, encode, scale, next_encode, next_scale):
    """The errors of every lane's run with two candidates, each summed in order.

    All regular grids are mirrored here: signs do not matter.
    """
    total, next_total, divide = splat_real(np.float32(0)), splat_real(np.float32(0)), divides(p)
    if in_place(p):
        for i in range(0, length * LANES, LANES):
            bits = load(cells, i) & splat_bits(ABSOLUTE)
            number = smaller(nearest(as_real(bits), as_bits(encode), element[1])[0], scale)
            next_number = smaller(nearest(as_real(bits), as_bits(next_encode), element[1])[0], next_scale)
            total, next_total = _with_error(b, total, number, bits), _with_error(b, next_total, next_number, bits)
    elif p.mantissa == 1:  # powers of two, and these times 1.5: what 1 and 1.5 decode to is all that is rounded
        ones, next_ones = _of_one(b, scale, level), _of_one(b, next_scale, level)
        for i in range(0, length * LANES, LANES):
            bits = load(cells, i) & splat_bits(ABSOLUTE)
            number = _scaled_nearest(element, bits, encode, divide)
            next_number = _scaled_nearest(element, bits, next_encode, divide)
            total = _with_error(b, total, _times(number, ones), bits)
            next_total = _with_error(b, next_total, _times(next_number, next_ones), bits)
    else:
        for i in range(0, length * LANES, LANES):
            bits = load(cells, i) & splat_bits(ABSOLUTE)
            number = _scaled_nearest(element, bits, encode, divide)
            next_number = _scaled_nearest(element, bits, next_encode, divide)
            total = _with_error(b, total, _decoded(b, number * scale, level), bits)
            next_total = _with_error(b, next_total, _decoded(b, next_number * next_scale, level), bits)
    return total, next_total


@stage
def grid_errors(p, b, grids, i, j, level, cells, length, encode, scale, next_encode, next_scale):
    """`errors` for the small grids of two candidates."""
    starts, values = memory(grids[0]), memory(grids[1])
    total, next_total, divide = splat_real(np.float32(0)), splat_real(np.float32(0)), divides(p)
    start, value = load_reals(starts, i * LANES), load_reals(values, i * LANES)
    next_start, next_value = load_reals(starts, j * LANES), load_reals(values, j * LANES)
    for k in range(0, length * LANES, LANES):
        bits = load(cells, k)
        number = look_up(start, value, scaled(bits, encode, divide))
        next_number = look_up(next_start, next_value, scaled(bits, next_encode, divide))
        total = _with_error(b, total, _decoded(b, number * scale, level), bits)
        next_total = _with_error(b, next_total, _decoded(b, next_number * next_scale, level), bits)
    return total, next_total


@small_stage
def _scaled_nearest(element, bits, encode, divide):
    """Scaled magnitudes on a regular grid."""
    lowest, shift, clamp, _, _ = element
    return nearest(smaller(scaled_magnitude(bits, encode, divide), clamp), lowest, shift)[0]


@small_stage
def _of_one(b, scale, level):
    """What 1 and 1.5 decode to."""
    return _decoded(b, scale, level), _decoded(b, splat_real(np.float32(1.5)) * scale, level)


@small_stage
def _times(number, ones):
    """What numbers of one mantissa bit decode to: the product of a power of two is exact."""
    one, middle = ones
    of_mantissa = where_zero(as_bits(number) & splat_bits(MIDDLE_BIT), one, middle)
    return as_real(as_bits(number) & splat_bits(EXPONENT)) * of_mantissa


@small_stage
def _decoded(b, number, level):
    """What errors are taken of, from element times scale: the value, or four over six's number past both levels."""
    factor, product = level
    return number * factor / product if b.level_error else number * factor


@small_stage
def _with_error(b, total, value, bits):
    """`total` and one error more in every lane."""
    difference = value - as_real(bits)
    if b.absolute:
        return total + as_real(as_bits(difference) & splat_bits(ABSOLUTE))
    return total + difference * difference
