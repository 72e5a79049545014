"""lowbit's own quantizers pass the kit: values and codes, every registered format, every kind of rounding."""

from typing import Any

import numpy as np
import pytest
from format_cases import SEEDED, UNREGISTERED
from hypothesis import given, settings

import lowbit as lb
from lowbit.formats import BlockFormat
from lowbit.testing import ConformanceReport, check_conformance, strategies

SAMPLE = (
    "mxfp4",
    "nvfp4",
    "mxint8",
    "e4m3",
    "nf4",
    "fp8_e4m3_row",
    "uint4_g128",
    "nvfp4_4over6",
    "mxfp4_quest",
    "hif4",
)
"""One of each kind, checked in every run; the others are slow only by their number."""

ODD = lb.Stochastic(bits=32, rule=lb.StochasticRule.NEAREST_ODD)
BIASED = lb.Stochastic(bits=16, rule=lb.StochasticRule.BIASED)
ROUNDINGS = ("toward_positive", "to_odd", lb.Stochastic(bits=8), ODD)


def values(fmt: str | BlockFormat, **options: Any) -> ConformanceReport:
    """The report on `lowbit.qdq`."""
    given = {name: options[name] for name in ("rounding", "transform") if name in options}
    return check_conformance(lambda x, **arguments: lb.qdq(x, fmt, **given, **arguments), fmt, **options)


def codes(fmt: str, **options: Any) -> ConformanceReport:
    """The report on `lowbit.quantize`, by codes and words."""
    given = {name: options[name] for name in ("rounding",) if name in options}
    return check_conformance(lambda x, **arguments: lb.quantize(x, fmt, **given, **arguments), fmt, **options)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_conforms(name: str) -> None:
    for report in (values(name), codes(name)):
        assert report.ok, str(report)
        assert not report.skipped and len(report.passed) >= 12


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "e4m3", "int8_row"])
@pytest.mark.parametrize("rounding", ROUNDINGS, ids=str)
def test_a_sample_conforms_in_other_modes(name: str, rounding: str | lb.Stochastic) -> None:
    report = values(name, rounding=rounding)
    assert report.ok, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*lb.list_formats(), *UNREGISTERED, *SEEDED])
def test_every_format_conforms(name: str) -> None:
    for report in (
        values(name),
        codes(name),
        values(name, rounding=BIASED),
    ):
        assert report.ok, str(report)


@pytest.mark.slow
@settings(max_examples=150)
@given(strategies.spec_texts())
def test_formats_that_nobody_thought_of_conform(spec: str) -> None:
    """Every generator of inputs copes with every format that can be written down."""
    report = values(spec)
    assert report.ok, str(report)


@pytest.mark.parametrize("axis", [0, 1, -2, 2])
def test_other_axes(axis: int) -> None:
    report = check_conformance(lambda x: lb.qdq(x, "nvfp4", axis=axis), "nvfp4", axis=axis, ndim=2)
    assert report.ok, str(report)
    assert "7.ragged_tail" in report.passed


@pytest.mark.parametrize("axis", [(-1, -2), (0, 1), (0, 2)])
def test_axes_of_tiles(axis: tuple[int, int]) -> None:
    report = check_conformance(lambda x: lb.qdq(x, "e2m1/k4x8/e8m0", axis=axis), "e2m1/k4x8/e8m0", axis=axis)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "fp8_e4m3"])
@pytest.mark.parametrize("transform", [lb.Hadamard(16), lb.Hadamard(32, signs=5), lb.Hadamard(12)], ids=str)
def test_rotations(name: str, transform: lb.Hadamard) -> None:
    report = values(name, transform=transform)
    assert report.ok, str(report)
    assert len(report.passed) == 5


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "e4m3", "int8_row"])
def test_other_random_bits_conform_by_their_frequencies(name: str) -> None:
    generator = np.random.default_rng(3)

    def quantizer(x: np.ndarray) -> np.ndarray:
        return lb.qdq(x, name, rounding="stochastic", seed=int(generator.integers(1 << 60)))

    report = check_conformance(quantizer, name, rounding="stochastic", draws="own")
    assert report.ok, str(report)
    assert {"5.stochastic_frequency", "5.stochastic_tiny", "5.stochastic_neighbours"} <= set(report.passed)
