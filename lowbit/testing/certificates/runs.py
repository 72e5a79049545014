"""What is expected of all patterns: one code, and one value, for each run of patterns between two boundaries."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

REFUSED = -1
"""In place of a code: the input must raise (contract §8)."""


@dataclass(frozen=True, slots=True)
class Runs:
    """From `firsts[i]` to the next one, or to `end`, patterns have `codes[i]` and decode to the binary32 bits
    `values[i]`; firsts start at 0 and ascend."""

    firsts: tuple[int, ...]
    codes: tuple[int, ...]
    values: tuple[int, ...]
    end: int

    def within(self, first: int, last: int) -> Iterator[tuple[int, int, int, int]]:
        """(start, stop, code, value) of the parts of runs that lie in first..last."""
        run = bisect_right(self.firsts, first) - 1
        while first < last:
            stop = min(last, self.firsts[run + 1] if run + 1 < len(self.firsts) else self.end)
            yield first, stop, self.codes[run], self.values[run]
            first, run = stop, run + 1

    def look_up(self, patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(codes, values) of any patterns."""
        run = np.searchsorted(np.array(self.firsts), patterns, "right") - 1
        return np.array(self.codes)[run], np.array(self.values)[run]

    @property
    def refused(self) -> int:
        """How many patterns must raise."""
        return sum(stop - start for start, stop, code, _ in self.within(0, self.end) if code == REFUSED)


def runs_of(parts: list[tuple[int, int, int]], end: int) -> Runs:
    """Runs from (first pattern, code, value); a later part replaces an earlier one that starts at the same pattern."""
    last = {first: (code, value) for first, code, value in sorted(parts, key=lambda part: part[0])}
    kept: list[tuple[int, int, int]] = []
    for first, (code, value) in last.items():
        if not kept or (code, value) != kept[-1][1:]:
            kept.append((first, code, value))
    firsts, codes, values = zip(*kept, strict=True)
    return Runs(firsts, codes, values, end)
