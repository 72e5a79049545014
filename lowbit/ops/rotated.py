"""Rotations of numpy arrays: whole tensors, and what quantization in a rotated basis needs of them (contract §6)."""

from math import prod

import numpy as np

from lowbit import backends
from lowbit.errors import ArgumentError, ShapeError
from lowbit.formats.hadamard import Hadamard
from lowbit.geometry import memory_order
from lowbit.ops.dense import Kind, check_overlap, kernel_view, new_array, past_caches, read_view
from lowbit.ops.running import GRAIN_ELEMENTS
from lowbit.rotation import Rotation, rotation_for


def rotate(
    x: np.ndarray, kind: Kind, transform: Hadamard, *, axis: int = -1, out: np.ndarray | None = None
) -> np.ndarray:
    """Rotate groups along an axis; see `lowbit.rotate`. A new result keeps x's memory order where it is dense."""
    position = rotation_axis(axis, x.ndim)
    return _turned(x, kind, transform, position, transform.padded(x.shape[position]), out, inverse=False)


def unrotate(
    y: np.ndarray,
    kind: Kind,
    transform: Hadamard,
    *,
    axis: int = -1,
    length: int | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """The way back; see `lowbit.unrotate`."""
    position = rotation_axis(axis, y.ndim)
    kept = original_length(y.shape[position], transform, length)
    return _turned(y, kind, transform, position, kept, out, inverse=True)


def check_transform(transform: object) -> Hadamard:
    """The transform; ArgumentError for anything that is not one."""
    if not isinstance(transform, Hadamard):
        raise ArgumentError(f"transform={transform!r} is no transform; give for example lowbit.Hadamard(16)")
    return transform


def rotation_axis(axis: object, ndim: int) -> int:
    """The rotated axis as a non-negative number: the axis of runs, the second one of a pair (tiles)."""
    chosen = axis[1] if isinstance(axis, tuple) and len(axis) == 2 else axis
    if isinstance(chosen, bool) or not isinstance(chosen, int):
        raise ArgumentError(f"axis={axis!r}: a rotation runs along one axis, give one integer")
    if not -ndim <= chosen < ndim:
        allowed = f"allowed are {-ndim}..{ndim - 1}" if ndim else "a scalar has no axis to rotate"
        raise ShapeError(f"axis {chosen} of a tensor of {ndim} dimensions does not exist; {allowed}")
    return chosen % ndim


def original_length(padded: int, transform: Hadamard, length: int | None) -> int:
    """Length of an axis before the rotation that made it `padded` long; ShapeError if it cannot be `length`."""
    kept = padded if length is None else length
    if padded % transform.n:
        raise ShapeError(f"the axis has {padded} elements, which {transform} never leaves: give a multiple of its size")
    if isinstance(kept, bool) or not isinstance(kept, int) or kept < 0 or transform.padded(kept) != padded:  # pyright: ignore[reportUnnecessaryIsInstance]
        low = max(padded - transform.n + 1, 0)
        raise ShapeError(
            f"length={length!r} does not fit a rotated axis of {padded} elements; allowed are {low}..{padded}"
        )
    return kept


def changed(shape: tuple[int, ...], position: int, length: int) -> tuple[int, ...]:
    """A shape with another length at one position."""
    return (*shape[:position], length, *shape[position + 1 :])


def check_result(out: np.ndarray, x: np.ndarray, shape: tuple[int, ...]) -> None:
    """`out` must have this shape and x's dtype, be writable, and not overlap x in part (x itself is allowed)."""
    if out.shape != shape:
        raise ShapeError(f"out has shape {out.shape}, the result {shape}; give an array of the result's shape")
    check_overlap(out, x)


def _turned(
    x: np.ndarray,
    kind: Kind,
    transform: Hadamard,
    position: int,
    length: int,
    out: np.ndarray | None,
    *,
    inverse: bool,
) -> np.ndarray:
    if out is not None:
        check_result(out, x, changed(x.shape, position, length))
    order = memory_order(x) or tuple(range(x.ndim))
    dense = np.ascontiguousarray(x.transpose(order))
    place = order.index(position)
    target = None if out is None else out.transpose(order)
    if target is None or not target.flags.c_contiguous:
        target = new_array(changed(dense.shape, place, length), x.dtype)
    turn_dense(dense, target, kind, transform, place, inverse=inverse)
    result = target.transpose([order.index(axis) for axis in range(x.ndim)])
    if out is None:
        return result
    if not np.may_share_memory(target, out):
        np.copyto(out, result)
    return out


def turn_dense(
    x: np.ndarray, target: np.ndarray, kind: Kind, transform: Hadamard, position: int, *, inverse: bool = False
) -> None:
    """Rotate one axis of C-contiguous memory into other memory, or into itself where the lengths are equal."""
    if not target.size and not x.size:
        return
    rows, turn = row_rotation(x.shape, transform, position, target.shape[position], inverse=inverse)
    kernels = backends.load()
    source, into, items = read_view(x, kind), kernel_view(target, kind), rotation_items(rows, turn)
    record = turn.record[0]
    work, row = (kernels.rotate_rows, "target") if record["inner"] == 1 else (kernels.rotate_columns, "inner")
    stream = into.ctypes.data != source.ctypes.data and past_caches(into, int(record[row]))
    kernels.run_ranges(
        lambda first, last: work(source, into, turn.arguments, stream, first, last),
        items,
        grain=max(1, GRAIN_ELEMENTS * items // x.size),
    )


def row_rotation(
    shape: tuple[int, ...], transform: Hadamard, position: int, length: int, *, inverse: bool = False
) -> tuple[int, Rotation]:
    """(outer slices, rotation) of one axis of a C-contiguous tensor; rows without padding are joined end to end."""
    outer, source, inner = prod(shape[:position]), shape[position], prod(shape[position + 1 :])
    if inner == 1 and source == length and source % transform.n == 0:
        outer, source, length = 1, outer * source, outer * source
    return outer, rotation_for(transform, source, length, inner, inverse=inverse)


def rotation_items(outer: int, turn: Rotation) -> int:
    """Work items of the rotation kernels."""
    record = turn.record[0]
    pieces = backends.load().rotation_pieces(int(record["n"]), int(record["source"]), int(record["inner"]))
    return outer * pieces
