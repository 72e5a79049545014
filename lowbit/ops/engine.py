"""The numpy-level engine: check, lower, lay out, and run kernels over a tensor's memory.

bfloat16 tensors arrive as uint16 bit patterns with `kind="bfloat16"`. Everything above (numpy front, torch operators,
QTensor) comes through here, so that every path computes the same bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from lowbit import backends
from lowbit.block_plans import BlockwisePlan, blockwise_plan
from lowbit.errors import ArgumentError, NonfiniteError
from lowbit.formats.binary32 import INFINITY_BITS, binary32, bits_to_float, float_to_bits
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Rounding, Stochastic, find_rounding
from lowbit.geometry import Axis, Geometry, geometry, normalized_axes
from lowbit.lowering import KernelPlan, exact_only, plan_for
from lowbit.ops import observers
from lowbit.ops.blockwise import qdq_blocks
from lowbit.ops.dense import ALIGNMENT, Kind, check_out, dense_view, kernel_view, new_array, read_view
from lowbit.ops.draws import NOTHING, RandomSource, draws_of, find_places
from lowbit.ops.row_rotation import RowRotation
from lowbit.ops.running import GRAIN_ELEMENTS, run_paths
from lowbit.ops.sparsity import prune
from lowbit.second_level import with_tensor_level

STREAM_BYTES = 1 << 22
"""Results from this size on are written past the caches: they would not stay there anyway."""

NO_AMAXES = np.zeros(0, np.uint32)


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
    mode = find_rounding(rounding)
    check_arguments(fmt, tensor_amax, tensor_scale, nonfinite)
    axes = normalized_axes(axis, x.ndim, fmt)
    places = find_places(fmt, mode, source, x.shape, axes)
    watched = observers.active is not None
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
        if fmt.is_blockwise:
            blocks = prepare_blocks(flat, fmt, mode, tensor_amax, tensor_scale)
            qdq_blocks(flat, kernel_view(target, kind), blocks, layout, draws)
        else:
            plan, given = prepare(flat, fmt, mode, layout, tensor_amax, tensor_scale)
            run_qdq(flat, kernel_view(target, kind), plan, layout, given, draws.elements)
    result = target.reshape(tuple(x.shape[axis] for axis in view.order)).transpose(view.inverse)
    if out is None:
        out = result
    elif not np.may_share_memory(target, out):
        np.copyto(out, result)
    if watched:
        observers.report(x, out, kind, fmt, "qdq", tensor_amax, tensor_scale)
    return out


def run_qdq(
    flat: np.ndarray,
    target: np.ndarray,
    plan: KernelPlan,
    layout: Geometry,
    given: np.ndarray,
    draw: np.ndarray,
    turn: RowRotation | None = None,
) -> None:
    """Fake-quantize one-dimensional views of dense memory, rotated first if there is a `turn`."""
    kernels = backends.load()
    stream = target.ctypes.data != flat.ctypes.data and streams(target, layout)
    record, grid, rotation = plan.record, layout.record, None if turn is None else turn.arguments
    run_paths(
        plan,
        layout,
        lambda pending, first, last: kernels.qdq_items(
            flat, target, record, grid, given, rotation, stream, fast_draw(plan, draw), pending, first, last
        ),
        lambda pending, first, last: kernels.exact_qdq_items(
            flat, target, record, plan.table, grid, given, rotation, draw, pending, first, last
        ),
    )


def fast_draw(plan: KernelPlan, draw: np.ndarray) -> np.ndarray | None:
    """What the vector kernels draw from: None chooses those that round to nearest even."""
    return None if plan.nearest_even else draw


def streams(target: np.ndarray, layout: Geometry) -> bool:
    """Whether a result is written past the caches: large, and with every vector of a row on its own boundary."""
    row_bytes = int(layout.record[0]["columns"]) * target.itemsize
    return target.nbytes >= STREAM_BYTES and target.ctypes.data % ALIGNMENT == 0 and row_bytes % ALIGNMENT == 0


def prepare(
    flat: np.ndarray,
    fmt: BlockFormat,
    mode: Rounding | Stochastic,
    layout: Geometry,
    tensor_amax: float | None,
    tensor_scale: float | None,
    turn: RowRotation | None = None,
) -> tuple[KernelPlan, np.ndarray]:
    """The plan with its second level, and the maxima of blocks too long for the fused pass (bits; often empty).

    turn: the rotation that comes first; maxima are then those of the rotated tensor.
    """
    plan = plan_for(fmt, mode)
    if fmt.tensor_target is not None:
        if tensor_amax is None and tensor_scale is None:
            tensor_amax = finite_amax(flat) if turn is None else bits_to_float(turn.amax(flat, finite=True))
        plan = with_tensor_level(plan, fmt, tensor_amax, tensor_scale)
    if fmt.block is not None and fmt.block.is_tensor:
        found = whole_amax(flat) if turn is None else np.array([turn.amax(flat)], np.uint32)
        if tensor_amax is not None and int(found[0]) < INFINITY_BITS:
            if float_to_bits(tensor_amax) == 0:
                plan = exact_only(plan)  # the vector path takes a zero maximum for a block of zeros
            found[0] = float_to_bits(tensor_amax)
        return plan, found
    if not layout.long_run:
        return plan, NO_AMAXES
    return plan, _long_amaxes(flat, layout) if turn is None else turn.row_amaxes(flat)


def prepare_blocks(
    flat: np.ndarray,
    fmt: BlockFormat,
    mode: Rounding | Stochastic,
    tensor_amax: float | None,
    tensor_scale: float | None,
) -> BlockwisePlan:
    """The plan of a blockwise format with its second level."""
    if fmt.tensor_target is not None and tensor_amax is None and tensor_scale is None:
        tensor_amax = finite_amax(flat)
    return blockwise_plan(fmt, mode, tensor_amax, tensor_scale)


def _long_amaxes(flat: np.ndarray, layout: Geometry) -> np.ndarray:
    kernels = backends.load()
    runs = flat.size // layout.long_run
    if runs == 1:
        return whole_amax(flat)
    amaxes = np.zeros(runs, np.uint32)
    kernels.run_ranges(
        lambda first, last: kernels.long_block_amaxes(flat, layout.long_run, amaxes, first, last),
        runs,
        grain=max(1, GRAIN_ELEMENTS // layout.long_run),
    )
    return amaxes


def finite_amax(flat: np.ndarray) -> float:
    """Largest finite magnitude of a one-dimensional array, 0.0 if there is none (A of contract §4 and §8)."""
    kernels = backends.load()
    bits = _reduced(flat, lambda start, stop, out, slot: kernels.finite_amax(flat, start, stop, out, slot))
    return bits_to_float(int(bits[0]))


def whole_amax(flat: np.ndarray) -> np.ndarray:
    """Bits of the largest magnitude of a one-dimensional array, NaN and infinity included, as an array of one."""
    kernels = backends.load()
    return _reduced(flat, lambda start, stop, out, slot: kernels.run_amax_range(flat, start, stop, out, slot))


def _reduced(flat: np.ndarray, reduce: Callable[[int, int, np.ndarray, int], Any]) -> np.ndarray:
    """Maximum over pieces that threads reduce on their own: an unsigned maximum does not depend on the split."""
    pieces = max(1, flat.size // GRAIN_ELEMENTS)
    bounds = [flat.size * piece // pieces for piece in range(pieces + 1)]
    partial = np.zeros(pieces, np.uint32)

    def work(first: int, last: int) -> None:
        for piece in range(first, last):
            reduce(bounds[piece], bounds[piece + 1], partial, piece)

    backends.load().run_ranges(work, pieces, grain=1)
    return partial.max(keepdims=True)


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
