"""What lowbit's torch operators share: their library, memory for results, and the transforms of torch.func.

Operators are defined through `torch.library.Library`, which costs a third of `custom_op` a call.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.autograd import forward_ad
from torch.library import Library

from lowbit.errors import ShapeError, UnsupportedError
from lowbit.ops.dense import new_array

_HUGE_BYTES = 1 << 20
"""From this size on a result lives in memory from numpy's allocator, which asks for huge pages (3 times faster)."""

LIBRARY = Library("lowbit", "FRAGMENT")


def under_torch_func() -> bool:
    """Whether a transform of `torch.func` (vmap, grad, ...) or forward mode is at work, which operators alone miss.

    Raises UnsupportedError if torch.compile is tracing it: torch 2.13 then drops the backward pass of custom functions
    without a word (pytorch issue 193279). Where graph breaks are allowed, torch falls back to the eager transform.
    """
    active = torch._C._are_functorch_transforms_active()
    if not torch.compiler.is_compiling():
        return active or forward_ad._current_level >= 0
    if active:
        raise UnsupportedError("torch.func inside torch.compile loses custom gradients: compile what it transforms")
    return False


def new_like(x: torch.Tensor) -> torch.Tensor:
    """Uninitialized memory with the shape, dtype and strides of `torch.empty_like(x)`."""
    if x.nbytes < _HUGE_BYTES:
        return torch.empty_like(x)
    strides = torch.empty_like(x, device="meta").stride()
    storage = torch.from_numpy(new_array((x.nbytes,), np.dtype(np.uint8))).untyped_storage()
    return torch.empty(0, dtype=x.dtype).set_(storage, 0, x.shape, strides)


def new_result(
    x: torch.Tensor, axis: int, length: int, alike: Callable[[torch.Tensor], torch.Tensor] = new_like
) -> torch.Tensor:
    """Uninitialized memory for x with another length along an axis, its axes in the order of `torch.empty_like(x)`.

    alike: what makes it where the length stays; `torch.empty_like` for fake tensors.
    """
    position = axis % x.ndim
    if length == x.shape[position]:
        return alike(x)
    strides = torch.empty_like(x, device="meta").stride()
    shape = [length if dim == position else x.shape[dim] for dim in range(x.ndim)]
    step, new_strides = 1, [1] * x.ndim
    for dim in sorted(range(x.ndim), key=lambda dim: (strides[dim], -dim)):  # fastest first
        new_strides[dim] = step
        step *= shape[dim]
    return x.new_empty_strided(shape, new_strides)


def shift_axis(axis: int, n_dims: int) -> int:
    """The axis of a sample as an axis of the batch, whose first dimension the samples are."""
    if not -n_dims <= axis < n_dims:
        raise ShapeError(f"axis {axis} is outside a tensor of {n_dims} dimensions: use {-n_dims} to {n_dims - 1}")
    return axis % n_dims + 1
