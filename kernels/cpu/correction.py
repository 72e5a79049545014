"""MS-EDEN: scales corrected for the error of their elements, rounded stochastically (docs/numerics.md §12).

Blocks lie along the last axis here, those of a group next to each other.
"""

import math

import numpy as np

from lowbit.kernels.cpu.exact import exact_round, exact_scale, exact_scaled, scale_code_of
from lowbit.kernels.cpu.jit import stage
from lowbit.kernels.cpu.memory import load_one
from lowbit.kernels.cpu.random import draw_one
from lowbit.kernels.cpu.scalar import exponent_of, fl, widen


@stage
def group_ratio(p, table, x, start, count, width, amaxes, column, draw):
    """<x,x> / <x,q> of `count` elements from `start` on, in binary64 and in order, without blocks of a NaN scale.

    `amaxes`: of the blocks of the segment, in which the group begins at `column`. 1 where the denominator is not a
    positive finite number.
    """
    squares, products = 0.0, 0.0
    for first in range(0, count, width):
        scale, encode, _ = exact_scale(p, amaxes[(column + first) // width])
        if scale == scale:
            for i in range(start + first, start + min(first + width, count)):
                number = widen(load_one(x, i))
                random = draw_one(draw, p.draw_bits, i)
                element, _ = exact_round(p, table, exact_scaled(p, number, encode), random)
                squares += number * number
                products += number * fl(fl(element * scale) * p.tensor_scale)
    return squares / products if products > 0.0 and products < math.inf else 1.0


@stage
def corrected_scale(p, scale, code, ratio, random):
    """(scale, code) of a block's scale times the ratio, on the scale's grid: the midpoint rule with 32 random bits."""
    if scale != scale:
        return scale, code
    target = scale * ratio
    if target >= p.scale_max:
        return p.scale_max, scale_code_of(p, p.scale_max)
    if target <= 0.0:
        return scale, code
    step = math.ldexp(1.0, max(exponent_of(target), p.scale_min_exponent) - p.scale_mantissa)
    below = np.floor(target / step)
    drawn = (target / step - below) * 2.0**32
    units = np.floor(drawn)
    if drawn - units >= 0.5:
        units += 1.0
    rounded = (below + 1.0 if units + np.float64(random) >= 2.0**32 else below) * step
    if p.scale_code_base:  # no zero
        rounded = max(rounded, p.scale_min_normal)
    return rounded, scale_code_of(p, rounded)
