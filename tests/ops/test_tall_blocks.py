"""Blocks of several rows: along another axis than memory's last one, and tiles.

Their kernels take rows four at a time, columns in pairs of vectors and segments, and write large results past the
caches. The same numbers in blocks along memory's last axis, which the oracle's tests reach, must give the same bits.
"""

from typing import Any

import numpy as np
import pytest
from oracle_arrays import DTYPES, assert_same, narrow

import lowbit as lb

COLUMNS = (1, 7, 8, 15, 16, 31, 32, 33, 48, 63, 95, 1023, 1024, 1041, 2100)
"""Widths around a vector, a pair and a segment."""

ROWS = (1, 2, 3, 4, 5, 30, 33, 67)
"""Heights around four rows and around a block."""

MODES: tuple[dict[str, Any], ...] = (
    {},
    {"rounding": "toward_negative"},
    {"rounding": "stochastic:8:midpoint", "seed": 5},
    {"rounding": "stochastic", "seed": 6, "offset": 3},
)


def sample(shape: tuple[int, ...], rng: np.random.Generator, dtype: str = "float32") -> np.ndarray:
    """Normal numbers of mixed size, zeros of both signs; in a few places what the exact path is for."""
    x = (rng.standard_normal(shape) * 2.0 ** rng.integers(-6, 6, shape)).astype(np.float32)
    x = np.where(rng.random(shape) < 0.1, np.copysign(np.float32(0), x), x)
    for number in (np.nan, np.inf, 1e-40, -3e38):
        x[rng.random(shape) < 0.3 / x.size] = number
    return narrow(x, DTYPES[dtype])


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("fmt", ["mxfp4", "mxint8", "nf4", "int4/k5/f32", "e4m3/k16/ue4m3", "fp8_e4m3_row"])
def test_rows_and_columns_of_every_remainder(fmt: str, dtype: str, rng: np.random.Generator) -> None:
    """The other memory order puts the blocks along the last axis."""
    for i, columns in enumerate(COLUMNS):
        for rows in (ROWS[i % len(ROWS)], ROWS[(3 * i + 1) % len(ROWS)]):
            x = sample((rows, columns), rng, dtype)
            for mode in MODES:
                expected = lb.qdq(np.asfortranarray(x), fmt, axis=0, **mode)
                assert_same(lb.qdq(x, fmt, axis=0, **mode), np.ascontiguousarray(expected), x, f"{fmt} {mode}")


@pytest.mark.parametrize("shape", [(3, 40, 18), (2, 33, 3, 3), (70, 1, 5), (5, 64, 64)], ids=str)
def test_inner_axes(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    for dtype in DTYPES:
        x = sample(shape, rng, dtype)
        for fmt in ("mxfp4", "e4m3/k16/ue4m3"):
            last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
            expected = np.moveaxis(lb.qdq(last, fmt), -1, 1)
            assert_same(lb.qdq(x, fmt, axis=1), np.ascontiguousarray(expected), x, fmt)


def blocks_of(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """The tiles of a matrix as rows, padded with zeros."""
    rows, columns = x.shape
    padded = np.zeros((-(-rows // height) * height, -(-columns // width) * width), x.dtype)
    padded[:rows, :columns] = x
    parts = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
    return np.ascontiguousarray(parts.transpose(0, 2, 1, 3)).reshape(-1, height * width)


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 32), (3, 5), (4, 48), (64, 64), (2, 1), (200, 16)])
def test_tiles_are_blocks_of_their_elements(height: int, width: int, dtype: str, rng: np.random.Generator) -> None:
    for rows, columns in ((1, 1), (15, 70), (33, 31), (129, 1041), (40, 2100)):
        x = sample((rows, columns), rng, dtype)
        for element, scale in (("e2m1", "e8m0"), ("e4m3", "f32")):
            tiles = lb.qdq(blocks_of(x, height, width), f"{element}/k{height * width}/{scale}")
            fmt = f"{element}/k{height}x{width}/{scale}"
            got = lb.qdq(x, fmt)
            inside = blocks_of(np.ones(x.shape, bool), height, width)
            assert_same(blocks_of(got, height, width)[inside], tiles[inside], tiles[inside], fmt)


@pytest.mark.parametrize("shape", [(1030, 1056), (2051, 1023), (70_000, 33), (72, 20_000)], ids=str)
def test_large_results(shape: tuple[int, int], rng: np.random.Generator) -> None:
    """Results that are written past the caches, or cannot be; also in place, and on one thread."""
    threads = lb.get_num_threads()
    for dtype in ("float32", "bfloat16"):
        x = sample(shape, rng, dtype)
        for fmt in ("mxfp4", "e4m3/k16/ue4m3"):
            expected = np.ascontiguousarray(lb.qdq(np.asfortranarray(x), fmt, axis=0))
            out = np.zeros_like(x)
            assert_same(lb.qdq(x, fmt, axis=0, out=out), expected, x, fmt)
            out[...] = x
            lb.set_num_threads(1)
            try:
                assert_same(lb.qdq(out, fmt, axis=0, out=out), expected, x, f"in place {fmt}")
            finally:
                lb.set_num_threads(threads)
