"""From statistics to two-sided p-values. scipy is imported where it is used: it takes longer than small checks."""

from math import expm1, log1p

import numpy as np

from lowbit.testing.stochastic.records import StatisticalTest


def chi_square(name: str, statistic: float, freedom: int, detail: str = "") -> StatisticalTest:
    """Of a statistic that is chi-square distributed; both too large and too small ones are suspicious."""
    from scipy.stats import chi2

    tail = min(float(chi2.sf(statistic, freedom)), float(chi2.cdf(statistic, freedom)))
    said = f"chi2 {statistic:.1f}, {freedom} degrees of freedom"
    return StatisticalTest(
        name=name, detail=f"{said}, {detail}" if detail else said, statistic=statistic, p=min(1.0, 2 * tail)
    )


def normal(name: str, z: float, detail: str = "") -> StatisticalTest:
    """Of a statistic with the standard normal distribution."""
    from scipy.stats import norm

    said = f"z = {z:+.2f}"
    p = min(1.0, 2 * float(norm.sf(abs(z))))
    return StatisticalTest(name=name, detail=f"{said}, {detail}" if detail else said, statistic=z, p=p)


def largest(name: str, z: float, count: int, detail: str) -> StatisticalTest:
    """Of the largest magnitude of `count` independent standard normal numbers."""
    from scipy.stats import norm

    p = -expm1(count * log1p(-min(2 * float(norm.sf(z)), 1 - 2**-53)))
    return StatisticalTest(name=name, detail=f"|z| = {z:.2f} {detail}", statistic=z, p=p)


def poisson(name: str, events: int, mean: float, detail: str) -> StatisticalTest:
    """Of a number of rare events."""
    from scipy.stats import poisson as law

    tail = 2 * min(float(law.cdf(events, mean)), float(law.sf(events - 1, mean)))
    said = f"{events} {detail}, expected {mean:.1f}"
    return StatisticalTest(name=name, detail=said, statistic=float(events), p=min(1.0, tail))


def counts(name: str, observed: np.ndarray, chances: np.ndarray, detail: str = "") -> StatisticalTest:
    """Of counts of classes with these probabilities, which sum to 1; nothing to count at all is a failure."""
    if not observed.any():
        return StatisticalTest(name=name, detail="nothing to count", statistic=0.0, p=0.0)
    expected = observed.sum() * chances
    return chi_square(name, float(((observed - expected) ** 2 / expected).sum()), len(observed) - 1, detail)
