"""Quantizing to packed codes, and the plain calls of it, where all else follows from format, axis, mode and shape.

What follows is found once for plain calls: C-contiguous tensors whose block axes are last, nothing drawn, no exceptions
among the arguments. After a pass over a large tensor the instructions that would find it again come from main memory,
which was measured to cost 4 % of a call on 64 MiB. All other calls go through `storage.quantize`, to the same bits.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lowbit import backends
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Rounding, Stochastic, find_rounding
from lowbit.geometry import Geometry, normalized_axes
from lowbit.ops.blockwise import exact_blocks, vector_blocks
from lowbit.ops.dense import Kind, new_array, past_caches, read_view
from lowbit.ops.draws import NO_DRAW, Draws
from lowbit.ops.preparation import NO_AMAXES, Job, finite_amax
from lowbit.ops.storage_layout import Stored, grid_shape, holds_float32, packed_geometry, row_bytes, scale_dtype
from lowbit.second_level import tensor_plan

NO_DRAWS = Draws(NO_DRAW, NO_DRAW)


@dataclass(frozen=True, slots=True)
class _Route:
    """Mode and grid of a plain call, shapes and types of its results (`scales` is (0,) for a plain cast)."""

    mode: Rounding
    layout: Geometry
    packed: tuple[int, ...]
    scales: tuple[int, ...]
    scale_dtype: np.dtype


@lru_cache(maxsize=1024)
def _route(fmt: BlockFormat, axis: Any, rounding: str | Stochastic, shape: tuple[int, ...]) -> _Route | None:
    """What follows from the arguments of a plain call, None if it is none. Raises what checking them raises."""
    mode, axes = find_rounding(rounding), normalized_axes(axis, len(shape), fmt)
    moves = axes != tuple(range(len(shape) - len(axes), len(shape)))
    if (
        not shape
        or 0 in shape
        or moves
        or isinstance(mode, Stochastic)
        or (fmt.block is not None and fmt.block.is_tensor)
    ):
        return None
    if fmt.is_blockwise or fmt.sparsity is not None or not fmt.has_nan or fmt.needs_seed:
        return None
    layout = packed_geometry(shape, fmt)
    if layout.long_run:
        return None
    scales = (0,) if fmt.scale is None else grid_shape(shape, fmt)
    return _Route(mode, layout, (*shape[:-1], row_bytes(shape[-1], fmt)), scales, scale_dtype(fmt))


def plain_quantize(
    x: np.ndarray,
    kind: Kind,
    fmt: BlockFormat,
    axis: Any,
    rounding: str | Stochastic,
    tensor_amax: float | None,
    tensor_scale: float | None,
) -> Stored | None:
    """Codes and scales, or None for calls that are not plain. The tensor arguments are checked already."""
    known = isinstance(axis, int) and isinstance(rounding, str | Stochastic)
    route = _route(fmt, axis, rounding, x.shape) if known and x.flags.c_contiguous else None
    if route is None:
        return None
    packed, scales = new_array(route.packed, np.dtype(np.uint8)), new_array(route.scales, route.scale_dtype)
    flat = read_view(x, kind)
    if fmt.tensor_target is not None and tensor_amax is tensor_scale is None:
        tensor_amax = finite_amax(flat)
    plan = tensor_plan(fmt, route.mode, tensor_amax, tensor_scale)
    run_quantize(Job(flat, plan, route.layout, NO_DRAWS, NO_AMAXES), packed.reshape(-1), scales.reshape(-1))
    level = float(plan.record[0]["tensor_scale"])
    if fmt.scale is None:
        return Stored(packed, None, level)
    return Stored(packed, scales.view(np.float32) if holds_float32(fmt) else scales, level)


def run_quantize(job: Job, packed: np.ndarray, scales: np.ndarray) -> None:
    """Quantize into one-dimensional memory for codes and block words."""
    kernels, record, grid = backends.load(), job.plan.record, job.layout.record
    flat, given, rotation = job.flat, job.given, job.rotation
    kinds, draw = job.kinds, job.draws.elements
    stream = past_caches(packed, packed.size)

    def exact(pending: np.ndarray, first: int, last: int) -> None:
        table = job.plan.table
        kernels.exact_quantize_items(
            flat, packed, scales, record, table, grid, given, rotation, draw, pending, first, last
        )

    nothing = flat if job.blocks is None else flat[:0].copy()  # values, which only kernels of blockwise formats want
    job.run(
        vector_blocks(job, nothing, packed, scales)
        or (
            lambda pending, first, last: kernels.quantize_items(
                flat, packed, scales, record, grid, given, *kinds, stream, pending, first, last
            )
        ),
        exact if job.blocks is None else exact_blocks(job, nothing, packed, scales),
    )
