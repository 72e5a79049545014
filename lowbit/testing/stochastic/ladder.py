"""Numbers between neighbours of a grid, each with the exact count of random words that round it up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lowbit.formats import Stochastic
from lowbit.testing.frames import Frame
from lowbit.testing.numbers import nearest, shifted
from lowbit.testing.stochastic.expectation import ups


@dataclass(frozen=True)
class Ladder:
    """Arrays of one length: numbers x, the values near and far between which they lie, how many of the 2^bits words
    make them far ones (`counts`), and the distances d themselves, rounded to float64.
    """

    x: np.ndarray
    near: np.ndarray
    far: np.ndarray
    counts: np.ndarray
    distances: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def part(self, chosen: slice | np.ndarray) -> "Ladder":
        """Some of the rungs, or all in another order."""
        arrays = (self.x, self.near, self.far, self.counts, self.distances)
        return Ladder(*(array[chosen] for array in arrays))

    def ascending(self) -> "Ladder":
        """By distance."""
        return self.part(np.argsort(self.distances, kind="stable"))


def ladder(
    frame: Frame,
    gaps: Iterable[tuple[float, float]],
    parts: Sequence[Fraction],
    rounding: Stochastic,
    around: tuple[int, ...] = (0,),
) -> Ladder:
    """In each gap the numbers next to these parts of the way, and those some binary32 steps away; each once.

    Distances are exact for the number that the division by the block's scale gives, whichever that is.
    """
    rungs: list[tuple[float, float, float, int, float]] = []
    unit, rule, bits = frame.unit, rounding.rule, rounding.bits
    for near, far in gaps:
        low, span = Fraction(near), Fraction(far) - Fraction(near)
        values = (float(low * unit), float(Fraction(far) * unit))
        middles = {nearest((low + span * part) * unit) for part in parts}
        for x in {shifted(middle, steps) for middle in middles for steps in around}:
            d = (frame.y(x) - low) / span
            if 0 <= d < 1:
                rungs.append((x, *values, ups(rule, bits, d), float(d)))
    columns = list(zip(*sorted(rungs), strict=True)) if rungs else [()] * 5
    kinds = (np.float32, np.float32, np.float32, np.int64, np.float64)
    return Ladder(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))
