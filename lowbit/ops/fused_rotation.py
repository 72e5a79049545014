"""The rotation that a fused kernel applies to a tensor's rows, or down them, before it quantizes what comes out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowbit import backends
from lowbit.formats.hadamard import Hadamard
from lowbit.ops.running import GRAIN_ELEMENTS
from lowbit.rotation import rotation_for


@dataclass(frozen=True, slots=True)
class FusedRotation:
    """`slices` of memory, each turned by the rotation whose `arguments` kernels take; `pieces` work items a slice.

    A slice is a row, or (`down`) a matrix that is rotated down its rows.
    """

    arguments: tuple[np.ndarray, ...]
    slices: int
    pieces: int
    down: bool

    @staticmethod
    def of(transform: Hadamard, slices: int, source: int, target: int, inner: int = 1) -> "FusedRotation":
        """The rotation of `source` elements, `inner` apart, into `target`, which is `source` padded."""
        pieces = backends.load().rotation_pieces(transform.n, source, inner)
        return FusedRotation(rotation_for(transform, source, target, inner).arguments, slices, pieces, inner > 1)

    def amax(self, flat: np.ndarray, *, finite: bool = False) -> int:
        """Bits of the largest magnitude of the rotated tensor; `finite` leaves NaN and infinities out."""
        found = list[int]()
        self._run(flat, finite, self.slices * self.pieces, lambda find, first, last: found.append(find(first, last)))
        return max(found)

    def row_amaxes(self, flat: np.ndarray) -> np.ndarray:
        """Bits of the largest magnitude of every rotated slice, NaN and infinities included."""
        amaxes = np.zeros(self.slices, np.uint32)

        def fill(find: Callable[[int, int], int], first: int, last: int) -> None:
            for row in range(first, last):
                amaxes[row] = find(row * self.pieces, (row + 1) * self.pieces)

        self._run(flat, False, self.slices, fill)
        return amaxes

    def _run(self, flat: np.ndarray, finite: bool, items: int, work: Callable[[Any, int, int], None]) -> None:
        kernels = backends.load()
        amax = kernels.rotated_column_amax if self.down else kernels.rotated_amax
        kernels.run_ranges(
            lambda first, last: work(
                lambda start, stop: int(amax(flat, self.arguments, finite, start, stop)), first, last
            ),
            items,
            grain=max(1, GRAIN_ELEMENTS * items // flat.size),
        )
