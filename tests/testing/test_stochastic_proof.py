"""lowbit's own stochastic rounding, proven: exact probabilities by enumeration, bias, independence.

Error rates: each report fails with probability 1e-6 if all is right, and its seed is fixed, so that a red test is red
again. The slow parts repeat it with all gaps of the grids and with many seeds.
"""

from typing import Any

import numpy as np
import pytest

import lowbit as lb
from lowbit.errors import ArgumentError, ConformanceError, ShapeError, UnsupportedError
from lowbit.testing import check_stochastic
from lowbit.testing.stochastic.bench import make_bench
from lowbit.testing.stochastic.enumeration import PARTS, enumerate_words

RULES = ("midpoint", "nearest_even", "nearest_odd", "biased")
CASTS = ("e2m1", "e4m3", "e5m2", "e3m2", "e2m3", "int8", "int4", "nf4/cast", "{-4,-1,0,0.125,3}", "e3m0", "posit8es1")
BLOCKED = ("mxfp4", "mxfp8_e4m3", "mxint8", "nvfp4", "nvfp4_2d", "nf4", "int8_row", "e2m1/k5/ue5m3", "int4/tensor/f32")


def exact(fmt: str, rule: str, *, gaps: int | None, elements: int, axis: int = -1, seed: int = 0) -> Any:
    """The enumeration alone, of lowbit's own rounding."""
    mode = lb.Stochastic(bits=8, rule=lb.StochasticRule(rule))

    def quantizer(x: np.ndarray, seed: int) -> np.ndarray:
        return lb.qdq(x, fmt, axis=axis, rounding=mode, seed=seed)

    found, accepts = lb.format(fmt), frozenset({"seed"})
    bench = make_bench(quantizer, found, mode, axis=axis, elements=elements, accepts=accepts, own=False)
    return enumerate_words(bench, gaps=gaps, seed=seed)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fmt", [*CASTS, *BLOCKED])
def test_every_word_meets_every_fraction(fmt: str, rule: str) -> None:
    """All 256 words x every threshold and the numbers beside it; the counts that go up are the exact expectations."""
    found = exact(fmt, rule, gaps=2, elements=1 << 18)
    assert found.ok, str(found)
    assert found.pairs == 256 * found.fractions and found.elements >= found.pairs
    # each of 512 thresholds has the number below it, on it (or next to it) and above it, but for those outside the gap
    assert found.gaps * (3 * len(PARTS) - 20) <= found.fractions <= found.gaps * 3 * len(PARTS)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "nf4", "int8_row"])
def test_along_the_first_axis(fmt: str, rule: str) -> None:
    """The same words by the row-major index, whatever the axis of the blocks."""
    found = exact(fmt, rule, gaps=1, elements=1 << 18, axis=0)
    assert found.ok and found.pairs == 256 * found.fractions, str(found)


@pytest.mark.slow
@pytest.mark.parametrize("fmt", [*CASTS[:-1], "mxfp8_e4m3", "mxfp4", "nvfp4", "nf4", "e2m1/k5/ue5m3"])
def test_every_word_meets_every_fraction_of_every_gap(fmt: str) -> None:
    for rule in RULES:
        found = exact(fmt, rule, gaps=None, elements=1 << 20, seed=99)
        assert found.ok, f"{rule}: {found}"
        assert found.gaps == found.of_gaps and found.pairs == 256 * found.fractions


@pytest.mark.parametrize("mode", ["stochastic:32:midpoint", "stochastic:16:nearest_odd", "stochastic:8:biased"])
@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "e4m3", "nf4/cast"])
def test_nothing_speaks_against_it(fmt: str, mode: str) -> None:
    """Shares, bias, independence of elements, bits, seeds, streams and offsets; and all words are the contract's."""
    report = check_stochastic(None, fmt, rounding=mode, elements=1 << 18, gaps=2)
    report.raise_for_failures()
    assert report.words is not None and report.words.compared >= 40 * report.elements
    assert (report.exact is None) == ("8:" not in mode) and len(report.tests) >= 40


@pytest.mark.slow
@pytest.mark.parametrize("fmt", ["e2m1", "mxfp4", "nvfp4_2d", "int8_row", "nf4", "bf16"])
def test_nothing_speaks_against_it_with_many_seeds(fmt: str) -> None:
    """12 seeds each, with an error rate of 1e-6 for all: p-values over all of them are uniform as well."""
    from scipy.stats import kstest

    values: list[float] = []
    for number in range(12):
        mode = f"stochastic:{(8, 16, 32)[number % 3]}:{RULES[number % 4]}"
        report = check_stochastic(
            None,
            fmt,
            rounding=mode,
            seed=number * 10**9,
            error_rate=1e-6 / 12,
            axis=-1 if fmt == "nvfp4_2d" else -(number % 2),
        )
        report.raise_for_failures()
        continuous = [test.p for test in report.tests if not test.name.startswith("near a value")]
        values += continuous
    assert len(values) > 400 and kstest(values, "uniform").pvalue > 1e-6


def test_a_quantizer_with_random_bits_of_its_own() -> None:
    """One bit an element and call is all that can be seen; nothing is enumerated, and the report says so."""
    generator = np.random.default_rng(5)

    def quantize(x: np.ndarray) -> np.ndarray:
        return lb.qdq(x, "mxfp4", rounding="stochastic", seed=int(generator.integers(2**63)))

    report = check_stochastic(quantize, "mxfp4", draws="own", elements=1 << 18)
    report.raise_for_failures()
    assert report.exact is None and "own" in report.skipped and "own" in str(report.words)
    assert any("the next call" in test.name for test in report.tests)


def test_reports_are_the_same_every_time_and_are_data() -> None:
    import json

    options: dict[str, Any] = {"rounding": "stochastic:8:midpoint", "elements": 1 << 18, "gaps": 1}
    reports = [check_stochastic(None, "e2m1", **options) for _ in range(2)]
    assert reports[0].to_json() == reports[1].to_json()
    data = json.loads(reports[0].to_json())
    assert data["ok"] and data["exact"]["pairs"] == 256 * data["exact"]["fractions"] and data["failed"] == []
    assert "probability 0.999" in str(reports[0]) and "Holm" in str(reports[0])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"rounding": "nearest_even"}, ArgumentError, "draws nothing"),
        ({"format": "nvfp4_4over6"}, UnsupportedError, "largest magnitude"),
        ({"format": "e2m1/k1/e8m0"}, UnsupportedError, "one element"),
        ({"axis": 1}, ArgumentError, "axis"),
        ({"axis": 0, "format": "nvfp4_2d"}, ArgumentError, "tiles"),
        ({"draws": "mine"}, ArgumentError, "philox, own"),
        ({"elements": 1000}, ArgumentError, "262144"),
        ({"gaps": 0}, ArgumentError, "gaps"),
        ({"seed": -1}, ArgumentError, "seed"),
        ({"error_rate": 0}, ArgumentError, "error_rate"),
        ({"quantizer": lambda x: x}, ArgumentError, "takes no seed"),
        ({"quantizer": lambda x, seed: x[:1]}, ShapeError, "shape"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    given: dict[str, Any] = {"quantizer": None, "format": "e2m1", **arguments}
    with pytest.raises(error, match=text):
        check_stochastic(given.pop("quantizer"), given.pop("format"), **given)


def test_failures_can_be_raised() -> None:
    mode = "stochastic:8:midpoint"
    report = check_stochastic(lambda x, seed: lb.qdq(x, "e2m1"), "e2m1", rounding=mode, elements=1 << 18, gaps=1)
    with pytest.raises(ConformanceError, match="OTHER WORDS"):
        report.raise_for_failures()
