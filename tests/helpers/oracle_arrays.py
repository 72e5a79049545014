"""The oracle's answers as numpy arrays, and comparison by bits."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from lowbit import formats, reference
from lowbit.formats import BlockFormat

DTYPES = {"float32": np.dtype(np.float32), "bfloat16": np.dtype(ml_dtypes.bfloat16), "float16": np.dtype(np.float16)}
"""The dtypes of tensors, by name."""


@dataclass(frozen=True)
class Expected:
    """What a tensor must become: `values` float32, `codes` and `scales` integers (None for a plain cast)."""

    values: np.ndarray
    codes: np.ndarray
    scales: np.ndarray | None
    tensor_scale: float | None

    def in_dtype(self, dtype: np.dtype) -> np.ndarray:
        """The values, narrowed once."""
        return narrow(self.values, dtype)


def oracle(x: np.ndarray, fmt: str | BlockFormat, **arguments: Any) -> Expected:
    """The oracle's quantization of an array of any of the three dtypes (exactly widened first)."""
    result = reference.quantize(widen(x).tolist(), fmt, **arguments)
    exact = np.array(result.values, np.float64).reshape(x.shape)
    with np.errstate(over="ignore"):
        values = exact.astype(np.float32)
    assert np.array_equal(values, exact, equal_nan=True), "the oracle decodes to binary32 numbers"
    scales = None if result.scales is None else np.array(result.scales, np.int64)
    codes = np.array(result.codes, np.int64).reshape(x.shape)
    return Expected(values=values, codes=codes, scales=scales, tensor_scale=result.tensor_scale)


def widen(x: np.ndarray) -> np.ndarray:
    """An array as float32; exact for the dtypes that are quantized."""
    if x.dtype == np.float32:
        return x
    with np.errstate(invalid="ignore"):  # signaling NaN
        return x.astype(np.float32)


@cache
def all_sixteen_bit_numbers(dtype: str, *, finite: bool) -> np.ndarray:
    """All 65,536 numbers of bfloat16 or float16, or the finite ones."""
    numbers = np.arange(65536, dtype=np.uint16).view(DTYPES[dtype])
    return numbers[np.isfinite(widen(numbers))] if finite else numbers


def narrow(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float32 values in a dtype, rounded to nearest even once; overflows to infinity."""
    if values.dtype == dtype:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(dtype)


def bit_patterns(array: np.ndarray) -> np.ndarray:
    """Bits of every element, all NaN alike."""
    integers = np.uint32 if array.dtype.itemsize == 4 else np.uint16
    bits = np.ascontiguousarray(array).view(integers).reshape(array.shape)
    return np.where(np.isnan(widen(array)), integers(0x7FFF) if integers is np.uint16 else integers(0x7FFFFFFF), bits)


def assert_same(got: np.ndarray, expected: np.ndarray, x: np.ndarray, what: str) -> None:
    """Equal dtype, shape and bits (any NaN equals any NaN); the message shows the first difference and its input."""
    assert got.dtype == expected.dtype and got.shape == expected.shape, what
    different = bit_patterns(got) != bit_patterns(expected)
    if different.any():
        where = tuple(int(index) for index in np.argwhere(different)[0])
        raise AssertionError(
            f"{what}: {int(different.sum())} of {got.size} differ, first at {where}: input {float(x[where])!r} "
            f"({float(x[where]).hex()}), got {float(got[where])!r}, expected {float(expected[where])!r}"
        )


def scale_codes(scales: np.ndarray) -> np.ndarray:
    """The scales of a QTensor as integers, float32 scales by their bits (one NaN)."""
    if scales.dtype == np.float32:
        return np.where(np.isnan(scales), 0x7FC00000, np.ascontiguousarray(scales).view(np.uint32)).astype(np.int64)
    return scales.astype(np.int64)


def can_hold_nan(fmt: str | BlockFormat) -> bool:
    """Whether a tensor with NaN or infinities may be given (others are refused, contract §8)."""
    return formats.format(fmt).has_nan
