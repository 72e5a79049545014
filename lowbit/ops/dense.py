"""Tensors as the kernels see them: C-contiguous memory, axes in memory order, results allocated alike."""

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from lowbit.errors import ArgumentError, DtypeError, ShapeError
from lowbit.formats.block import BlockFormat
from lowbit.geometry import memory_order

Kind = Literal["float32", "bfloat16", "float16"]
"""What the elements of an array are; bfloat16 lies in uint16 arrays."""

DTYPES: dict[Kind, np.dtype] = {
    "float32": np.dtype(np.float32),
    "bfloat16": np.dtype(np.uint16),
    "float16": np.dtype(np.float16),
}
"""How each kind of element lies in memory."""

ALIGNMENT, ALIGNED_BYTES = 64, 1 << 20
"""Results from so many bytes on start on a cache line, so that streaming stores never straddle two."""


STREAM_BYTES = 1 << 22
"""Results from this size on are written past the caches: they would not stay there anyway."""


@dataclass(frozen=True, slots=True)
class DenseView:
    """`array` is C-contiguous and equals x.transpose(order); `axes` are the block axes' positions in it."""

    array: np.ndarray
    order: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def inverse(self) -> tuple[int, ...]:
        """The permutation that leads back to x's order of axes."""
        return tuple(self.order.index(axis) for axis in range(len(self.order)))


def dense_view(x: np.ndarray, axes: tuple[int, ...], fmt: BlockFormat, *, axis_last: bool = False) -> DenseView:
    """x in memory order without a copy where it fills memory without gaps, else copied to C order.

    Tiles need their axes last in memory, packed codes (`axis_last`) the quantization axis: else x is copied so. Where
    the order of a block's elements counts (blockwise formats), tiles and whole tensors are laid out in that order, and
    blocks that are corrected together lie next to each other.
    """
    axis_last = axis_last or (fmt.is_blockwise and (len(axes) != 1 or fmt.correction_group is not None))
    if not x.ndim:
        return DenseView(np.ascontiguousarray(x).reshape(1), (), axes)
    order = None if axis_last else memory_order(x)
    if order is None or (len(axes) == 2 and set(order[-2:]) != set(axes)):
        wanted = axes if axis_last or len(axes) == 2 else ()
        order = (*(axis for axis in range(x.ndim) if axis not in wanted), *wanted)
    array = np.ascontiguousarray(x.transpose(order))
    return DenseView(array, order, tuple(order.index(axis) for axis in axes))


def new_array(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Uninitialized C-contiguous memory; large arrays start on a cache line.

    numpy's allocator asks for huge pages, which makes the first touch of a large result several times cheaper.
    """
    size = prod(shape) * dtype.itemsize
    if size < ALIGNED_BYTES:
        return np.empty(shape, dtype)
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def check_out(out: np.ndarray, x: np.ndarray) -> None:
    """`out` must have x's shape and dtype, be writable, and not overlap x in part (x itself is allowed)."""
    if out.shape != x.shape:
        raise ShapeError(f"out has shape {out.shape}, the input {x.shape}; give an array of the input's shape")
    check_overlap(out, x)


def check_overlap(out: np.ndarray, x: np.ndarray) -> None:
    """The same for an `out` whose shape is another one than x's."""
    if out.dtype != x.dtype:
        raise DtypeError(f"out is {out.dtype}, the input {x.dtype}; give an array of the input's dtype")
    if not out.flags.writeable:
        raise ArgumentError("out is read-only; give a writable array")
    if not x.size or not np.may_share_memory(out, x):
        return
    same = out.ctypes.data == x.ctypes.data and out.strides == x.strides and out.shape == x.shape
    if not same and _shares_memory(out, x):
        raise ArgumentError("out overlaps the input in part; give the input itself or separate memory")


def check_result(out: np.ndarray, shape: tuple[int, ...], sources: tuple[np.ndarray, ...]) -> None:
    """`out` must have the result's shape, be writable, and share no memory with what is read while it is written."""
    if out.shape != shape:
        raise ShapeError(f"out has shape {out.shape}, the result {shape}; give an array of the result's shape")
    if not out.flags.writeable:
        raise ArgumentError("out is read-only; give a writable array")
    if any(np.may_share_memory(out, source) and _shares_memory(out, source) for source in sources):
        raise ArgumentError("out overlaps the stored codes or scales; give separate memory")


def _shares_memory(out: np.ndarray, x: np.ndarray) -> bool:
    """Whether two arrays have an element in common; undecided cases count as overlap."""
    try:
        return np.shares_memory(out, x, max_work=10_000)  # pyright: ignore[reportArgumentType]
    except np.exceptions.TooHardError:
        return True


def kernel_view(array: np.ndarray, kind: Kind) -> np.ndarray:
    """A C-contiguous array as kernels take it: one-dimensional, float16 as int16 bit patterns."""
    return array.reshape(-1).view(np.int16) if kind == "float16" else array.reshape(-1)


def past_caches(target: np.ndarray, row: int) -> bool:
    """Whether a result is written past the caches: large, and rows of `row` elements all start on a cache line."""
    row_bytes = row * target.itemsize
    return target.nbytes >= STREAM_BYTES and target.ctypes.data % ALIGNMENT == 0 and row_bytes % ALIGNMENT == 0


def read_view(array: np.ndarray, kind: Kind) -> np.ndarray:
    """The same for input: always read-only, so that read-only arrays do not need kernels of their own."""
    flat = kernel_view(array, kind).view()
    flat.flags.writeable = False
    return flat
