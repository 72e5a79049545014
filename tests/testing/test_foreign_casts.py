"""Casts of ml_dtypes, numpy and torch, which we did not write: right ones raise nothing, known departures are named."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
import torch

from lowbit.testing import check_conformance

CASTS = {
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
    "e5m2/overflow=inf_nan": ml_dtypes.float8_e5m2,
    "e4m3/overflow=inf_nan": ml_dtypes.float8_e4m3fn,
    "e4m3fnuz/overflow=inf_nan": ml_dtypes.float8_e4m3fnuz,
    "e5m2fnuz/overflow=inf_nan": ml_dtypes.float8_e5m2fnuz,
    "e4m3b11fnuz/overflow=inf_nan": ml_dtypes.float8_e4m3b11fnuz,
    "e3m4/overflow=inf_nan": ml_dtypes.float8_e3m4,
    "e4m3ieee/overflow=inf_nan": ml_dtypes.float8_e4m3,
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
}


def through(dtype: type) -> Callable[[np.ndarray], np.ndarray]:
    """A cast to the dtype and back."""

    def quantize(x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return x.astype(dtype).astype(np.float32)

    return quantize


@pytest.mark.parametrize("name", CASTS)
def test_casts_of_ml_dtypes_conform(name: str) -> None:
    silent = {"8.nan", "8.infinity"} if name in ("e2m1", "e2m3", "e3m2") else set()  # NaN becomes a number there
    report = check_conformance(through(CASTS[name]), name)
    assert {violation.clause for violation in report.violations} == silent, str(report)
    assert {"1.values", "5.ties", "5.near_ties", "5.saturation", "1.negative_zero"} <= set(report.passed)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("bf16", torch.bfloat16), ("fp16", torch.float16), ("e5m2/overflow=inf_nan", torch.float8_e5m2)],
)
def test_casts_of_torch_conform(name: str, dtype: torch.dtype) -> None:
    report = check_conformance(lambda x: x.to(dtype).float(), name, tensors="torch")
    assert report.ok, str(report)


def test_a_cast_to_another_format_is_told_apart() -> None:
    report = check_conformance(through(ml_dtypes.float8_e4m3fnuz), "e4m3/overflow=inf_nan")
    assert {"1.negative_zero", "5.saturation"} <= {violation.clause for violation in report.violations}
