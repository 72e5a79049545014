"""The oracle's answers as numpy arrays, and comparison by bits."""

from functools import cache

import ml_dtypes
import numpy as np

from lowbit import formats
from lowbit.formats import BlockFormat
from lowbit.testing.expected import Expected as Expected
from lowbit.testing.expected import bit_patterns as bit_patterns
from lowbit.testing.expected import narrow as narrow
from lowbit.testing.expected import oracle as oracle
from lowbit.testing.expected import scale_codes as scale_codes
from lowbit.testing.expected import widen as widen

DTYPES = {"float32": np.dtype(np.float32), "bfloat16": np.dtype(ml_dtypes.bfloat16), "float16": np.dtype(np.float16)}
"""The dtypes of tensors, by name."""


@cache
def all_sixteen_bit_numbers(dtype: str, *, finite: bool) -> np.ndarray:
    """All 65,536 numbers of bfloat16 or float16, or the finite ones."""
    numbers = np.arange(65536, dtype=np.uint16).view(DTYPES[dtype])
    return numbers[np.isfinite(widen(numbers))] if finite else numbers


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


def can_hold_nan(fmt: str | BlockFormat) -> bool:
    """Whether a tensor with NaN or infinities may be given (others are refused, contract §8)."""
    return formats.format(fmt).has_nan
