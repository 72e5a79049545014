"""Exact probabilities by enumeration: every random word meets every fraction, and exactly the promised ones go up."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lowbit.testing.numbers import few
from lowbit.testing.stochastic.bench import Bench
from lowbit.testing.stochastic.ladder import Ladder, ladder
from lowbit.testing.stochastic.records import Enumeration
from lowbit.testing.stochastic.words import contract_words

BITS = 8
WORDS = 1 << BITS

PARTS = [Fraction(step, 2 * WORDS) for step in range(2 * WORDS)]
"""Every threshold of every rule: they lie at multiples of 2^-b and halfway between (contract §5)."""


def enumerate_words(bench: Bench, *, gaps: int | None, seed: int) -> Enumeration:
    """All 256 words for numbers on, below and above every threshold, in so many gaps of the grid (None: in all).

    Which word an element draws is known from the contract; a fraction is put under each word, in some order, by giving
    the k-th element that draws a word the k-th fraction. So every pair occurs, and the coverage is counted.
    """
    chosen = bench.gaps if gaps is None else few(bench.gaps, gaps)
    rungs = ladder(bench.frame, chosen, PARTS, bench.rounding, around=(-1, 0, 1))
    room = bench.free.size // WORDS
    size = room - 6 * int(room**0.5)  # the rarest word occurs so often, all but surely
    totals = Enumeration(gaps=len(chosen), of_gaps=len(bench.gaps))
    for number, start in enumerate(range(0, len(rungs), size)):
        totals += _compared(bench, rungs.part(slice(start, start + size)), seed + number)
    return totals


def _compared(bench: Bench, rungs: Ladder, seed: int) -> Enumeration:
    words = contract_words(bench.template.size, bits=BITS, seed=seed)[bench.free].astype(np.int64)
    place = _dealt(words, len(rungs))
    got = bench.results(rungs.x[place], seed=seed)
    up = words >= WORDS - rungs.counts[place]
    near, far = rungs.near[place], rungs.far[place]
    wrong = got != np.where(up, far, near)
    pairs = place * WORDS + words
    met = np.bincount(pairs, minlength=len(rungs) * WORDS)
    went = np.bincount(pairs[got == far], minlength=len(met))
    by_word = ((went > 0) & (went == met)).reshape(-1, WORDS).sum(axis=1)
    return Enumeration(
        fractions=len(rungs),
        elements=got.size,
        pairs=int(np.count_nonzero(met)),
        uncovered=int((met == 0).sum()),
        ambiguous=int(((went > 0) & (went < met)).sum()),
        miscounted=int((by_word != rungs.counts).sum()),
        wrong=int(wrong.sum()),
        first=_told(bench, rungs, place, words, got, int(np.argmax(wrong)), seed) if wrong.any() else "",
    )


def _dealt(words: np.ndarray, count: int) -> np.ndarray:
    """For each element which fraction it gets: the k-th one with the same word gets fraction k, and so around."""
    order = np.argsort(words.astype(np.uint8), kind="stable")
    ordered = words[order]
    starts = np.searchsorted(ordered, np.arange(WORDS))
    place = np.empty(len(words), np.int64)
    place[order] = (np.arange(len(words)) - starts[ordered]) % count
    return place


def _told(
    bench: Bench, rungs: Ladder, place: np.ndarray, words: np.ndarray, got: np.ndarray, where: int, seed: int
) -> str:
    rung, word = int(place[where]), int(words[where])
    goes = "up" if word >= WORDS - rungs.counts[rung] else "down"
    sides: Sequence[float] = (float(rungs.near[rung]), float(rungs.far[rung]))
    return (
        f"element {int(bench.free[where])} of shape {bench.template.shape}, seed {seed}: x = {float(rungs.x[rung])!r} "
        f"between {sides[0]:g} and {sides[1]:g}, d = {rungs.distances[rung]:.9g}, r = {word}: goes {goes} "
        f"({int(rungs.counts[rung])} of {WORDS} words go up), got {float(got[where]):g}"
    )
