"""Paired statistics of few seeds: loss gaps to the baseline, and which arms can be told apart.

All arms of one seed share initial weights and data order, so differences are taken seed by seed; what is left
of the seed's own luck cancels. With n differences of mean m and sample deviation s (n - 1 in the
denominator), the standard error is s / sqrt(n) and m differs from zero at level 5% when |m| exceeds the
standard error times Student's t quantile of n - 1 degrees of freedom (paired t-test). Tests are not corrected
for their number: of twenty true ties, about one will look like a difference.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean over `count` seeds with its standard error and 95% interval (NaN where fewer than two seeds
    exist).
    """

    mean: float
    standard_error: float
    low: float
    high: float
    count: int

    @property
    def differs_from_zero(self) -> bool:
        """Whether zero lies outside the interval; never with fewer than two seeds, nor for an exact zero."""
        return self.low > 0 or self.high < 0


@cache
def t_quantile(degrees: int) -> float:
    """Two-sided 95% quantile of Student's t: 12.71 for one degree of freedom, 4.303 for two, 1.96 in the
    limit.
    """
    from scipy.special import stdtrit  # here: much quicker to load than scipy.stats, and not needed to run trials

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, standard error and interval of independent values; all NaN for none, error NaN for a single one."""
    count = len(values)
    mean = math.fsum(values) / count if count else math.nan
    if count < 2:
        return Estimate(mean=mean, standard_error=math.nan, low=math.nan, high=math.nan, count=count)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    error = math.sqrt(variance / count)
    reach = error * t_quantile(count - 1)
    return Estimate(mean=mean, standard_error=error, low=mean - reach, high=mean + reach, count=count)


def paired(losses: Mapping[int, float], reference: Mapping[int, float]) -> Estimate:
    """The estimate of `losses - reference` over the seeds that both have, keyed by seed."""
    shared = sorted(losses.keys() & reference.keys())
    return estimate([losses[seed] - reference[seed] for seed in shared])


def rank_intervals(losses: Sequence[Mapping[int, float]]) -> list[tuple[int, int]]:
    """For each arm the places it may hold: from one behind all arms surely better to one ahead of all surely
    worse.

    Two arms are told apart by a paired t-test of their losses by seed. An arm nobody can be told apart from
    gets (1, n).
    """
    better = [0] * len(losses)
    worse = [0] * len(losses)
    for i, one in enumerate(losses):
        for j in range(i):
            gap = paired(one, losses[j])
            if gap.differs_from_zero:
                ahead, behind = (i, j) if gap.mean < 0 else (j, i)
                better[behind] += 1
                worse[ahead] += 1
    return [(1 + b, len(losses) - w) for b, w in zip(better, worse, strict=True)]
