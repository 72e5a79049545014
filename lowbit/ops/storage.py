"""Packed storage at the numpy level: quantize an array to codes and scales, and decode them (contract §2, §9)."""

import numpy as np

from lowbit import backends
from lowbit.decoding import decode_plan_for, decoded_scale_bits
from lowbit.formats.block import BlockFormat
from lowbit.formats.hadamard import Hadamard
from lowbit.formats.rounding import Rounding, Stochastic, find_rounding
from lowbit.geometry import Axis, normalized_axes
from lowbit.ops.blockwise import dequantize_words
from lowbit.ops.dense import DTYPES, Kind, dense_view, kernel_view, new_array, read_view
from lowbit.ops.draws import NOTHING, RandomSource, draws_of, find_places
from lowbit.ops.engine import check_arguments, refuse_nonfinite, streams
from lowbit.ops.plain_storage import plain_quantize, run_quantize
from lowbit.ops.preparation import prepare
from lowbit.ops.rotated import rotate, rotation_axis
from lowbit.ops.rotated_qdq import fused_layout, refuse_overflow
from lowbit.ops.running import GRAIN_ELEMENTS, run
from lowbit.ops.sparsity import prune
from lowbit.ops.storage_layout import (
    Stored,
    code_dtype,
    grid_shape,
    holds_float32,
    packed_geometry,
    row_bytes,
    scale_dtype,
)
from lowbit.second_level import tensor_plan


def quantize(
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
    transform: Hadamard | None = None,
) -> Stored:
    """Codes and scales of an array of any strides; see `lowbit.quantize` for the arguments."""
    check_arguments(fmt, tensor_amax, tensor_scale, nonfinite)
    if source is NOTHING and nonfinite is transform is None:
        stored = plain_quantize(x, kind, fmt, axis, rounding, tensor_amax, tensor_scale)
        if stored is not None:
            return stored
    mode = find_rounding(rounding)
    axes = normalized_axes(axis, x.ndim, fmt)
    view = dense_view(x, axes, fmt, axis_last=True)
    shape, layout, turn = view.array.shape, None, None
    if transform is not None:
        position = rotation_axis(axis, x.ndim)
        shape, layout, turn = fused_layout(view, position, fmt, transform, packed_geometry)
        if turn is None:  # a pass each
            refuse_nonfinite(read_view(view.array, kind), kind, fmt, nonfinite, x)
            return quantize(
                rotate(x, kind, transform, axis=position),
                kind,
                fmt,
                axis=axis,
                rounding=rounding,
                source=source,
                tensor_amax=tensor_amax,
                tensor_scale=tensor_scale,
                nonfinite=nonfinite,
            )
    logical = tuple(shape[place] for place in view.inverse) if x.ndim else ()
    places = find_places(fmt, mode, source, logical, axes)
    packed = new_array((*shape[:-1], row_bytes(shape[-1], fmt)), np.dtype(np.uint8))
    scales = new_array((0,) if fmt.scale is None else grid_shape(shape, fmt), scale_dtype(fmt))
    if x.size:
        flat = read_view(view.array, kind)
        refuse_nonfinite(flat, kind, fmt, nonfinite, x)
        if turn is not None:
            refuse_overflow(flat, turn, fmt, nonfinite)
        if fmt.sparsity is not None:
            pruned = new_array(shape, view.array.dtype)
            prune(flat, kernel_view(pruned, kind), view, fmt)
            flat = read_view(pruned, kind)
        layout = packed_geometry(shape, fmt) if layout is None else layout
        draws = draws_of(places, logical, view.order)
        job = prepare(flat, fmt, mode, layout, draws, tensor_amax, tensor_scale, turn)
        run_quantize(job, packed.reshape(-1), scales.reshape(-1))
        records = job.plan.record
    else:
        records = tensor_plan(fmt, Rounding.NEAREST_EVEN, tensor_amax or 0.0, tensor_scale).record
    level = float(records[0]["tensor_scale"])
    if fmt.scale is None:
        return Stored(packed, None, level)
    return Stored(packed, scales.view(np.float32) if holds_float32(fmt) else scales, level)


def dequantize(
    stored: Stored, shape: tuple[int, ...], kind: Kind, fmt: BlockFormat, out: np.ndarray | None = None
) -> np.ndarray:
    """The values of a stored tensor, C-contiguous, axes in storage order. `shape` is the unpacked shape.

    out: C-contiguous memory for the result, of that shape.
    """
    result = new_array(shape, DTYPES[kind]) if out is None else out
    if not result.size:
        return result
    layout, packed, flat = packed_geometry(shape, fmt), _read_only(stored.packed), kernel_view(result, kind)
    if fmt.side_bits:
        assert stored.scales is not None
        dequantize_words(packed, stored.scales, flat, stored.tensor_scale, fmt, layout)
        return result
    kernels, plan, level = backends.load(), decode_plan_for(fmt.element), stored.tensor_scale
    words, table = _words(stored.scales, fmt)
    stream = streams(flat, layout)

    def work(first: int, last: int) -> None:
        kernels.dequantize_items(
            packed, words, table, flat, plan.values, plan.record, level, layout.record, stream, first, last
        )

    run(work, layout)
    return result


def _words(scales: np.ndarray | None, fmt: BlockFormat) -> tuple[np.ndarray, np.ndarray]:
    """The words of blocks and the binary32 bits of scales by code, as kernels take them (see `block_words`)."""
    if scales is None or fmt.scale is None:
        return _NOTHING, _NO_TABLE
    if fmt.is_float32_scale:
        return _read_only(scales).view(np.uint32), _NO_TABLE
    return _read_only(scales), _read_only(decoded_scale_bits(fmt))


def _read_only(array: np.ndarray) -> np.ndarray:
    """One-dimensional and read-only, so that arrays of either kind do not need kernels of their own."""
    flat = np.ascontiguousarray(array).reshape(-1).view()
    flat.flags.writeable = False
    return flat


_NOTHING = _read_only(np.zeros(0, np.uint8))
_NO_TABLE = _read_only(np.zeros(0, np.uint32))


def unpack(packed: np.ndarray, columns: int, bits: int) -> np.ndarray:
    """One code an element, shape (..., columns); uint8 up to 8 bits, uint16 up to 16, else uint32."""
    codes = new_array((*packed.shape[:-1], columns), code_dtype(bits))
    if codes.size:
        flat, source, kernels = codes.reshape(-1), _read_only(packed), backends.load()
        chunk = kernels.UNPACK_CHUNK
        width = codes.size if columns * bits % 8 == 0 else columns  # rows that fill whole bytes are one
        kernels.run_ranges(
            lambda first, last: kernels.unpack_items(source, flat, width, bits, first, last),
            codes.size // width * -(-width // chunk),
            grain=max(1, GRAIN_ELEMENTS // min(width, chunk)),
        )
    return codes
