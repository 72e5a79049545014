"""Largest magnitudes of sixteen short runs at a time: one shuffle-and-compare serves them all.

bfloat16 magnitudes are compared as they lie in memory, two to a word, and widened when sixteen are left.
"""

import numpy as np
from numba.core import types

from lowbit.kernels.cpu.jit import by_type, stage
from lowbit.kernels.cpu.memory import load
from lowbit.kernels.cpu.pairs import UPPER, load_pair, load_words
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    LANES,
    fold_first,
    fold_last,
    fold_second,
    fold_third,
    fold_words_first,
    fold_words_last,
    fold_words_second,
    fold_words_third,
    halves_in_turn,
    larger,
    splat_bits,
)

ABSOLUTE_PAIR = np.uint32(0x7FFF7FFF)


def sixteen_runs(x, i: int, width: int):
    """Binary32 bits of the largest magnitudes of sixteen runs from element i on, of 16 or 32 elements each."""
    raise NotImplementedError("a stage of compiled kernels")


@stage
def pair_magnitudes(x, i):
    """The larger magnitudes of two vectors."""
    first, second = load_pair(x, i)
    return larger(first & splat_bits(ABSOLUTE), second & splat_bits(ABSOLUTE))


def _runs_of_vectors(x, i, width):
    left = fold_third(_four_runs(x, i, width), _four_runs(x, i + 4 * width, width))
    right = fold_third(_four_runs(x, i + 8 * width, width), _four_runs(x, i + 12 * width, width))
    return fold_last(left, right)


@stage
def _four_runs(x, i, width):
    """Four runs, folded twice."""
    left = fold_first(_short_run(x, i, width), _short_run(x, i + width, width))
    return fold_second(left, fold_first(_short_run(x, i + 2 * width, width), _short_run(x, i + 3 * width, width)))


@stage
def _short_run(x, i, width):
    """Magnitudes of one vector, or the larger ones of two."""
    return pair_magnitudes(x, i) if width > LANES else load(x, i) & splat_bits(ABSOLUTE)


def _runs_of_words(x, i, width):
    """A vector of words holds a run of 32 elements, or two of 16 side by side."""
    first, second = _four_vectors(x, i), _four_vectors(x, i + 8 * LANES)
    if width == LANES:
        words = halves_in_turn(fold_words_last(first, second))
    else:
        third, fourth = _four_vectors(x, i + 16 * LANES), _four_vectors(x, i + 24 * LANES)
        words = fold_words_last(fold_words_third(first, second), fold_words_third(third, fourth))
    return larger(words << splat_bits(np.uint32(16)), words & splat_bits(UPPER))


@stage
def _four_vectors(x, i):
    """Four vectors of words, folded twice: a quarter of the result has a lane of each."""
    mask = splat_bits(ABSOLUTE_PAIR)
    left = fold_words_first(load_words(x, i) & mask, load_words(x, i + 2 * LANES) & mask)
    right = fold_words_first(load_words(x, i + 4 * LANES) & mask, load_words(x, i + 6 * LANES) & mask)
    return fold_words_second(left, right)


@by_type(sixteen_runs)
def _sixteen_runs(x, i, width):
    return _runs_of_words if x.dtype == types.uint16 else _runs_of_vectors
