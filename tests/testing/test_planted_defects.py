"""A correct quantizer that shares nothing with lowbit raises nothing; a planted defect is reported under its clause."""

from collections.abc import Callable
from typing import Any

import independent_quantizer as independent
import numpy as np
import pytest

from lowbit.formats import TE_SIGNS, Hadamard
from lowbit.testing import ConformanceReport, check_conformance

DETERMINISTIC = ("mxfp4", "mxfp6_e2m3", "mxfp8_e4m3", "mxfp8_e5m2", "mxint8", "nvfp4", "int8_row", "e4m3", "e5m2")

ROOT = {
    "ties_away": ("mxfp4", {"5.ties"}),
    "ties_to_zero": ("nvfp4", {"5.ties"}),
    "unrounded_scale": ("nvfp4", "3.scale_is_rounded_first"),
    "float_log2": ("mxint8", {"3.scale_rule_boundaries"}),
    "loses_negative_zero": ("nvfp4", {"1.negative_zero"}),
    "wrong_axis": ("mxfp4", {"7.ragged_tail", "7.axis", "7.dimensions", "7.strides"}),
    "wrong_block_size": ("mxint8", "7.blocks"),
    "unscaled_tail": ("mxfp4", {"7.ragged_tail"}),
    "saturates_to_infinity": ("mxfp4", "5.saturation"),
    "wraps_instead_of_saturating": ("mxfp4", "5.saturation"),
    "no_clamp_of_tiny_scales": ("mxfp4", {"3.tiny_amax"}),
    "flushes_subnormals": ("mxint8", {"3.tiny_amax", "0.subnormals"}),
    "wrong_maximum": ("e4m3", "1.values"),
    "no_subnormal_elements": ("e4m3", "1.values"),
    "nan_alone": ("mxfp4", {"8.nan"}),
    "infinity_alone": ("int8_row", {"8.infinity"}),
    "reciprocal_division": ("int8_row", "3.quotient"),
    "reciprocal_target": ("int8_row", "3.scale_target"),
    "tensor_amax_of_first_block": ("nvfp4", "1.values"),
    "scale_floored_at_min_normal": ("nvfp4", {"4.small_block"}),
    "fused_tensor_scale": ("nvfp4", "4.tensor_amax"),
    "division_instead_of_reciprocal": ("nvfp4", {"4.arithmetic"}),
    "ignores_tensor_amax": ("nvfp4", {"4.tensor_amax_argument"}),
    "zero_block_is_nan": ("mxfp4", {"3.zero_block"}),
    "float16_intermediate": ("mxfp4", {"5.near_ties"}),
    "truncates": ("e4m3", "5.rounding"),
    "log2_scale_up": ("mxfp4", "3.scale_rule_boundaries"),
    "sr_never_lifts_tiny": ("stochastic", {"5.stochastic_tiny"}),
    "sr_counter_off_by_one": ("stochastic", "5.stochastic_bits"),
    "sr_index_along_axis": ("stochastic", {"5.random_index"}),
    "sr_index_of_memory": ("stochastic", {"5.random_index"}),
    "sr_ignores_high_seed": ("stochastic", {"5.random_seed"}),
    "sr_ignores_stream": ("stochastic", {"5.random_stream"}),
    "sr_biased_rule": ("stochastic", "5.stochastic_bits"),
    "signs_after": ("rotating", "6.signs_before"),
    "unnormalized": ("rotating", "6.matrix"),
    "other_butterfly_order": ("rotating", {"6.order"}),
    "no_padding": ("rotating", {"6.padding"}),
}
"""Defect -> what it is planted into, and the clauses that report it: a set means exactly these, a name at least it."""


def check(kind: str, defect: str = "") -> ConformanceReport:
    """The report on the independent quantizer of this kind."""

    def quantizer(x: np.ndarray, **arguments: Any) -> np.ndarray:
        return independent.quantize(x, "mxfp4" if kind in ("stochastic", "rotating") else kind, defect, **arguments)

    if kind == "stochastic":
        drawn: Callable[..., np.ndarray] = lambda x, **given: quantizer(x, stochastic=True, **given)  # noqa: E731
        return check_conformance(drawn, "mxfp4", rounding="stochastic", accepts=("axis", "seed", "stream"))
    if kind == "rotating":
        rotated: Callable[..., np.ndarray] = lambda x: quantizer(x, transform=TE_SIGNS)  # noqa: E731
        return check_conformance(rotated, "mxfp4", transform=Hadamard(16, signs=TE_SIGNS))
    accepts = ("axis", "tensor_amax") if kind == "nvfp4" else ("axis",)
    return check_conformance(quantizer, kind, accepts=accepts)


@pytest.mark.parametrize("kind", [*DETERMINISTIC, "stochastic", "rotating"])
def test_a_correct_quantizer_raises_nothing(kind: str) -> None:
    report = check(kind)
    assert report.ok, str(report)
    assert len(report.passed) >= (5 if kind == "rotating" else 12)


def test_every_defect_has_its_clause() -> None:
    assert ROOT.keys() == set(independent.DEFECTS)
    assert len(ROOT) >= 25


@pytest.mark.parametrize("defect", ROOT)
def test_a_planted_defect_is_reported_under_its_clause(defect: str) -> None:
    kind, expected = ROOT[defect]
    report = check(kind, defect)
    found = {violation.clause for violation in report.violations}
    assert found == expected if isinstance(expected, set) else expected in found, str(report)
    for violation in report.violations:
        assert violation.failures > 0 and violation.input.dtype == np.float32
        assert violation.expected != violation.got or str(violation.expected) != str(violation.got)


@pytest.mark.parametrize(("defect", "numbers"), [("ties_away", 1), ("loses_negative_zero", 1), ("float_log2", 1)])
def test_the_smallest_input_has_few_numbers(defect: str, numbers: int) -> None:
    (violation, *_) = check("mxfp4", defect).violations
    assert int((violation.input.view(np.uint32) != 0).sum()) == numbers
    assert violation.input.size <= 32 and violation.x is not None
    assert violation.why and violation.steps


@pytest.mark.parametrize("defect", ["ties_away", "unrounded_scale", "saturates_to_infinity", "unscaled_tail"])
def test_the_smallest_input_still_fails(defect: str) -> None:
    for violation in check("mxfp4", defect).violations:
        right = independent.quantize(violation.input, "mxfp4")
        wrong = independent.quantize(violation.input, "mxfp4", defect)
        assert float(right[violation.where]) == violation.expected
        assert float(wrong[violation.where]) == violation.got
