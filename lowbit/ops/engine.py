"""The numpy-level engine: check, lower, lay out, and run kernels over a tensor's memory.

bfloat16 tensors arrive as uint16 bit patterns with `kind="bfloat16"`. Everything above (numpy front, torch operators,
QTensor) comes through here, so that every path computes the same bits.
"""

import numpy as np

from lowbit import backends
from lowbit.errors import ArgumentError, NonfiniteError
from lowbit.formats.binary32 import INFINITY_BITS, binary32
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Rounding, Stochastic, find_rounding
from lowbit.geometry import Axis, Geometry, geometry, normalized_axes
from lowbit.ops import observers
from lowbit.ops.blockwise import NO_BYTES, exact_blocks, vector_blocks
from lowbit.ops.dense import Kind, check_out, dense_view, kernel_view, new_array, past_caches, read_view
from lowbit.ops.draws import NOTHING, RandomSource, draws_of, find_places
from lowbit.ops.preparation import Job, prepare, whole_amax
from lowbit.ops.short_calls import short_qdq
from lowbit.ops.sparsity import prune


def qdq(
    x: np.ndarray,
    kind: Kind,
    fmt: BlockFormat,
    *,
    axis: Axis = -1,
    rounding: str | Stochastic = Rounding.NEAREST_EVEN,
    source: RandomSource = NOTHING,
    tensor_amax: float | None = None,
    tensor_scale: float | None = None,
    nonfinite: str | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Fake-quantize an array of any strides; see `lowbit.qdq` for the meaning of the arguments.

    A new result keeps x's memory order where x fills memory without gaps and is C-contiguous otherwise.
    """
    watched = observers.active is not None
    if not watched and source is NOTHING and tensor_amax is tensor_scale is nonfinite is None:
        result = short_qdq(x, kind, fmt, axis, rounding, out)
        if result is not None:
            return result
    mode = find_rounding(rounding)
    check_arguments(fmt, tensor_amax, tensor_scale, nonfinite)
    axes = normalized_axes(axis, x.ndim, fmt)
    places = find_places(fmt, mode, source, x.shape, axes)
    if out is not None:
        check_out(out, x)
        x = x.copy(order="K") if watched and np.may_share_memory(x, out) else x
    view = dense_view(x, axes, fmt)
    target = None if out is None or not x.ndim else out.transpose(view.order)
    if target is None or not target.flags.c_contiguous:
        target = new_array(view.array.shape, x.dtype)
    if x.size:
        flat = read_view(view.array, kind)
        refuse_nonfinite(flat, kind, fmt, nonfinite, x)
        if fmt.sparsity is not None:  # into the result's memory, which is then quantized in place
            prune(flat, kernel_view(target, kind), view, fmt)
            flat = read_view(target, kind)
        layout = geometry(view.array.shape, view.axes, fmt)
        assert layout is not None
        draws = draws_of(places, x.shape, view.order)
        run_qdq(prepare(flat, fmt, mode, layout, draws, tensor_amax, tensor_scale), kernel_view(target, kind))
    result = target.reshape(tuple(x.shape[axis] for axis in view.order)).transpose(view.inverse)
    if out is None:
        out = result
    elif not np.may_share_memory(target, out):
        np.copyto(out, result)
    if watched:
        observers.report(x, out, kind, fmt, "qdq", tensor_amax, tensor_scale)
    return out


def run_qdq(job: Job, target: np.ndarray) -> None:
    """Fake-quantize into one-dimensional dense memory."""
    kernels, record, grid = backends.load(), job.plan.record, job.layout.record
    flat, given, rotation = job.flat, job.given, job.rotation
    stream = streams(target, job.layout) and target.ctypes.data != flat.ctypes.data
    kinds, draw = job.kinds, job.draws.elements

    def exact(pending: np.ndarray, first: int, last: int) -> None:
        table = job.plan.table
        kernels.exact_qdq_items(flat, target, record, table, grid, given, rotation, draw, pending, first, last)

    job.run(
        vector_blocks(job, target, NO_BYTES, NO_BYTES)
        or (
            lambda pending, first, last: kernels.qdq_items(
                flat, target, record, grid, given, *kinds, stream, pending, first, last
            )
        ),
        exact if job.blocks is None else exact_blocks(job, target, NO_BYTES, NO_BYTES),
    )


def streams(target: np.ndarray, layout: Geometry) -> bool:
    """Whether a result is written past the caches: large, and with every vector of a row on its own boundary."""
    return past_caches(target, int(layout.record[0]["columns"]))


def check_arguments(
    fmt: BlockFormat, tensor_amax: float | None, tensor_scale: float | None, nonfinite: str | None
) -> None:
    """Refuse arguments that are unknown, contradict each other or would be ignored; also for empty tensors."""
    check_tensor_arguments(fmt, tensor_amax, tensor_scale)
    if nonfinite not in (None, "propagate", "raise"):
        raise ArgumentError(f"nonfinite={nonfinite!r} is not known; choose propagate or raise")
    if nonfinite == "propagate" and not fmt.has_nan:
        raise ArgumentError(f"nonfinite='propagate': {fmt} has no NaN to hold them; use 'raise'")


def check_tensor_arguments(fmt: BlockFormat, tensor_amax: float | None, tensor_scale: float | None) -> None:
    """ArgumentError for tensor arguments that contradict each other or that the format would ignore."""
    if tensor_amax is not None and tensor_scale is not None:
        raise ArgumentError("tensor_amax and tensor_scale exclude each other; give one")
    whole = fmt.block is not None and fmt.block.is_tensor
    if tensor_scale is not None and not 0 < binary32(tensor_scale) < float("inf"):
        raise ArgumentError(f"tensor_scale={tensor_scale!r} must be a positive finite binary32 number")
    if tensor_scale is not None and fmt.tensor_target is None:
        raise ArgumentError(f"tensor_scale={tensor_scale!r}: {fmt} has no tensor scale; add /ts to the format")
    if tensor_amax is None:
        return
    if fmt.tensor_target is None and not whole:
        raise ArgumentError(f"tensor_amax={tensor_amax!r}: {fmt} has no tensor-wide scale; leave it out or add /ts")
    if whole and fmt.is_blockwise:
        raise ArgumentError(
            f"tensor_amax={tensor_amax!r}: the scale of {fmt} does not follow from an amax; leave it out"
        )
    if not 0 <= binary32(tensor_amax) < float("inf"):
        raise ArgumentError(f"tensor_amax={tensor_amax!r} must be a finite binary32 number that is not negative")


def refuse_nonfinite(flat: np.ndarray, kind: Kind, fmt: BlockFormat, nonfinite: str | None, x: np.ndarray) -> None:
    """NonfiniteError with the first position, where asked for or where the format cannot hold a NaN (contract §8)."""
    if (nonfinite == "raise" or not fmt.has_nan) and int(whole_amax(flat)[0]) >= INFINITY_BITS:
        bad = ~np.isfinite(x) if kind != "bfloat16" else (x & 0x7F80) == 0x7F80
        position = tuple(int(index[0]) for index in np.nonzero(bad))
        raise NonfiniteError(
            f"{int(bad.sum())} NaN or infinite values, the first at {position}; "
            f"remove them, or use a format and nonfinite='propagate' that keep them ({fmt})"
        )
