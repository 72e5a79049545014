"""Quantization in a rotated basis at the numpy level (contract §6): what `rotate` and then `qdq` give, bit for bit.

One pass does both where it can: a kernel turns a segment in its cache and rounds it from there. Else (candidates and
side bits, whole-tensor blocks down the rows, blocks or groups too large for the caches) the tensor is rotated into the
result's memory and quantized there in place.
"""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from lowbit.errors import ArgumentError, NonfiniteError
from lowbit.formats.binary32 import INFINITY_BITS
from lowbit.formats.block import BlockFormat
from lowbit.formats.hadamard import Hadamard
from lowbit.formats.rounding import Rounding, Stochastic, find_rounding
from lowbit.geometry import Axis, Geometry, geometry, normalized_axes, regrouped, regrouped_down
from lowbit.ops import engine, observers
from lowbit.ops.dense import DenseView, Kind, dense_view, kernel_view, new_array, read_view
from lowbit.ops.draws import NOTHING, RandomSource, draws_of, find_places
from lowbit.ops.fused_rotation import FusedRotation
from lowbit.ops.preparation import prepare
from lowbit.ops.rotated import changed, check_result, rotation_axis, turn_dense


def qdq(
    x: np.ndarray,
    kind: Kind,
    fmt: BlockFormat,
    transform: Hadamard,
    *,
    axis: Axis = -1,
    rounding: str | Stochastic = Rounding.NEAREST_EVEN,
    source: RandomSource = NOTHING,
    tensor_amax: float | None = None,
    tensor_scale: float | None = None,
    nonfinite: str | None = None,
    rotate_back: bool = False,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Fake-quantize a rotated array, and rotate the result back if asked to; see `lowbit.qdq` for the arguments."""
    mode = find_rounding(rounding)
    engine.check_arguments(fmt, tensor_amax, tensor_scale, nonfinite)
    position = rotation_axis(axis, x.ndim)
    shape = changed(x.shape, position, transform.padded(x.shape[position]))
    axes = normalized_axes(axis, x.ndim, fmt)
    places = find_places(fmt, mode, source, shape, axes)
    if out is not None:
        check_result(out, x, x.shape if rotate_back else shape)
    view = dense_view(x, axes, fmt)
    dense, layout, turn = fused_layout(view, position, fmt, transform, partial(_grid, view=view))
    into = _memory_of(out, view)
    target = into if into is not None and into.shape == dense else new_array(dense, x.dtype)
    if layout is not None and int(layout.record[0]["together"]) > 1 and np.may_share_memory(target, view.array):
        layout = turn = None  # bands written in place would be read again for the next ones
    if x.size:
        flat = read_view(view.array, kind)
        engine.refuse_nonfinite(flat, kind, fmt, nonfinite, x)
        if layout is not None and turn is not None:
            refuse_overflow(flat, turn, fmt, nonfinite)
            draws = draws_of(places, shape, view.order)
            job = prepare(flat, fmt, mode, layout, draws, tensor_amax, tensor_scale, turn)
            engine.run_qdq(job, kernel_view(target, kind))
        else:  # a pass each
            turn_dense(view.array, target, kind, transform, view.order.index(position))
            result = target.transpose(view.inverse)
            engine.qdq(
                result,
                kind,
                fmt,
                axis=axis,
                rounding=rounding,
                source=source,
                tensor_amax=tensor_amax,
                tensor_scale=tensor_scale,
                nonfinite=nonfinite,
                out=result,
            )
    if rotate_back:
        target = _rotated_back(target, into, view, kind, transform, view.order.index(position))
    result = target.transpose(view.inverse)
    if out is None:
        return result
    if not np.may_share_memory(target, out):
        np.copyto(out, result)
    return out


def _grid(shape: tuple[int, ...], fmt: BlockFormat, *, joined: bool, view: DenseView) -> Geometry | None:
    return geometry(shape, view.axes, fmt, joined=joined)


def _memory_of(out: np.ndarray | None, view: DenseView) -> np.ndarray | None:
    """`out` with its axes in the order of the dense view, where it is C-contiguous so."""
    into = None if out is None else out.transpose(view.order)
    return into if into is not None and into.flags.c_contiguous else None


def _rotated_back(
    target: np.ndarray, into: np.ndarray | None, view: DenseView, kind: Kind, transform: Hadamard, place: int
) -> np.ndarray:
    """The way back of a dense rotated tensor: into the result's memory, in place, or (shorter) into new memory."""
    shape = view.array.shape
    back = into if into is not None else target if target.shape == shape else new_array(shape, target.dtype)
    turn_dense(target, back, kind, transform, place, inverse=True)
    return back


def check_rotate_back(transform: object, rotate_back: bool) -> None:
    """ArgumentError for a way back without a way there."""
    if rotate_back and transform is None:
        raise ArgumentError("rotate_back=True needs transform=: without one there is nothing to rotate back")


def fused_layout(
    view: DenseView,
    position: int,
    fmt: BlockFormat,
    transform: Hadamard,
    layout_of: Callable[..., Geometry | None],
) -> tuple[tuple[int, ...], Geometry | None, FusedRotation | None]:
    """(shape of the dense rotated tensor, grid, rotation) of the fused pass; no grid and rotation where there is none.

    position: the rotated axis of the tensor that is viewed. layout_of(shape, fmt, joined=...): the grid of a tensor.
    Observers see rotated tensors, which the fused pass never has as a whole.
    """
    before, place = view.array.shape, view.order.index(position)
    shape, inner = changed(before, place, transform.padded(before[place])), prod(before[place + 1 :])
    if fmt.is_blockwise or fmt.sparsity is not None or observers.active is not None or 0 in before:
        return shape, None, None
    if inner > 1:
        layout = regrouped_down(shape, view.axes, fmt, place, transform.n)
        if layout is None:
            return shape, None, None
        return shape, layout, FusedRotation.of(transform, prod(before[:place]), before[place], shape[place], inner)
    if place != len(before) - 1:
        return shape, None, None
    layout = layout_of(shape, fmt, joined=shape == before)
    layout = None if layout is None else regrouped(layout, transform.n)
    if layout is None:
        return shape, None, None
    columns = int(layout.record[0]["columns"])
    source = columns if shape == before else before[-1]
    return shape, layout, FusedRotation.of(transform, prod(shape) // columns, source, columns)


def refuse_overflow(flat: np.ndarray, turn: FusedRotation, fmt: BlockFormat, nonfinite: str | None) -> None:
    """NonfiniteError where a rotation overflows although its input is finite, and NaN and infinities are refused."""
    if (nonfinite == "raise" or not fmt.has_nan) and turn.amax(flat) >= INFINITY_BITS:
        raise NonfiniteError(f"the rotation of finite values overflows; scale them down ({fmt})")
