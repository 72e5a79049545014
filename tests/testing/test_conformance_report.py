"""What a report says, and what `check_conformance` makes of its options and of quantizers that misbehave."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import independent_quantizer as independent
import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit.errors import ArgumentError, ConformanceError, FormatError, LowbitError
from lowbit.testing import Stored, assert_conforms, check_conformance, list_clauses


def away(x: np.ndarray) -> np.ndarray:
    return lb.qdq(x, "mxfp4", rounding="nearest_away")


def right(x: np.ndarray) -> np.ndarray:
    return lb.qdq(x, "mxfp4")


def clauses(report: lb.testing.ConformanceReport) -> list[str]:
    return [violation.clause for violation in report.violations]


def test_a_violation_says_everything() -> None:
    (violation,) = check_conformance(away, "mxfp4").violations
    assert (violation.clause, violation.section, violation.kind) == ("5.ties", "§5", "value")
    assert violation.x == violation.input[violation.where]
    assert violation.expected == lb.reference.qdq(violation.input.tolist(), "mxfp4")[violation.where[0]]
    assert violation.got == away(violation.input)[violation.where]
    assert "tie" in violation.why and "§3" in violation.steps
    assert 0 < violation.failures < violation.compared
    text = str(violation)
    assert "ties go where the mode says" in text and f"0x{np.float32(violation.x).view(np.uint32):08X}" in text


def test_a_report_as_data_and_as_an_error() -> None:
    report = check_conformance(away, "mxfp4")
    data = json.loads(report.to_json())
    assert data == report.to_dict() and data["violations"][0]["input_bits"][0].startswith("0x")
    assert not report and not report.ok and "5.ties" not in report.passed
    with pytest.raises(ConformanceError, match=r"5\.ties") as caught:
        report.raise_for_violations()
    assert isinstance(caught.value, AssertionError) and isinstance(caught.value, LowbitError)
    with pytest.raises(AssertionError):
        assert_conforms(away, "mxfp4")
    assert_conforms(right, "mxfp4")


def test_nan_and_infinities_are_valid_json() -> None:
    report = check_conformance(lambda x: independent.quantize(x, "mxfp4", "nan_alone"), "mxfp4")
    assert clauses(report) == ["8.nan"]
    data = json.loads(report.to_json())
    assert "nan" in data["violations"][0]["input"]


def test_clauses_can_be_chosen_and_left_out() -> None:
    assert clauses(check_conformance(away, "mxfp4", clauses="5.ties")) == ["5.ties"]
    assert check_conformance(away, "mxfp4", clauses=["1", "§3"]).ok
    assert check_conformance(away, "mxfp4", skip=["5.ties"]).ok
    report = check_conformance(right, "mxfp4", clauses=["5"])
    assert report.passed == tuple(name for name in list_clauses() if name in report.passed)
    assert {"5.ties", "5.rounding"} <= set(report.passed) and "1.values" not in report.passed


def test_known_disagreements_are_reported_apart() -> None:
    report = check_conformance(away, "mxfp4", known={"5.ties": "we round as the old kernel does"})
    assert report.ok and [violation.clause for violation in report.known] == ["5.ties"]
    assert "the old kernel" in str(report)


def test_examples_are_different_inputs() -> None:
    report = check_conformance(lambda x: independent.quantize(x, "mxint8", "ties_away"), "mxint8", examples=2)
    assert clauses(report) == ["5.ties", "5.ties"]
    first, second = report.violations
    assert not np.array_equal(first.input, second.input)


def test_keywords_are_used_where_the_signature_has_them() -> None:
    plain = check_conformance(lambda x: lb.qdq(x, "nvfp4"), "nvfp4")
    assert set(plain.skipped) == {"4.tensor_amax_argument", "4.tensor_scale_argument"}
    assert "takes no tensor_amax" in str(plain)
    seen: set[str] = set()

    def quantizer(x: np.ndarray, **arguments: Any) -> np.ndarray:
        seen.update(arguments)
        return lb.qdq(x, "nvfp4", **arguments)

    assert check_conformance(quantizer, "nvfp4").skipped == {}
    assert seen == {"axis", "tensor_amax", "tensor_scale"}
    limited = check_conformance(quantizer, "nvfp4", accepts=["tensor_amax"])
    assert set(limited.skipped) == {"4.tensor_scale_argument"}


def test_torch_tensors() -> None:
    def quantizer(x: torch.Tensor) -> torch.Tensor:
        assert x.dtype is torch.float32
        return lb.qdq(x, "mxfp4")

    assert check_conformance(quantizer, "mxfp4", tensors="torch").ok


def test_codes_and_scales_are_compared() -> None:
    def quantizer(x: np.ndarray, change: str = "") -> Stored:
        q = lb.quantize(x, "mxfp4")
        codes, scales = q.codes.copy(), q.scales.astype(np.int64)
        if change == "code":
            codes[codes == 8] = 0
        if change == "scale":
            scales[scales == 0] = 127
        return Stored(codes, scales)

    assert check_conformance(quantizer, "mxfp4").ok
    report = check_conformance(lambda x: quantizer(x, "code"), "mxfp4")
    assert clauses(report) == ["1.negative_zero"]
    assert (report.violations[0].kind, report.violations[0].expected, report.violations[0].got) == ("code", 8, 0)
    report = check_conformance(lambda x: quantizer(x, "scale"), "mxfp4")
    zeros = next(violation for violation in report.violations if violation.clause == "3.zero_block")
    assert (zeros.kind, zeros.expected, zeros.got, zeros.x) == ("scale", 0, 127, None)


def test_scales_may_be_numbers_of_the_grid() -> None:
    def quantizer(x: np.ndarray) -> Stored:
        q = lb.quantize(x, "nvfp4")
        table = np.array([lb.element("ue4m3").decode(code) for code in range(128)], np.float32)
        return Stored(q.codes, table[q.scales], q.tensor_scale)

    assert check_conformance(quantizer, "nvfp4").ok
    halved = check_conformance(lambda x: quantizer(x)._replace(tensor_scale=0.5 * quantizer(x).tensor_scale), "nvfp4")
    assert halved.violations[0].kind == "tensor_scale"


def test_binary32_scales_are_compared_by_their_bits() -> None:
    def quantizer(x: np.ndarray, axis: int = -1) -> Any:
        return lb.quantize(x, "int8_row", axis=axis)

    assert check_conformance(quantizer, "int8_row").ok


def test_exceptions_and_shapes_are_findings() -> None:
    def raises(x: np.ndarray) -> np.ndarray:
        if x.size % 32:
            raise ValueError("blocks\nof 32 only")
        return right(x)

    report = check_conformance(raises, "mxfp4")
    assert clauses(report) == ["7.ragged_tail"]
    assert report.violations[0].kind == "error" and "ValueError: blocks of 32 only" in str(report)
    flat = check_conformance(lambda x: right(x).reshape(-1)[:1], "mxfp4", clauses=["1"])
    assert {violation.kind for violation in flat.violations} == {"shape"}
    nothing = check_conformance(lambda x: None, "mxfp4", clauses=["1.values"])
    assert nothing.violations[0].kind == "error" and "DtypeError" in str(nothing.violations[0].got)


def test_blocks_that_run_on_in_the_next_row_are_found() -> None:
    report = check_conformance(lambda x: right(x.reshape(-1)).reshape(x.shape), "mxfp4")
    assert clauses(report) == ["7.ragged_tail"] and report.violations[0].input.shape == (2, 33)


def test_a_tensor_with_a_scale_is_not_made_smaller_down_to_zeros() -> None:
    def floored(x: np.ndarray) -> Stored:
        q = lb.quantize(x, "nvfp4")
        return Stored(q.codes, np.where(q.scales == 0, 255 if not x.any() else 8, q.scales), q.tensor_scale)

    block = next(item for item in check_conformance(floored, "nvfp4").violations if item.clause == "3.zero_block")
    assert (block.expected, block.got) == (0, 8) and block.input.any()


def test_an_input_that_the_quantizer_changes_does_not_change_the_expectation() -> None:
    def overwrites(x: np.ndarray) -> np.ndarray:
        result = right(x)
        x[...] = 0
        return result

    assert check_conformance(overwrites, "mxfp4").ok


def test_formats_without_nan_must_refuse_it() -> None:
    assert check_conformance(lambda x: lb.qdq(x, "e2m1"), "e2m1").ok
    silent = check_conformance(lambda x: lb.qdq(np.nan_to_num(x), "e2m1"), "e2m1")
    assert clauses(silent) == ["8.nan", "8.infinity"]
    assert check_conformance(lambda x: lb.qdq(np.nan_to_num(x), "e2m1"), "e2m1", nonfinite="skip").ok


def test_float64_results_that_are_no_binary32_numbers_differ() -> None:
    assert check_conformance(lambda x: right(x).astype(np.float64), "mxfp4").ok
    report = check_conformance(lambda x: right(x).astype(np.float64) * (1 + 2**-40), "mxfp4", clauses=["1.values"])
    assert clauses(report) == ["1.values"]


def test_own_random_numbers_are_found_out_by_their_frequencies() -> None:
    def biased(x: np.ndarray) -> np.ndarray:
        return independent.quantize(x, "mxfp4", stochastic=True, seed=4, defect="sr_never_lifts_tiny")

    report = check_conformance(biased, "mxfp4", rounding="stochastic", draws="own")
    assert clauses(report) == ["5.stochastic_tiny"]
    assert report.violations[0].kind == "frequency" and "copies went up" in report.violations[0].why
    nearest = check_conformance(right, "mxfp4", rounding="stochastic", draws="own")
    assert clauses(nearest) == ["5.stochastic_frequency", "5.stochastic_tiny"]
    options: dict[str, Any] = {"rounding": "stochastic", "draws": "own"}
    noisy = check_conformance(lambda x: right(x + np.float32(3) * (x != 0)), "mxfp4", clauses="5", **options)
    assert "5.stochastic_neighbours" in clauses(noisy)
    assert check_conformance(right, "mxfp4", skip=["5.stochastic_frequency", "5.stochastic_tiny"], **options).ok
    known = check_conformance(right, "mxfp4", known={"5.stochastic_tiny": "why not"}, **options)
    assert clauses(known) == ["5.stochastic_frequency"] and known.known[0].clause == "5.stochastic_tiny"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clauses": ["5.tie"]}, "no clause '5.tie'"),
        ({"skip": ["99"]}, "no clause '99'"),
        ({"tensors": "jax"}, "numpy, torch"),
        ({"nonfinite": "raise"}, "check, skip"),
        ({"draws": "none"}, "philox, own"),
        ({"draws": "own"}, "draws nothing"),
        ({"examples": 0}, "positive integer"),
        ({"ndim": 0}, "from 1 to 8"),
        ({"axis": (0, 1)}, "one axis"),
        ({"accepts": ["x"]}, "choose from"),
        ({"rounding": "nearest"}, "rounding='nearest'"),
        ({"rounding": "stochastic", "transform": lb.Hadamard(16)}, "deterministic"),
        ({"known": {"5.tie": "?"}}, "no clause '5.tie'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message.replace("(", r"\(")):
        check_conformance(right, "mxfp4", **options)


def test_other_arguments_that_do_not_fit() -> None:
    with pytest.raises(ArgumentError, match="function"):
        check_conformance(3, "mxfp4")  # pyright: ignore[reportArgumentType]
    with pytest.raises(FormatError, match="mxfp5"):
        check_conformance(right, "mxfp5")
    with pytest.raises(ArgumentError, match="draws its scales"):
        check_conformance(right, "nvfp4_eden", rounding="stochastic", draws="own")


def test_a_process_that_flushes_subnormals_changes_no_expectation() -> None:
    code = """
import torch
import lowbit as lb
torch.set_flush_denormal(True)
for name in ("mxfp4", "int8_row", "bf16"):
    lb.testing.assert_conforms(lambda x, axis=-1: lb.qdq(x, name, axis=axis), name)
flushed = lb.testing.check_conformance(lambda x: lb.qdq(x, "mxfp4") * 1, "mxfp4")
print(*(violation.clause for violation in flushed.violations))
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["3.tiny_amax", "0.subnormals"]), done.stdout + done.stderr


def test_the_oracle_is_the_only_source_of_expectations() -> None:
    """No file that makes inputs or expectations imports what runs kernels."""
    folder = Path(lb.testing.__file__).parent
    for path in folder.glob("*.py"):
        text = path.read_text()
        assert "lowbit.kernels" not in text and "lowbit.lowering" not in text and "lowbit.ops" not in text, path.name
