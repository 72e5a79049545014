"""What tests of rotations share: inputs that overflow, cancel and underflow, and the oracle's answers as arrays."""

import numpy as np
from oracle_arrays import narrow, widen

from lowbit import reference
from lowbit.formats import Hadamard

SIZES = (2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320)
"""Every size up to 320 but those that differ from one here by a factor of two alone."""

FUSED_FORMATS = (
    "mxfp4",
    "mxint8",
    "nvfp4",
    "int8_row",
    "fp8_e4m3",
    "bf16",
    "e2m1",
    "e2m1/k5/e8m0",
    "e3m2/k33/f32",
    "nf4",
    "e3m0/k32/e8m0",
    "nvfp4_2d",
    "e4m3/k7x3/f32",
    "e2m1/row/ue4m3/ts",
    "int3/k32/f32",
    "e2m1/k32/e8m0:mse",
    "nvfp4_4over6",
    "e2m1/k32/e8m0/sparsity=2:4",
)


def hostile(shape: tuple[int, ...], dtype: np.dtype, rng: np.random.Generator, *, finite: bool = False) -> np.ndarray:
    """Groups of ordinary, subnormal and huge numbers, equal ones that cancel, zeros of both signs, NaN and Inf."""
    low, high = (-24, 15) if dtype == np.float16 else (-149, 127)
    exponents = rng.choice([low, low + 10, low + 25, -10, 0, 3, high - 6, high - 1], shape[:-1])[..., None]
    x = rng.uniform(-2, 2, shape) * 2.0 ** (exponents + rng.integers(-3, 1, shape))
    flat = x.reshape(-1)
    equal = rng.integers(0, max(flat.size - 1, 1), flat.size // 6)
    flat[equal] = -flat[(equal + 1) % flat.size]
    flat[rng.integers(0, flat.size, flat.size // 9)] = rng.choice([0.0, -0.0], flat.size // 9)
    if not finite:
        flat[rng.integers(0, flat.size, 1 + flat.size // 200)] = rng.choice([np.nan, np.inf, -np.inf])
    return narrow(x.astype(np.float32), dtype)


def rotated(x: np.ndarray, t: Hadamard, axis: int = -1) -> np.ndarray:
    """The oracle's rotation, rounded to x's dtype."""
    return _as(reference.rotate(widen(x).tolist(), t, axis=axis), x, axis, t.padded(x.shape[axis]))


def unrotated(y: np.ndarray, t: Hadamard, axis: int = -1, length: int | None = None) -> np.ndarray:
    """The oracle's way back, rounded to y's dtype."""
    kept = y.shape[axis] if length is None else length
    return _as(reference.unrotate(widen(y).tolist(), t, axis=axis, length=length), y, axis, kept)


def _as(values: object, x: np.ndarray, axis: int, length: int) -> np.ndarray:
    shape = list(x.shape)
    shape[axis] = length
    exact = np.array(values, np.float64).reshape(shape)
    with np.errstate(over="ignore"):
        single = exact.astype(np.float32)
    assert np.array_equal(single, exact, equal_nan=True), "the oracle's results are binary32 numbers"
    return narrow(single, x.dtype)
