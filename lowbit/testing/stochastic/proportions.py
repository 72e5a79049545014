"""How often numbers go up, against exact expectations: shares by fraction, the mean error, and numbers near a value."""

from collections.abc import Iterator
from fractions import Fraction
from math import sqrt

import numpy as np

from lowbit.testing.numbers import few
from lowbit.testing.stochastic.bench import Bench
from lowbit.testing.stochastic.ladder import Ladder, ladder
from lowbit.testing.stochastic.pvalues import chi_square, normal
from lowbit.testing.stochastic.records import StatisticalTest

GAPS = 8
"""Pairs of neighbours whose fractions are counted apart."""

SHARES = [Fraction(k, 64) for k in (1, 2, 5, 8, 13, 16, 21, 27, 32, 38, 43, 48, 53, 56, 61, 63)]
"""Fractions whose counts the chi-square compares: none so close to a value that a count is small."""

NEAR_A_VALUE = [Fraction(1, 1 << k) for k in (9, 11, 13)]
"""Distances that rounding with too few bits, or none for tiny numbers, gets wrong; and their complements to one."""

ANYWHERE = 2048
"""Numbers at random distances in the test of the mean."""


def proportion_tests(bench: Bench, *, seed: int) -> Iterator[StatisticalTest]:
    """The tests of one bench: they call the quantizer with the seeds from `seed` on."""
    generator = np.random.default_rng([seed, 5])
    gaps = few(bench.gaps, GAPS)
    yield shares(bench, ladder(bench.frame, gaps, SHARES, bench.rounding), generator, seed)
    parts = [Fraction(int(k), 1 << 20) for k in generator.integers(1, 1 << 20, ANYWHERE // len(gaps))]
    yield mean_error(bench, ladder(bench.frame, gaps, parts, bench.rounding), generator, seed + 1)
    lowest = min((gap for gap in bench.gaps if abs(gap[0]) <= abs(gap[1])), key=lambda gap: abs(gap[0]))
    for number, ends in enumerate((NEAR_A_VALUE, [1 - part for part in NEAR_A_VALUE])):
        yield from near_values(bench, ladder(bench.frame, [lowest], ends, bench.rounding), generator, seed + 2 + number)


def _counted(bench: Bench, rungs: Ladder, generator: np.random.Generator, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each number occurred, scattered over the tensor, and how often it went up."""
    place = generator.integers(0, len(rungs), bench.free.size)
    up = bench.results(rungs.x[place], seed=seed) == rungs.far[place]
    occurred = np.bincount(place, minlength=len(rungs))
    return occurred, np.bincount(place[up], minlength=len(rungs))


def _chances(bench: Bench, rungs: Ladder) -> np.ndarray:
    return rungs.counts / float(1 << bench.rounding.bits)


def shares(bench: Bench, rungs: Ladder, generator: np.random.Generator, seed: int) -> StatisticalTest:
    """Chi-square over all fractions and gaps; two-sided, so that counts too even to be random are found as well."""
    occurred, went = _counted(bench, rungs, generator, seed)
    chance = _chances(bench, rungs)
    statistic = float(((went - occurred * chance) ** 2 / (occurred * chance * (1 - chance))).sum())
    return chi_square("shares by fraction", statistic, len(rungs), f"{len(rungs)} numbers, {occurred.min()}+ copies")


def mean_error(bench: Bench, rungs: Ladder, generator: np.random.Generator, seed: int) -> StatisticalTest:
    """The mean of the rounding error in gaps, minus what the rule's exact probabilities make of it."""
    occurred, went = _counted(bench, rungs, generator, seed)
    chance, n = _chances(bench, rungs), int(occurred.sum())
    expected, deviation = float((occurred * chance).sum()), sqrt(float((occurred * chance * (1 - chance)).sum()))
    bias = float((occurred * (chance - rungs.distances)).sum()) / n
    mean = float((went - occurred * rungs.distances).sum()) / n
    detail = f"mean error {mean:+.2e} of a gap, exact expectation {bias:+.2e}, deviation {deviation / n:.1e}"
    return normal("mean error", (float(went.sum()) - expected) / deviation, detail)


def near_values(bench: Bench, rungs: Ladder, generator: np.random.Generator, seed: int) -> Iterator[StatisticalTest]:
    """Exact binomial tests of numbers close to a value: tiny ones must go up as seldom as the rule says, not never."""
    from scipy.stats import binom  # takes longer to import than most checks to run

    occurred, went = _counted(bench, rungs, generator, seed)
    chances = _chances(bench, rungs)
    for n, ups, chance, d in zip(occurred.tolist(), went.tolist(), chances.tolist(), rungs.distances, strict=True):
        tail = 2 * min(float(binom.cdf(ups, n, chance)), float(binom.sf(ups - 1, n, chance)))
        detail = f"{ups} of {n} copies went up, expected {n * chance:.1f}"
        distance = f"{d:.3g}" if d < 0.5 else f"1 - {1 - d:.3g}"
        yield StatisticalTest(
            name=f"near a value, d = {distance}", detail=detail, statistic=float(ups), p=min(1.0, tail)
        )


def detectable_bias(elements: int, tests: int, error_rate: float, power: float = 0.999) -> float:
    """The shift of the mean error, in gaps, that its test finds with this probability.

    The variance of one rounding is d(1-d), 1/6 over all distances; Holm's first step compares with error_rate / tests.
    """
    from scipy.stats import norm

    return float(norm.isf(error_rate / tests / 2) + norm.isf(1 - power)) / sqrt(6 * elements)
