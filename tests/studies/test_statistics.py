"""Paired statistics against values worked out by hand and against scipy's own paired t-test."""

import math

import numpy as np
import pytest
from scipy import stats

from lowbit.studies.statistics import estimate, paired, rank_intervals, t_quantile


def test_t_quantiles_of_the_printed_tables():
    assert t_quantile(1) == pytest.approx(12.706, abs=5e-4)
    assert t_quantile(2) == pytest.approx(4.303, abs=5e-4)
    assert t_quantile(9) == pytest.approx(2.262, abs=5e-4)


def test_estimate_by_hand():
    # mean 2, deviations -1, 0, 1: sample variance 1, standard error 1/sqrt(3)
    got = estimate([1.0, 2.0, 3.0])
    assert got.mean == 2.0
    assert got.standard_error == pytest.approx(1 / math.sqrt(3), rel=1e-15)
    assert got.high - got.mean == pytest.approx(4.302652729696 / math.sqrt(3), rel=1e-9)
    assert (got.low + got.high) / 2 == pytest.approx(2.0)
    assert not got.differs_from_zero  # 2 < 2.484


def test_pairing_removes_what_seeds_share():
    # losses differ wildly between seeds, gaps hardly: 0.10, 0.11, 0.12
    reference = {0: 1.0, 1: 2.0, 2: 3.0}
    losses = {0: 1.10, 1: 2.11, 2: 3.12}
    gap = paired(losses, reference)
    assert gap.mean == pytest.approx(0.11)
    assert gap.standard_error == pytest.approx(0.01 / math.sqrt(3), rel=1e-9)
    assert gap.differs_from_zero
    unpaired = estimate(list(losses.values())).standard_error
    assert unpaired > 50 * gap.standard_error


def test_pairs_by_seed_not_by_position():
    gap = paired({2: 5.0, 0: 1.5, 7: 9.0}, {0: 1.0, 2: 4.0, 3: 100.0})
    assert gap.count == 2
    assert gap.mean == pytest.approx(0.75)


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_verdict_equals_scipy_paired_t_test(count: int):
    generator = np.random.default_rng(count)
    for shift in (0.0, 0.02, 0.1, 1.0):
        one = generator.normal(size=count) * 0.05 + shift
        other = generator.normal(size=count) * 0.05
        expected = stats.ttest_rel(one, other).pvalue < 0.05
        assert paired(dict(enumerate(one)), dict(enumerate(other))).differs_from_zero == expected


def test_one_seed_and_no_seed_say_nothing():
    single = estimate([0.3])
    assert single.mean == 0.3
    assert math.isnan(single.standard_error)
    assert not single.differs_from_zero
    empty = estimate([])
    assert empty.count == 0
    assert math.isnan(empty.mean)


def test_equal_losses_do_not_differ_and_equal_gaps_do():
    same = {0: 1.0, 1: 2.0, 2: 4.0}
    assert not paired(same, same).differs_from_zero
    assert paired({seed: loss + 0.5 for seed, loss in same.items()}, same).differs_from_zero


def test_places_are_intervals_where_arms_cannot_be_told_apart():
    best = {0: 1.00, 1: 2.00, 2: 3.00}
    tied = {0: 1.20, 1: 2.21, 2: 3.19}
    also = {0: 1.21, 1: 2.19, 2: 3.22}
    worst = {0: 2.00, 1: 3.01, 2: 4.00}
    assert rank_intervals([best, tied, also, worst]) == [(1, 1), (2, 3), (2, 3), (4, 4)]


def test_places_do_not_chain_ties():
    # a ~ b and b ~ c, yet a is surely better than c: b may be first to third, a and c may not swap
    a = {0: 1.000, 1: 1.000, 2: 1.000}
    b = {0: 1.000, 1: 1.060, 2: 1.030}
    c = {0: 1.060, 1: 1.061, 2: 1.060}
    assert not paired(a, b).differs_from_zero
    assert not paired(b, c).differs_from_zero
    assert rank_intervals([a, b, c]) == [(1, 2), (1, 3), (2, 3)]
