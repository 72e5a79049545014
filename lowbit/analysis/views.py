"""One way to read floats from arrays of several kinds, piece by piece, without converting a whole tensor."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.errors import DtypeError, ShapeError

PIECE_ELEMENTS = 1 << 18
"""Elements read at once: 2 MiB in float64, small enough for a core's cache and large enough to hide call costs."""

Index = tuple[slice, ...]
"""What selects a piece of an array."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FloatView:
    """A float array, possibly mapped from a file, of which pieces are widened when they are read.

    `raw` has any shape and strides: float16, float32 or float64 (either byte order), or with `bfloat16` set the
    16-bit patterns of bfloat16 numbers.
    """

    raw: NDArray[Any]
    bfloat16: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.raw.shape

    def read(self, index: Index, dtype: type[np.floating[Any]] = np.float32) -> NDArray[Any]:
        """A copy of the elements at `index` as a contiguous array of `dtype`.

        Exact, except from float64 to float32: rounded to nearest even, beyond the range to infinity.
        """
        piece = np.asarray(self.raw[index])
        if self.bfloat16:
            piece = np.left_shift(piece.view(np.uint16), 16, dtype=np.uint32).view(np.float32)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.array(piece, dtype=dtype, order="C")

    def moved(self, axes: tuple[int, ...]) -> "FloatView":
        """The same array with the given axes last, in that order; a scalar becomes one row. No copy.

        Raises ShapeError for an axis that the array lacks.
        """
        raw = self.raw if self.raw.ndim else self.raw.reshape(1)
        for axis in axes:
            if not -raw.ndim <= axis < raw.ndim:
                raise ShapeError(f"axis {axis} does not exist in shape {self.shape}; use {-raw.ndim}..{raw.ndim - 1}")
        return FloatView(raw=np.moveaxis(raw, axes, range(-len(axes), 0)), bfloat16=self.bfloat16)


def as_view(x: Any, *, float64: bool = False) -> FloatView:
    """A view of a numpy array or torch tensor: float32, float16 or bfloat16, and float64 where allowed.

    Tensors on another device are copied to the host; nothing else is copied. Raises DtypeError for anything else.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return _tensor_view(x.detach().cpu(), torch, float64=float64)
    if not isinstance(x, np.ndarray):
        raise DtypeError(f"got {type(x).__name__}; pass a numpy array or a torch tensor (numpy.asarray converts lists)")
    if x.dtype.name == "bfloat16":
        return FloatView(raw=x.view(np.uint16), bfloat16=True)
    return _float_view(x, float64=float64)


def _tensor_view(x: Any, torch: Any, *, float64: bool) -> FloatView:
    if x.layout is not torch.strided or x.is_quantized:
        raise DtypeError(f"got a tensor of layout {x.layout}; pass a dense one (x.to_dense())")
    if x.dtype == torch.bfloat16:
        return FloatView(raw=x.view(torch.int16).numpy(), bfloat16=True)
    if not x.dtype.is_floating_point or x.element_size() < 2:
        raise DtypeError(f"got dtype {x.dtype}; pass float32, bfloat16 or float16")
    return _float_view(x.numpy(), float64=float64)


def _float_view(x: NDArray[Any], *, float64: bool) -> FloatView:
    allowed = (2, 4, 8) if float64 else (2, 4)
    if x.dtype.kind == "f" and x.dtype.itemsize in allowed:
        return FloatView(raw=x)
    fix = "; convert it: x.astype(numpy.float32)" if x.dtype == np.float64 else ""
    raise DtypeError(f"got dtype {x.dtype}; pass float32, bfloat16 or float16{fix}")


def pieces(shape: tuple[int, ...], grains: tuple[int, ...] = ()) -> Iterator[Index]:
    """Index tuples that cover `shape` once, in row-major order, of about PIECE_ELEMENTS elements each.

    `grains` are the block sides along the last axes: pieces end at multiples of them. An empty shape gives none.
    """
    if prod(shape) == 0:
        return
    sides = (1,) * (len(shape) - len(grains)) + grains
    steps = _steps(shape, sides)
    starts = [range(0, length, step) for length, step in zip(shape, steps, strict=True)]
    for corner in product(*starts):
        yield tuple(slice(at, min(at + step, n)) for at, step, n in zip(corner, steps, shape, strict=True))


def _steps(shape: tuple[int, ...], sides: tuple[int, ...]) -> list[int]:
    """Piece lengths along each axis: leading axes are cut first, down to one block, until a piece is small."""
    steps = list(shape)
    for axis, side in enumerate(sides):
        others = prod(steps[:axis]) * prod(steps[axis + 1 :])  # axes before this one are cut by now
        blocks = PIECE_ELEMENTS // (others * side)
        steps[axis] = min(steps[axis], max(blocks, 1) * side)
        if blocks:
            break
    return steps
