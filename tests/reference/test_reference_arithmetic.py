"""The three two-level arithmetics of contract §4 against the same formulas in numpy's float32, on many blocks."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

from lowbit import reference
from lowbit.formats import format

FLT_MAX = np.finfo(np.float32).max
ONE, SIX = np.float32(1), np.float32(6)
LARGEST = np.float32(448 * 6)
E4M3 = ml_dtypes.float8_e4m3fn
E2M1 = ml_dtypes.float4_e2m1fn
Formulas = Callable[[np.ndarray, np.ndarray, np.float32], tuple[np.ndarray, np.ndarray]]


def blocks_of(seed: int) -> np.ndarray:
    """400 blocks of 16 numbers with widely different amax."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((400, 16)) * np.exp(rng.standard_normal((400, 1)) * 1.5)).astype(np.float32)


def transformer_engine(x: np.ndarray, amax: np.ndarray, whole: np.float32) -> tuple[np.ndarray, np.ndarray]:
    g = min(LARGEST / whole, FLT_MAX)
    s = np.minimum(amax * (g * (ONE / SIX)), np.float32(448)).astype(E4M3).astype(np.float32)
    return s, x * np.minimum(ONE / (s * (ONE / g)), FLT_MAX)


def torchao(x: np.ndarray, amax: np.ndarray, whole: np.float32) -> tuple[np.ndarray, np.ndarray]:
    t = whole / LARGEST
    s = np.clip(amax / SIX / t, np.float32(2.0**-6), np.float32(448)).astype(E4M3).astype(np.float32)
    return s, x * ((ONE / t) / s)


def divide(x: np.ndarray, amax: np.ndarray, whole: np.float32) -> tuple[np.ndarray, np.ndarray]:
    t = whole / LARGEST
    s = (amax / SIX / t).astype(E4M3).astype(np.float32)
    return s, x / (s * t)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("formulas", [transformer_engine, torchao, divide])
def test_codes_and_scales_equal_the_formulas_in_float32(formulas: Formulas, seed: int) -> None:
    x = blocks_of(seed)
    scales, y = formulas(x, np.abs(x).max(axis=1, keepdims=True), np.abs(x).max())
    codes = np.clip(y, -SIX, SIX).astype(E2M1).view(np.uint8)
    got = reference.quantize(x.tolist(), format("nvfp4").replace(arithmetic=formulas.__name__))
    assert np.array_equal(np.array(got.scales), scales.astype(E4M3).view(np.uint8))
    assert np.array_equal(np.array(got.codes), codes)
    decoded = codes.view(E2M1).astype(np.float32) * scales * np.float32(got.tensor_scale)
    assert np.array_equal(np.array(got.values, np.float32), decoded)


def test_the_formulas_differ_from_each_other() -> None:
    """About 0.03% of codes (contract §4): enough blocks are tested to tell the arithmetics apart."""
    different = 0
    for seed in (1, 2, 3):
        x = blocks_of(seed)
        results = [f(x, np.abs(x).max(axis=1, keepdims=True), np.abs(x).max()) for f in (transformer_engine, divide)]
        different += int((results[0][1] != results[1][1]).any())
    assert different == 3


@pytest.mark.parametrize("scale", ["ue4m3", "f32"])
def test_one_level_equals_the_formulas_in_float32(scale: str) -> None:
    x = blocks_of(4)
    target = np.abs(x).max(axis=1, keepdims=True) / SIX
    s = target.astype(E4M3).astype(np.float32) if scale == "ue4m3" else target
    y = np.divide(x, s, out=np.zeros_like(x), where=s > 0)
    codes = np.clip(y, -SIX, SIX).astype(E2M1)
    got = reference.quantize(x.tolist(), f"e2m1/k16/{scale}")
    assert np.array_equal(np.array(got.codes), codes.view(np.uint8))
    assert np.array_equal(np.array(got.values, np.float32), codes.astype(np.float32) * s)


@pytest.mark.parametrize(
    ("arithmetic", "whole", "amax", "expected", "other"),
    [
        # target = fl(amax × fl(g × fl(1/6))); with fl(amax × fl(g / 6)) the scale is `other`
        ("transformer_engine", "0x1.8b2b02p+0", "0x1.286042p-6", 5.5, 5.0),
        ("transformer_engine", "0x1.b03e0cp+0", "0x1.630e64p-4", 24.0, 22.0),
        # target = fl(fl(amax / 6) / t); rounded once the scale is `other`
        ("divide", "0x1.0a7d3ep+0", "0x1.439816p-14", 0.03125, 0.03515625),
        ("divide", "0x1.073ff6p+0", "0x1.3fa91ap-15", 0.017578125, 0.015625),
    ],
)
def test_scales_that_tell_the_roundings_apart(
    arithmetic: str, whole: str, amax: str, expected: float, other: float
) -> None:
    fmt = format("nvfp4").replace(arithmetic=arithmetic)
    got = reference.quantize([float.fromhex(amax)], fmt, tensor_amax=float.fromhex(whole))
    assert fmt.scale is not None and fmt.scale.decode(got.scales[0]) == expected != other


@pytest.mark.parametrize("number", ["0x1.fa0c3cp-17", "0x1.fa0c3ep-17"])
def test_a_code_that_tells_the_roundings_apart(number: str) -> None:
    """enc = fl(1 / fl(s × fl(1/g))) puts these on 0.25, a tie, or below; with t in place of fl(1/g) they are above."""
    x = [float.fromhex("0x1.7b892cp-12"), float.fromhex(number)]
    got = reference.quantize(x, "nvfp4", tensor_amax=float.fromhex("0x1.bacab4p+0"))
    assert got.codes == [7, 0]
