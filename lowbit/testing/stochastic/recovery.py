"""The random bits that a quantizer really uses, read from its results by bisection.

A number k/2^m of the way up goes up iff the first m random bits are at least 2^m - k (in every rule: such distances are
not rounded). So m calls with the same draws, each at its own distance an element, find them all: no access to the
quantizer's internals is needed, and what is tested afterwards is what the kernel did, not what a generator would do.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from lowbit.testing.stochastic.bench import Bench
from lowbit.testing.stochastic.ladder import Ladder, ladder
from lowbit.testing.stochastic.records import Identity
from lowbit.testing.stochastic.words import contract_words

COARSE, FINE = 8, 16
"""Bits that are read from an element: so many where distances are not exact anyway, or not more are drawn."""


@dataclass(frozen=True)
class Recovery:
    """How bits are read from a bench. Quantizers with random bits of their own give one bit an element and call."""

    bench: Bench

    @property
    def resolution(self) -> int:
        """Bits that are read from each element."""
        if self.bench.own:
            return 1
        return FINE if self.bench.rounding.bits > COARSE and self._exact_gap is not None else COARSE

    @cached_property
    def rungs(self) -> Ladder:
        """The numbers k/2^m of the way, from k = 0 on, in a gap whose points binary32 has exactly if there is one.

        Else those next to these points whose counts of random words are nearest to what they should be.
        """
        whole, mode = 1 << self.resolution, self.bench.rounding
        parts = [Fraction(k, whole) for k in range(whole)]
        if self._exact_gap is not None:
            return ladder(self.bench.frame, [self._exact_gap], parts, mode).ascending()
        found = ladder(self.bench.frame, self._around[:1], parts, mode, around=(-1, 0, 1)).ascending()
        wanted = np.arange(whole, dtype=np.int64)[:, None] << (mode.bits - self.resolution)
        return found.part(np.abs(found.counts - wanted).argmin(axis=1))

    @property
    def _around(self) -> list[tuple[float, float]]:
        middle = len(self.bench.gaps) * 2 // 3  # well among the positive ones of a signed grid
        return [*self.bench.gaps[middle:], *reversed(self.bench.gaps[:middle])]

    @cached_property
    def _exact_gap(self) -> tuple[float, float] | None:
        return next((gap for gap in self._around if self._is_exact(Fraction(gap[0]), Fraction(gap[1]))), None)

    def _is_exact(self, near: Fraction, far: Fraction) -> bool:
        step = (far - near) / (1 << FINE)
        return all(self.bench.frame.solve(point) is not None for point in (near + step, far - step))

    def read(self, *, seed: int, stream: int = 0, offset: int = 0) -> tuple[np.ndarray, Identity]:
        """The first bits of every free element's random integer (uint32), and how they compare with the contract's."""
        bench, rungs, bits = self.bench, self.rungs, self.bench.rounding.bits
        draws = {"seed": seed, "stream": stream, "offset": offset}
        contract = None
        if not bench.own:
            contract = contract_words(bench.template.size, bits=bits, **draws)[bench.free].astype(np.int64)
        found = np.zeros(bench.free.size, np.int64)
        compared = wrong = strange = 0
        for place in reversed(range(self.resolution)):
            asked = found | 1 << place
            steps = (1 << self.resolution) - asked
            got = bench.results(rungs.x[steps], **draws)
            up = got == rungs.far[steps]
            strange += int((~up & (got != rungs.near[steps])).sum())
            found = np.where(up, asked, found)
            if contract is not None:
                wrong += int((up != (contract >= (1 << bits) - rungs.counts[steps])).sum())
                compared += up.size
        return found.astype(np.uint32), Identity(compared=compared, wrong=wrong, strange=strange)
