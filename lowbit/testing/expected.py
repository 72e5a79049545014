"""The oracle's answers as arrays: what a conformance check, a test or a vector file expects. No kernel runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowbit import reference
from lowbit.explanations.tensors import widened
from lowbit.formats import BlockFormat, Hadamard, Statistic
from lowbit.formats import format as find_format
from lowbit.formats.binary32 import binary32, float_to_bits
from lowbit.reference.layout import block_sides, grid_shape
from lowbit.reference.level import resolve_tensor_scale

ONE_NAN = 0x7FC00000
"""The pattern that stands for every NaN, in values and in binary32 scales."""


@dataclass(frozen=True)
class Expected:
    """What a tensor must become.

    `values` float32 and `codes` int64 have the (rotated) input's shape, `scales` int64 has the block grid's and holds
    block words (None for a plain cast); `tensor_scale` is None for formats with one level.
    """

    values: np.ndarray
    codes: np.ndarray
    scales: np.ndarray | None
    tensor_scale: float | None

    def in_dtype(self, dtype: np.dtype) -> np.ndarray:
        """The values, narrowed once."""
        return narrow(self.values, dtype)


def oracle(
    x: np.ndarray, fmt: str | BlockFormat, *, transform: Hadamard | None = None, axis: Any = -1, **arguments: Any
) -> Expected:
    """The oracle's quantization of an array of any float dtype up to 32 bits (exactly widened first).

    `arguments` are those of `lowbit.reference.quantize`; with a `transform` the rotated tensor is quantized.
    """
    found, x = find_format(fmt), widen(x)
    if transform is not None:
        position = axis[1] if isinstance(axis, tuple) else axis
        x = exact_array(reference.rotate(exact(x).tolist(), transform, axis=position), None)
    if not x.size:
        return _nothing(x.shape, found, axis, arguments)
    rows = _rows_that_matter(x, found, axis)
    part = x[:rows] if x.ndim else x
    result = reference.quantize(exact(part).tolist(), found, axis=axis, **arguments)
    shape = part.shape
    values, codes = exact_array(result.values, shape), np.array(result.codes, np.int64).reshape(shape)
    scales = None if result.scales is None else np.array(result.scales, np.int64)
    if shape != x.shape:
        tail = [(0, len(x) - rows), *[(0, 0)] * (x.ndim - 1)]
        values, codes = np.pad(values, tail, mode="edge"), np.pad(codes, tail, mode="edge")
    return Expected(
        values=values.reshape(x.shape),
        codes=codes.reshape(x.shape),
        scales=scales,
        tensor_scale=result.tensor_scale,
    )


def _nothing(shape: tuple[int, ...], fmt: BlockFormat, axis: Any, arguments: dict[str, Any]) -> Expected:
    """An empty tensor, whose shape nested lists cannot say."""
    given = {name: arguments.get(name) for name in ("tensor_amax", "tensor_scale")}
    level = None if fmt.tensor_target is None else resolve_tensor_scale([], fmt, **given).scale.decode
    scales = None if fmt.scale is None else np.zeros(grid_shape(shape, block_sides(fmt, shape, axis)), np.int64)
    return Expected(np.zeros(shape, np.float32), np.zeros(shape, np.int64), scales, level)


def _rows_that_matter(x: np.ndarray, fmt: BlockFormat, axis: Any) -> int:
    """How many leading rows of one band of tiles the oracle must see: the last zero rows all become what one becomes.

    A short tile is as if padded with zeros (contract §7), so nothing changes but the time. A power of two of rows is
    kept, so that errors of candidates are added in the same order.
    """
    if x.ndim == 0:
        return 1
    tiled = fmt.block is not None and fmt.block.is_tile and axis in (-1, (-2, -1)) and x.ndim == 2
    if not tiled or fmt.block is None or len(x) > (fmt.block.sizes[0] or 0) or not _zeros_add_nothing(fmt, len(x)):
        return len(x)
    used = np.flatnonzero((x.view(np.uint32) != 0).any(axis=1))
    return min(len(x), 1 << (1 + int(used[-1])).bit_length() if len(used) else 1)


def _zeros_add_nothing(fmt: BlockFormat, height: int) -> bool:
    """Whether a row of zeros leaves the scale of a tile of this height as it is."""
    if fmt.statistic is not Statistic.AMAX or fmt.side_bits:
        return False
    exact = all(0.0 in way.element.values() for way in fmt.candidates)
    return len(fmt.candidates) == 1 or (exact and height & (height - 1) == 0)


def exact_array(values: Any, shape: tuple[int, ...] | None) -> np.ndarray:
    """Numbers of the oracle as float32, checked to be binary32 numbers."""
    array = np.array(values, np.float64)
    numbers = array.reshape(-1).tolist()
    assert all(x != x or binary32(x) == x for x in numbers), "the oracle's results are binary32 numbers"
    return single(numbers).reshape(array.shape if shape is None else shape)


def exact(x: np.ndarray) -> np.ndarray:
    """Float32 numbers as float64, subnormals too, whatever mode the processor is in; other dtypes as numpy does."""
    return (
        widened(np.ascontiguousarray(x), "float32").reshape(x.shape) if x.dtype == np.float32 else x.astype(np.float64)
    )


def single(numbers: Sequence[float]) -> np.ndarray:
    """Numbers as float32, rounded once by integers: subnormals too, whatever mode the processor is in."""
    return np.array([float_to_bits(x) for x in numbers], np.uint32).view(np.float32)


def widen(x: np.ndarray) -> np.ndarray:
    """An array as float32; exact for the dtypes that are quantized."""
    if x.dtype == np.float32:
        return x
    with np.errstate(invalid="ignore"):  # signaling NaN
        return x.astype(np.float32)


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


def scale_codes(scales: np.ndarray) -> np.ndarray:
    """Stored scales as integers, float32 scales by their bits (one NaN)."""
    if scales.dtype == np.float32:
        return np.where(np.isnan(scales), ONE_NAN, np.ascontiguousarray(scales).view(np.uint32)).astype(np.int64)
    return scales.astype(np.int64)
