"""MS-EDEN: scales corrected for the error of their elements and rounded stochastically (contract §12, correction).

The elements of a group, rounded to nearest even, are together too short or too long along x; multiplying the scales by
<x,x> / <x,q> makes the projection onto x right, and stochastic rounding of the scale keeps that so on average.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import inf, isnan

from lowbit.formats import BlockFormat, Overflow, StochasticRule
from lowbit.reference.block import QuantizedBlock
from lowbit.reference.grid import grid_of
from lowbit.reference.philox import random_bits
from lowbit.reference.rounding import Draw, Rounded, rounded
from lowbit.reference.scale import decode_scale, nan_scale_code, scale_element
from lowbit.reference.word import join_word, split_word

SCALE_STREAM = 0x80000000
"""XORed onto the stream for the random bits of scales (contract §5)."""


def group_ratio(numbers: Sequence[float], values: Sequence[float]) -> float:
    """<x,x> / <x,q> of a group in binary64, summed in order without blocks that decode to NaN.

    1 where the denominator is not a positive finite number, or every block is NaN.
    """
    squares = products = 0.0
    for x, q in zip(numbers, values, strict=True):
        if not isnan(q):
            squares += x * x
            products += x * q
    return squares / products if 0 < products < inf else 1.0


def corrected(block: QuantizedBlock, ratio: float, random: int, fmt: BlockFormat) -> QuantizedBlock:
    """The block with its scale times the ratio, rounded stochastically with 32 random bits; codes stay."""
    code, side = split_word(block.word, fmt)
    if code == nan_scale_code(fmt):
        return block
    return replace(block, word=join_word(rounded_scale(code, ratio, random, fmt).code, side, fmt), ratio=ratio)


def rounded_scale(code: int, ratio: float, random: int, fmt: BlockFormat) -> Rounded:
    """How the scale of this code times the ratio is rounded to the scale's grid."""
    exact = Fraction(decode_scale(code, fmt).value * ratio)  # one binary64 product
    draw = Draw(rule=StochasticRule.MIDPOINT, bits=32, random=random)
    return rounded(exact, grid_of(scale_element(fmt)), draw, Overflow.SATURATE)


def scale_bits(block_index: int, *, seed: int, stream: int) -> int:
    """The 32 random bits of the scale of the block with this row-major index in the whole tensor."""
    return random_bits(block_index, bits=32, seed=seed, stream=stream ^ SCALE_STREAM)
