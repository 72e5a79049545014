"""Short numpy calls: the bits of the long way, whatever memory the arrays lie in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from oracle_arrays import DTYPES, bit_patterns
from rotations import hostile

import lowbit as lb
from lowbit import backends
from lowbit.ops import engine, short_calls


def misaligned(x: np.ndarray) -> np.ndarray:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    shifted = memory[1:].view(x.dtype).reshape(x.shape)
    shifted[...] = x
    assert not shifted.flags.aligned
    return shifted


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


MEMORY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda x: x.copy(),
    "read-only": read_only,
    "misaligned": misaligned,
    "matrix": lambda x: x.view(np.matrix),
    "subclass": lambda x: x.view(type("Own", (np.ndarray,), {})),
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
}


@pytest.fixture
def long_way(monkeypatch: pytest.MonkeyPatch) -> Callable[..., np.ndarray]:
    def call(*arguments: Any, **options: Any) -> np.ndarray:
        with monkeypatch.context() as patch:
            patch.setattr(engine, "short_qdq", lambda *_: None)
            return lb.qdq(*arguments, **options)

    return call


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fmt", ["mxfp4", "mxint8", "e4m3", "nf4", "e2m1/k16/ue4m3"])
def test_same_bits_as_the_long_way(fmt: str, dtype: str, memory: str, long_way: Callable[..., np.ndarray]) -> None:
    x = MEMORY[memory](hostile((6, 70), DTYPES[dtype], np.random.default_rng(1)))
    for axis in (-1, 0):
        expected = long_way(x, fmt, axis=axis)
        for result in (lb.qdq(x, fmt, axis=axis), lb.qdq(x, fmt, axis=axis, out=np.empty(x.shape, x.dtype))):
            assert result.dtype == x.dtype and result.shape == x.shape
            np.testing.assert_array_equal(bit_patterns(np.asarray(result)), bit_patterns(np.asarray(expected)))


def test_out_in_any_memory(tmp_path: Path, long_way: Callable[..., np.ndarray]) -> None:
    x = np.random.default_rng(0).standard_normal((6, 70)).astype(np.float32)
    expected = long_way(x, "mxfp4")
    mapped = np.memmap(tmp_path / "out", np.float32, "w+", shape=x.shape)
    for out in (mapped, misaligned(x), np.asfortranarray(x), x):
        assert lb.qdq(x, "mxfp4", out=out) is out
        np.testing.assert_array_equal(np.asarray(out), expected)


def test_short_calls_share_the_kernels_that_long_ones_compile() -> None:
    kernel = backends.load().qdq_items
    x = np.ones((4, 64), np.float32)
    for array in (x, x.astype(np.float16), x.astype(ml_dtypes.bfloat16)):
        large = np.ones((1024, 256), array.dtype)
        lb.qdq(large, "mxfp4")
        compiled = len(kernel.signatures)
        lb.qdq(array, "mxfp4")
        lb.qdq(MEMORY["read-only"](array), "mxfp4")
        assert len(kernel.signatures) == compiled
    assert short_calls.short_qdq(x, "float32", lb.format("mxfp4"), -1, "nearest_even", None) is not None
