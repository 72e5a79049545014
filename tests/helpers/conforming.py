"""Whether the kernels do to a tensor what is expected, by every way in and out."""

from typing import Any
from zlib import crc32

import numpy as np
from oracle_arrays import Expected, assert_same, scale_codes

import lowbit as lb


def generator(name: str, dtype: str, seed: int = 0) -> np.random.Generator:
    """The same inputs for a format in every run, whatever other formats exist."""
    return np.random.default_rng([crc32(f"{name} {dtype}".encode()), seed])


def conform(x: np.ndarray, name: str, expected: Expected, **arguments: Any) -> None:
    """qdq, codes, scales, tensor scale and dequantize of `x` equal what is expected."""
    values = expected.in_dtype(x.dtype)
    assert_same(lb.qdq(x, name, **arguments), values, x, f"qdq {name}")
    q = lb.quantize(x, name, **arguments)
    assert_same(q.dequantize(), values, x, f"dequantize {name}")
    different = np.argwhere(q.codes != expected.codes)
    assert not len(different), f"codes {name} at {different[0]}: input {x[tuple(different[0])]!r}"
    if expected.scales is None:
        assert q.scales is None
    else:
        assert np.array_equal(scale_codes(q.scales), expected.scales), f"scales {name}"
    if expected.tensor_scale is None:
        assert q.tensor_scale is None
    else:
        assert np.float32(q.tensor_scale) == np.float32(expected.tensor_scale)
