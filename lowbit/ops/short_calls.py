"""Short calls: what follows from format, axis, mode and shape alone is found once: it costs more than the work itself.

They serve C-contiguous tensors too small for a second thread, in formats whose vector kernels need nothing else. All
other calls, and all arguments that change anything, take the way of `engine.qdq`, which gives the same bits.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from lowbit import backends
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Stochastic, find_rounding
from lowbit.geometry import Geometry, geometry, normalized_axes
from lowbit.lowering import SCALAR, KernelPlan, plan_for
from lowbit.ops.dense import Kind, check_out, kernel_view
from lowbit.ops.draws import NO_DRAW
from lowbit.ops.preparation import NO_AMAXES
from lowbit.ops.running import GRAIN_ELEMENTS


@lru_cache(maxsize=1024)
def _route(
    fmt: BlockFormat, axis: Any, rounding: str | Stochastic, shape: tuple[int, ...]
) -> tuple[KernelPlan, Geometry] | None:
    """The plan and grid of a short call; None if it is none. Raises what checking these arguments raises."""
    plain = fmt.tensor_target is None and not fmt.is_blockwise and fmt.sparsity is None and fmt.has_nan
    if not plain or not shape or 0 in shape or (fmt.block is not None and (fmt.block.is_tensor or fmt.block.is_tile)):
        return None
    mode, axes = find_rounding(rounding), normalized_axes(axis, len(shape), fmt)
    if isinstance(mode, Stochastic):
        return None
    plan, layout = plan_for(fmt, mode), geometry(shape, axes, fmt)
    if layout is None or layout.long_run or not plan.nearest_even or plan.record[0]["vector"] == SCALAR:
        return None
    return plan, layout


def short_qdq(
    x: np.ndarray, kind: Kind, fmt: BlockFormat, axis: Any, rounding: str | Stochastic, out: np.ndarray | None
) -> np.ndarray | None:
    """The fake-quantized array, or None for calls that are not short."""
    known = isinstance(axis, int) and isinstance(rounding, str | Stochastic)  # pairs are for tiles, which are not short
    if x.size >= 2 * GRAIN_ELEMENTS or not x.flags.c_contiguous or not known:
        return None
    route = _route(fmt, axis, rounding, x.shape)
    if route is None:
        return None
    if out is None:
        target = np.empty(x.shape, x.dtype)
    elif out is x or not out.flags.c_contiguous:
        return None
    else:
        check_out(out, x)
        target = out
    plan, layout = route
    record, grid, items = plan.record, layout.record, layout.items
    flat, written = kernel_view(x, kind).view(), kernel_view(target, kind)
    flat.flags.writeable = False
    pending, kernels = np.zeros(items, np.uint8), backends.load()
    kernels.qdq_items(flat, written, record, grid, NO_AMAXES, None, None, None, plan.entries, False, pending, 0, items)
    if pending.any():
        kernels.exact_qdq_items(flat, written, record, plan.table, grid, NO_AMAXES, None, NO_DRAW, pending, 0, items)
    return target
