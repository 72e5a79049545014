"""What is known of a tensor before its blocks are looked at: plan, second level, maxima, draws, rotation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowbit import backends
from lowbit.block_plans import BlockwisePlan, blockwise_plan
from lowbit.formats.binary32 import INFINITY_BITS, bits_to_float, float_to_bits
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Rounding, Stochastic
from lowbit.geometry import Geometry
from lowbit.lowering import SCALAR, KernelPlan, exact_only
from lowbit.ops.draws import Draws
from lowbit.ops.fused_rotation import FusedRotation
from lowbit.ops.running import GRAIN_ELEMENTS, is_any_set, run
from lowbit.second_level import tensor_plan

NO_AMAXES = np.zeros(0, np.uint32)

Path = Callable[[np.ndarray, int, int], Any]
"""A kernel over items: path(pending, first, last)."""


@dataclass(frozen=True, slots=True)
class Job:
    """A dense tensor (`flat`, one-dimensional) and all that kernels take with it, but where results go.

    given: maxima of blocks too long for the fused pass, as bits (often empty). turn: the rotation of rows that comes
    first. blocks: the plan of a blockwise format.
    """

    flat: np.ndarray
    plan: KernelPlan
    layout: Geometry
    draws: Draws
    given: np.ndarray
    turn: FusedRotation | None = None
    blocks: BlockwisePlan | None = None

    @property
    def kinds(self) -> tuple[Any, Any, Any, Any]:
        """(rotation, draw, chosen, entries) for the vector kernels; each that is not None compiles another one."""
        return (
            self.rotation,
            None if self.plan.nearest_even else self.draws.elements,
            None if self.blocks is None else self.blocks.chosen,
            self.plan.entries,
        )

    @property
    def rotation(self) -> Any:
        """The rotation as kernels take it, or None."""
        return None if self.turn is None else self.turn.arguments

    def run(self, vector: Path, exact: Path) -> None:
        """Run the vector path where the plan has one, then the exact path over the items that it left pending."""
        has_vector = self.plan.record[0]["vector"] != SCALAR
        pending = (np.zeros if has_vector else np.ones)(self.layout.items, np.uint8)
        if has_vector:
            run(lambda first, last: vector(pending, first, last), self.layout)
        if is_any_set(pending):
            run(lambda first, last: exact(pending, first, last), self.layout)


def prepare(
    flat: np.ndarray,
    fmt: BlockFormat,
    mode: Rounding | Stochastic,
    layout: Geometry,
    draws: Draws,
    tensor_amax: float | None,
    tensor_scale: float | None,
    turn: FusedRotation | None = None,
) -> Job:
    """The job of quantizing a tensor; maxima are those of the rotated tensor where a rotation comes first."""
    if fmt.tensor_target is not None and tensor_amax is None and tensor_scale is None:
        tensor_amax = finite_amax(flat) if turn is None else bits_to_float(turn.amax(flat, finite=True))
    if fmt.is_blockwise:
        blocks = blockwise_plan(fmt, mode, tensor_amax, tensor_scale)
        return Job(flat, blocks.lanes, layout, draws, NO_AMAXES, blocks=blocks)
    plan, given = tensor_plan(fmt, mode, tensor_amax, tensor_scale), NO_AMAXES
    if fmt.block is not None and fmt.block.is_tensor:
        given = whole_amax(flat) if turn is None else np.array([turn.amax(flat)], np.uint32)
        if tensor_amax is not None and int(given[0]) < INFINITY_BITS:
            if float_to_bits(tensor_amax) == 0:
                plan = exact_only(plan)  # the vector path takes a zero maximum for a block of zeros
            given[0] = float_to_bits(tensor_amax)
    elif layout.long_run:
        given = _long_amaxes(flat, layout) if turn is None else turn.row_amaxes(flat)
    return Job(flat, plan, layout, draws, given, turn)


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
