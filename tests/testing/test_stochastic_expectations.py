"""What the proof of stochastic rounding is built on: closed forms, random words, tests whose errors are as stated."""

from fractions import Fraction

import numpy as np
import pytest

import lowbit as lb
from lowbit import reference
from lowbit.errors import ArgumentError
from lowbit.formats import StochasticRule
from lowbit.reference.rounding import Draw, stochastic_up
from lowbit.testing import check_words
from lowbit.testing.stochastic.battery import TESTS, binary_ranks
from lowbit.testing.stochastic.correlations import every_lag, lag_tests
from lowbit.testing.stochastic.expectation import ups
from lowbit.testing.stochastic.records import StatisticalTest, holm
from lowbit.testing.stochastic.words import contract_words

RULES = tuple(StochasticRule)


def goes_up(rule: StochasticRule, bits: int, d: Fraction, r: int) -> bool:
    """The four rules as the contract words them, with nothing solved for r."""
    whole = 1 << bits
    match rule:
        case StochasticRule.MIDPOINT:
            return d + Fraction(2 * r + 1, 2 * whole) >= 1
        case StochasticRule.BIASED:
            return d + Fraction(r, whole) >= 1
        case _:
            below, above = Fraction(int(d * whole), whole), Fraction(int(d * whole) + 1, whole)
            kept = 0 if rule is StochasticRule.NEAREST_EVEN else 1
            tie = below if int(below * whole) % 2 == kept else above
            near = below if d - below < above - d else above if d - below > above - d else tie
            return near + Fraction(r, whole) >= 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("bits", [1, 2, 3, 5, 8])
def test_counts_are_those_of_the_inequalities(rule: StochasticRule, bits: int) -> None:
    """At every threshold, between thresholds, and close to them: which words go up, one by one, and in the oracle."""
    whole = 1 << bits
    tiny = Fraction(1, 1 << 40)
    for step in range(0, 4 * whole, 1 if bits < 8 else 7):
        for d in (Fraction(step, 4 * whole) + shift for shift in (-tiny, Fraction(0), tiny)):
            if 0 <= d < 1:
                up = [r for r in range(whole) if goes_up(rule, bits, d, r)]
                assert up == list(range(whole - ups(rule, bits, d), whole)), (d, up)
                assert up == [r for r in range(whole) if stochastic_up(d, Draw(rule=rule, bits=bits, random=r))]


def test_mean_probabilities_of_the_rules() -> None:
    """Over all multiples of 2^-(b+1) the symmetric rules have no bias, `midpoint` has half a tie's, `biased` -1/4."""
    whole = 256
    sums = {rule: Fraction(0) for rule in RULES}
    for step in range(2 * whole):
        d = Fraction(step, 2 * whole)
        for rule in RULES:
            sums[rule] += Fraction(ups(rule, 8, d), whole) - d
    means = {rule.value: float(total / (2 * whole) * whole) for rule, total in sums.items()}
    assert means == {"midpoint": 0.25, "nearest_even": 0.0, "nearest_odd": 0.0, "biased": -0.25}


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_words_are_the_contracts(bits: int) -> None:
    """Against the published answers, the oracle's integers and the kernel's."""
    known = b"".join(word.to_bytes(4, "little") for word in (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8))
    assert contract_words(128 // bits, bits=bits, seed=0).astype(f"<u{bits // 8}").tobytes() == known
    for seed, stream, offset in ((5, 0, 0), (2**64 - 1, 2**32 - 1, 2**33 + 5), (2**32, 7, 2**63 - 2)):
        draws = {"bits": bits, "seed": seed, "stream": stream}
        got = contract_words(2000, **draws, offset=offset)
        assert got[:70].tolist() == [reference.random_bits(offset + i, **draws) for i in range(70)]
        assert np.array_equal(got, lb.random_bits(2000, **draws, offset=offset))


def test_ranks_of_binary_matrices() -> None:
    """Known ranks: of unit matrices with rows taken out or repeated, and shuffled by invertible steps."""
    rng = np.random.default_rng(1)
    matrices = np.tile(np.uint64(1) << np.arange(64, dtype=np.uint64), (65, 1))
    for rank in range(65):
        matrices[rank, rank:] = matrices[rank, 0] if rank and rank % 2 == 0 else 0
        for _ in range(300):
            i, j = rng.choice(64, 2, replace=False)
            matrices[rank, i] ^= matrices[rank, j]
    assert binary_ranks(matrices).tolist() == list(range(65))


def test_holm_by_hand() -> None:
    given = [StatisticalTest(name=str(p), detail="", statistic=0.0, p=p) for p in (0.04, 0.01, 0.03, 0.005)]
    assert [test.adjusted for test in holm(given)] == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([]) == ()


def pcg(count: int, seed: int = 0, stream: int = 0, offset: int = 0) -> np.ndarray:
    """Words of a good generator that is not ours."""
    return np.random.Generator(np.random.PCG64DXSM([seed, stream, offset])).integers(0, 2**32, count, np.uint32)


def test_other_good_generators_pass() -> None:
    check_words(pcg, count=1 << 18, name="PCG64DXSM").raise_for_failures()


def test_a_source_without_arguments_is_called_anew() -> None:
    """Each call is a sequence of its own; one that always returns the same is found out."""
    generator = np.random.default_rng(8)
    report = check_words(lambda count: generator.integers(0, 2**32, count, np.uint32), count=1 << 18)
    report.raise_for_failures()
    assert any("the next call" in test.name for test in report.tests)
    assert any("the next call" in test.name for test in check_words(lambda count: pcg(count), count=1 << 18).failed)


def test_own_words_pass() -> None:
    """All 32 bits of the words that kernels draw, with neighbouring seeds, streams and offsets."""
    report = check_words(lambda count, **draws: lb.random_bits(count, **draws))
    report.raise_for_failures()
    assert len(report.tests) >= 30 and report.exact is None and report.words is None
    assert sum(" seed" in test.name for test in report.tests) == 4


def as_words(numbers: np.ndarray) -> np.ndarray:
    return (numbers & 0xFFFFFFFF).astype(np.uint32)


def xorshift(count: int, seed: int = 0) -> np.ndarray:
    """Marsaglia's 32-bit generator: linear over bits, so that a matrix of 64 rows has rank 32."""
    state, result = seed % 2**32 or 1, np.empty(count, np.uint32)
    for i in range(count):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        result[i] = state
    return result


def congruential(count: int, seed: int = 0) -> np.ndarray:
    """Numerical Recipes' quick generator: low bits repeat soon."""
    state, result = seed, np.empty(count, np.uint32)
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        result[i] = state
    return result


def weyl(count: int, seed: int = 0) -> np.ndarray:
    """Multiples of the golden ratio: far too even."""
    return as_words((np.arange(count, dtype=np.uint64) + np.uint64(seed)) * np.uint64(2654435769))


def few_rounds(count: int, seed: int = 0) -> np.ndarray:
    """One multiplication and shift of a counter."""
    n = np.arange(count, dtype=np.uint64) + np.uint64(seed)
    n = n * np.uint64(0x9E3779B97F4A7C15)
    return as_words(n ^ n >> np.uint64(32))


WEAK = {
    "xorshift": (xorshift, {"ranks of binary matrices"}),
    "congruential": (congruential, {"bit positions of neighbours", "ranks of binary matrices"}),
    "weyl": (weyl, {"bytes", "birthday spacings", "elements at any lag"}),
    "few rounds": (few_rounds, {"elements at any lag"}),
}


@pytest.mark.parametrize("name", WEAK)
def test_weak_generators_are_caught(name: str) -> None:
    source, tests = WEAK[name]
    report = check_words(source, count=1 << 18, name=name)
    failed = {test.name for test in report.failed}
    assert tests <= failed, report
    assert "NOT AS THE CONTRACT" in str(report)


def test_sources_are_checked() -> None:
    with pytest.raises(ArgumentError, match="uint32"):
        check_words(lambda count: np.zeros(count))
    with pytest.raises(ArgumentError, match="elements"):
        check_words(pcg, count=100)


def test_holes_in_a_tensor_do_not_count() -> None:
    """Lags are distances in the tensor, whatever elements are left out."""
    rng = np.random.default_rng(3)
    places = np.flatnonzero(np.arange(1 << 16) % 32 != 0)
    line = rng.integers(0, 256, 1 << 16)
    line = np.where(np.arange(len(line)) % 20 < 10, line, np.roll(line, 5))
    tests = {test.name: test for test in lag_tests(line[places], places, 8, [4, 5, 6])}
    assert tests["elements at lag 5"].p < 1e-9
    assert min(tests["elements at lag 4"].p, tests["elements at lag 6"].p) > 1e-6
    assert every_lag(line, 8).p < 1e-9


@pytest.mark.slow
def test_errors_are_as_rare_as_stated() -> None:
    """p-values of every test are uniform over 300 seeds of a good generator (Kolmogorov-Smirnov, Bonferroni)."""
    from scipy.stats import kstest

    seen: dict[str, list[float]] = {}
    for seed in range(300):
        for test in check_words(pcg, count=1 << 18, seed=seed * 10**6).tests:
            seen.setdefault(test.name, []).append(test.p)
    assert len(seen) >= 30 and all(len(values) == 300 for values in seen.values())
    worst = {name: float(kstest(values, "uniform").pvalue) for name, values in seen.items()}
    assert min(worst.values()) * len(worst) > 1e-3, sorted(worst.items(), key=lambda item: item[1])[:5]


def test_the_battery_is_what_the_documentation_lists() -> None:
    assert [test.__name__ for test in TESTS] == [
        "bit_frequency",
        "byte_frequency",
        "serial_pairs",
        "bit_runs",
        "gaps",
        "birthday_spacings",
        "matrix_ranks",
        "hamming_weights",
    ]
