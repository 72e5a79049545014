"""Whole vectors: words of two bfloat16 numbers give what widened numbers give; truncation rounds as the oracle does."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from oracle_arrays import assert_same, oracle

import lowbit as lb

FORMATS = (
    "mxfp4",
    "mxint8",
    "e2m1/k16/e8m0",
    "e2m1/k64/e8m0",
    "nvfp4",
    "e4m3/k16/ue4m3/ts",
    "int4/k16/f32",
    "e2m1/k32/ue4m3",
    "e2m1/k24/ue4m3",
    "fp16",
)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("columns", [512, 1072, 2048 + 48, 33])
def test_bfloat16_is_widened_and_narrowed_once(fmt: str, columns: int, rng: np.random.Generator) -> None:
    x = rng.standard_normal((9, columns)).astype(np.float32)
    x[1] *= np.exp2(rng.integers(-50, 50, columns)).astype(np.float32)
    x[2] = np.round(x[2] * 4) / 8
    x[3, ::3], x[4, ::2] = 0.0, -0.0
    x[5, 16:32], x[5, 7], x[6, 100 % columns] = 0.0, np.nan, -np.inf
    x[7] *= np.float32(1e-38)
    narrow = x.astype(ml_dtypes.bfloat16)
    expected = lb.qdq(narrow.astype(np.float32), fmt).astype(ml_dtypes.bfloat16)
    assert_same(lb.qdq(narrow, fmt), expected, narrow, fmt)


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "mxfp8_e4m3", "mxint8", "int4/k16/f32"])
@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("rule", ["midpoint", "biased"])
def test_whole_vectors_are_rounded_as_the_oracle_does(fmt: str, bits: int, rule: Any, rng: np.random.Generator) -> None:
    """Numbers on, just below and far below the half-way points between random bits."""
    x = np.round(rng.standard_normal((4, 112)) * 1024).astype(np.float32) / np.float32(1024)
    x[1], x[2] = np.nextafter(x[1], np.float32(0)), x[2] * np.float32(2**-12)
    x[3] = np.where(np.arange(112) % 16, x[3] * np.float32(2**-33), x[3])
    arguments = {"rounding": lb.Stochastic(bits=bits, rule=rule), "seed": 3}
    if lb.format(fmt).tensor_target is not None:
        arguments["tensor_amax"] = 4.0
    assert_same(lb.qdq(x, fmt, **arguments), oracle(x, fmt, **arguments).values, x, fmt)
