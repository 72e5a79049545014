"""Planted defects: what the proof of stochastic rounding is worth. Each is found by the test that is meant to find it.

Error rate 1e-6 a report. Power: the sizes below are those that a report says are found with probability 0.999.
"""

import numpy as np
import pytest
from planted_draws import quantizer

from lowbit.testing import StochasticReport, check_stochastic

NEAR_ZERO = "near a value, d = 0.000488"
NEAR_ONE = "near a value, d = 1 - 0.000488"

ROUNDING = {
    "biased by 1/256": {"mean error", NEAR_ZERO},
    "biased by -1/256": {"mean error", NEAR_ONE},
    "tiny numbers stay": {NEAR_ZERO, "near a value, d = 0.00195"},
    "large distances always go up": {NEAR_ONE, "near a value, d = 1 - 0.00195"},
    "rounds to nearest": {"shares by fraction", NEAR_ZERO, NEAR_ONE},
}
"""With 32 bits, where nothing is enumerated, and 2^20 elements."""

WORDS = {
    "repeats every 2^12": {"elements at any lag", "birthday spacings"},
    "repeats every 2^16": {"elements at any lag"},
    "index in the row alone": {"elements at lag 1024", "elements at any lag"},
    "shared by neighbours": {"elements at lag 1", "ranks of binary matrices"},
    "last word used again": {"elements at lag 1", "bit positions of neighbours"},
    "high half of the seed ignored": {"with a seed 2^32 later, near lags", "with a seed 2^32 later, any lag"},
    "stream ignored": {"with the next stream, near lags", "with the stream of scales, near lags"},
    "offset ignored": {"with an offset of 2^34, near lags"},
    "offset cut to 32 bits": {"with an offset of 2^34, near lags"},
    "seeds shift one sequence": {"with the next seed, near lags", "with the next seed, any lag"},
    "streams shift one sequence": {"with the next stream, any lag"},
    "seven bits": {"bits", "bytes"},
    "sixteen words of bytes": {"bits", "bytes"},
    "too even": {"bytes", "elements at lag 1", "birthday spacings"},
}
"""With 8 bits and 2^18 elements: defects that are seen whichever words are expected."""

EXACT_ONLY = ("a counter late", "index along the columns", "another rule")
"""Good random numbers, only not the contract's; or the contract's, with a rule that differs for one word in 256."""


def check(defect: str, bits: int, elements: int) -> StochasticReport:
    mode = f"stochastic:{bits}:midpoint"
    return check_stochastic(quantizer(bits, defect), "e2m1", rounding=mode, elements=elements, gaps=2)


def names(report: StochasticReport) -> set[str]:
    return {test.name for test in report.failed}


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_without_a_defect_nothing_is_found(bits: int) -> None:
    check("", bits, 1 << 18).raise_for_failures()


@pytest.mark.parametrize("defect", ROUNDING)
def test_defects_of_rounding(defect: str) -> None:
    report = check(defect, 32, 1 << 20)
    assert ROUNDING[defect] <= names(report), report
    assert report.words is not None and report.words.wrong


def test_the_stated_power_covers_a_bias_of_one_in_256() -> None:
    report = check("", 32, 1 << 20)
    assert float(report.power.split()[3]) < 1 / 256


@pytest.mark.parametrize("defect", WORDS)
def test_defects_of_random_words(defect: str) -> None:
    report = check(defect, 8, 1 << 18)
    assert WORDS[defect] <= names(report), report
    assert report.words is not None and report.words.wrong


@pytest.mark.parametrize("defect", EXACT_ONLY)
def test_defects_that_only_exact_expectations_show(defect: str) -> None:
    report = check(defect, 8, 1 << 18)
    assert not report.ok and report.exact is not None and report.exact.wrong and report.exact.miscounted
    assert "r = " in report.exact.first and "NOT EXACT" in str(report)
    if defect != "another rule":
        assert not report.failed and report.words is not None and report.words.wrong > report.words.compared / 3


def test_neighbours_of_other_values_are_no_neighbours() -> None:
    right = quantizer(8)

    def quantize(x: np.ndarray, seed: int) -> np.ndarray:
        return np.where(right(x, seed) == 1.5, np.float32(1.25), right(x, seed))

    report = check_stochastic(quantize, "e2m1", rounding="stochastic:8:midpoint", elements=1 << 18)
    assert report.words is not None and report.words.strange and "NO NEIGHBOURS" in str(report)


@pytest.mark.parametrize("defect", ["index in the row alone", "shared by neighbours", "seeds shift one sequence"])
def test_defects_are_seen_in_one_bit_an_element(defect: str) -> None:
    """As of a quantizer whose random bits are its own: no expectation of words takes part."""
    right, wrong = (
        check_stochastic(quantizer(8, planted), "e2m1", rounding="stochastic:8:midpoint", elements=1 << 18, draws="own")
        for planted in ("", defect)
    )
    right.raise_for_failures()
    assert names(wrong) & WORDS[defect], wrong
