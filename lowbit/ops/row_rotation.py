"""The rotation that a fused kernel applies to the rows of a tensor before it quantizes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowbit import backends
from lowbit.formats.hadamard import Hadamard
from lowbit.ops.running import GRAIN_ELEMENTS
from lowbit.rotation import rotation_for


@dataclass(frozen=True, slots=True)
class RowRotation:
    """`rows` rows of memory, each turned by the rotation whose `arguments` kernels take; `pieces` work items a row."""

    arguments: tuple[np.ndarray, ...]
    rows: int
    pieces: int

    @staticmethod
    def of(transform: Hadamard, rows: int, source: int, target: int) -> "RowRotation":
        """The rotation of rows of `source` elements into rows of `target`, which is `source` padded."""
        pieces = backends.load().rotation_pieces(transform.n, source, 1)
        return RowRotation(rotation_for(transform, source, target, 1).arguments, rows, pieces)

    def amax(self, flat: np.ndarray, *, finite: bool = False) -> int:
        """Bits of the largest magnitude of the rotated tensor; `finite` leaves NaN and infinities out."""
        found = list[int]()
        self._run(flat, finite, self.rows * self.pieces, lambda find, first, last: found.append(find(first, last)))
        return max(found)

    def row_amaxes(self, flat: np.ndarray) -> np.ndarray:
        """Bits of the largest magnitude of every rotated row, NaN and infinities included."""
        amaxes = np.zeros(self.rows, np.uint32)

        def fill(find: Callable[[int, int], int], first: int, last: int) -> None:
            for row in range(first, last):
                amaxes[row] = find(row * self.pieces, (row + 1) * self.pieces)

        self._run(flat, False, self.rows, fill)
        return amaxes

    def _run(self, flat: np.ndarray, finite: bool, items: int, work: Callable[[Any, int, int], None]) -> None:
        kernels = backends.load()
        kernels.run_ranges(
            lambda first, last: work(
                lambda start, stop: int(kernels.rotated_amax(flat, self.arguments, finite, start, stop)), first, last
            ),
            items,
            grain=max(1, GRAIN_ELEMENTS * items // flat.size),
        )
