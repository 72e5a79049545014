"""n:m sparsity of dense arrays, before anything is quantized (docs/numerics.md §12)."""

from math import prod

import numpy as np

from lowbit import backends
from lowbit.formats.block import BlockFormat
from lowbit.ops.dense import DenseView
from lowbit.ops.running import GRAIN_ELEMENTS


def prune(flat: np.ndarray, target: np.ndarray, view: DenseView, fmt: BlockFormat) -> None:
    """Copy a dense tensor, as kernels see it, into `target` without the elements that the format drops."""
    assert fmt.sparsity is not None
    kept, size = fmt.sparsity
    shape, (position,) = view.array.shape, view.axes
    length, inner = shape[position], prod(shape[position + 1 :])
    items = prod(shape[:position]) * -(-length // size)
    kernels = backends.load()
    kernels.run_ranges(
        lambda first, last: kernels.prune_items(flat, target, length, inner, kept, size, first, last),
        items,
        grain=max(1, GRAIN_ELEMENTS // (size * inner)),
    )
