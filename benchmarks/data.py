"""The tensors that rows work on, made once for several rows."""

from enum import StrEnum
from functools import lru_cache

import torch

SEED = 20_240_229
"""Of all data: every run measures the same numbers."""

ZERO_ROWS = 10
"""One row in so many of the hostile data is zero."""


class Data(StrEnum):
    """What fills a matrix."""

    NORMAL = "normal"
    HOSTILE = "hostile"


@lru_cache(maxsize=4)
def matrix(data: Data, size: int, dtype: torch.dtype) -> torch.Tensor:
    """Standard normal numbers of shape (size, size).

    Hostile ones have shape (size + 1, size - 1), so that rows end in the middle of a block and start off any alignment,
    a block with a NaN, and zeros in every tenth row.
    """
    generator = torch.Generator().manual_seed(SEED)
    shape = (size, size) if data is Data.NORMAL else (size + 1, size - 1)
    x = torch.randn(shape, generator=generator)
    if data is Data.HOSTILE:
        x[::ZERO_ROWS] = 0.0
        x[1, 5] = float("nan")
    return x.to(dtype)


@lru_cache(maxsize=2)
def result_for(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Memory for results, shared by rows and by the copies they are compared with: the same pages for both."""
    return torch.zeros(shape, dtype=dtype)


def release() -> None:
    """Forget all tensors, so that what is measured next has the memory."""
    matrix.cache_clear()
    result_for.cache_clear()
