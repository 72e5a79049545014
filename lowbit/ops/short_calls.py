"""Short calls: what follows from format, axis, mode and shape alone is found once: it costs more than the work itself.

They serve C-contiguous tensors too small for a second thread, in formats whose vector kernels need nothing else. All
other calls, and all arguments that change anything, take the way of `engine.qdq`, which gives the same bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lowbit import backends
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Stochastic, find_rounding
from lowbit.geometry import Geometry, geometry, normalized_axes
from lowbit.lowering import SCALAR, KernelPlan, plan_for
from lowbit.ops.dense import DTYPES, Kind, check_out, kernel_view, read_view
from lowbit.ops.draws import NO_DRAW
from lowbit.ops.preparation import NO_AMAXES
from lowbit.ops.running import GRAIN_ELEMENTS, is_any_set


@dataclass(frozen=True, slots=True)
class _Route:
    """What short calls of one kind have in common; `kernel` is `qdq_items` as compiled for them."""

    plan: KernelPlan
    layout: Geometry
    kernel: Callable[..., Any]

    def run(self, source: np.ndarray, target: np.ndarray, kind: Kind) -> None:
        """Fake-quantize from dense memory into dense memory of the same kind, or in place."""
        flat, written, items = kernel_view(source, kind), kernel_view(target, kind), self.layout.items
        pending = np.zeros(items, np.uint8)
        self.kernel(*_arguments(self.plan, self.layout, flat, written, pending))
        if is_any_set(pending):
            record, grid, table = self.plan.record, self.layout.record, self.plan.table
            flat = read_view(source, kind)
            backends.load().exact_qdq_items(
                flat, written, record, table, grid, NO_AMAXES, None, NO_DRAW, pending, 0, items
            )


def _arguments(
    plan: KernelPlan, layout: Geometry, flat: np.ndarray, written: np.ndarray, pending: np.ndarray
) -> tuple[Any, ...]:
    """All that `qdq_items` takes."""
    none = None
    return (
        flat, written, plan.record, layout.record, NO_AMAXES, none, none, none, plan.entries, False,
        pending, 0, layout.items,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _route(fmt: BlockFormat, axis: Any, rounding: str, shape: tuple[int, ...], kind: Kind) -> _Route | None:
    """The route of a short call; None if it is none. Raises what checking these arguments raises."""
    plain = fmt.tensor_target is None and not fmt.is_blockwise and fmt.sparsity is None and fmt.has_nan
    if not plain or not shape or 0 in shape or (fmt.block is not None and (fmt.block.is_tensor or fmt.block.is_tile)):
        return None
    mode, axes = find_rounding(rounding), normalized_axes(axis, len(shape), fmt)
    if isinstance(mode, Stochastic):
        return None
    plan, layout = plan_for(fmt, mode), geometry(shape, axes, fmt)
    if layout is None or layout.long_run or not plan.nearest_even or plan.record[0]["vector"] == SCALAR:
        return None
    empty, kernels = np.empty(0, DTYPES[kind]), backends.load()
    types = _arguments(plan, layout, read_view(empty, kind), kernel_view(empty, kind), np.zeros(0, np.uint8))
    return _Route(plan, layout, kernels.entry_point(kernels.qdq_items, types))


def short_qdq(
    x: np.ndarray, kind: Kind, fmt: BlockFormat, axis: Any, rounding: str | Stochastic, out: np.ndarray | None
) -> np.ndarray | None:
    """The fake-quantized array, or None for calls that are not short."""
    known = isinstance(axis, int) and isinstance(rounding, str)  # pairs are for tiles, which are not short
    if not known or x.size >= 2 * GRAIN_ELEMENTS or not _is_behaved(x):
        return None
    route = _route(fmt, axis, rounding, x.shape, kind)
    if route is None:
        return None
    if out is None:
        target = np.empty(x.shape, x.dtype)
    elif out is x or not _is_behaved(out):
        return None
    else:
        check_out(out, x)
        target = out
    route.run(x, target, kind)
    return target


def _is_behaved(array: np.ndarray) -> bool:
    """Whether its memory is what the compiled kernels of short calls expect; np.matrix for one never is flat."""
    flags = array.flags
    return type(array) is np.ndarray and flags.c_contiguous and flags.aligned
