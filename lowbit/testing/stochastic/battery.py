"""A small battery of tests of random words, each on a different way to be predictable. None knows the generator.

Sources: Knuth, The Art of Computer Programming 2, section 3.3.2 (frequency, serial, gap, runs, birthday spacings);
Marsaglia's DIEHARD (ranks of binary matrices); PractRand (Hamming weights of neighbouring words).
"""

from collections.abc import Callable
from math import comb, sqrt

import numpy as np

from lowbit.testing.stochastic.pvalues import chi_square, counts, normal, poisson
from lowbit.testing.stochastic.records import StatisticalTest

MATRIX = 64
"""Rows and columns of the binary matrices: a linear generator of fewer bits of state has a smaller rank."""

BIRTHDAYS = 4096
"""Words among which equal spacings are counted; about one spacing in a thousand is equal to another."""

GAP_SHARE = 8
"""One byte in so many is a hit of the gap test."""

LONGEST_GAP = 40
"""Gaps from here on are one class."""


def battery(words: np.ndarray) -> list[StatisticalTest]:
    """All tests of uint32 words, of which there should be 2^15 or more."""
    return [test(words) for test in TESTS]


def bit_frequency(words: np.ndarray) -> StatisticalTest:
    """How often each of the 32 bits is set."""
    ones = np.array([int(((words >> np.uint32(bit)) & 1).sum()) for bit in range(32)])
    statistic = float(((2.0 * ones - len(words)) ** 2 / len(words)).sum())
    return chi_square("bits", statistic, 32, "each of 32 positions")


def byte_frequency(words: np.ndarray) -> StatisticalTest:
    """How often each byte occurs."""
    return counts("bytes", np.bincount(words.view(np.uint8), minlength=256), np.full(256, 1 / 256))


def serial_pairs(words: np.ndarray) -> StatisticalTest:
    """How often each pair of neighbouring bytes occurs, or of neighbouring half bytes where there are few words."""
    symbols, base = words.view(np.uint8), 256
    if len(symbols) < 10 * 256**2:
        symbols, base = np.stack([symbols & 15, symbols >> 4], axis=1).reshape(-1)[: len(symbols) * 2], 16
    first, second = symbols[: len(symbols) // 2 * 2].reshape(-1, 2).astype(np.int64).T
    observed = np.bincount(first * base + second, minlength=base**2)
    return counts("serial pairs", observed, np.full(base**2, base**-2.0), f"pairs of {base} symbols")


def bit_runs(words: np.ndarray) -> StatisticalTest:
    """How many runs of equal bits there are (Wald and Wolfowitz)."""
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    n, ones = len(bits), int(bits.sum())
    runs = 1 + int(np.count_nonzero(bits[1:] != bits[:-1]))
    if ones in (0, n):
        return StatisticalTest(name="runs of bits", detail="all bits are equal", statistic=1.0, p=0.0)
    mean = 1 + 2 * ones * (n - ones) / n
    deviation = sqrt((mean - 1) * (mean - 2) / (n - 1))
    return normal("runs of bits", (runs - mean) / deviation, f"{runs} runs")


def gaps(words: np.ndarray) -> StatisticalTest:
    """How many bytes lie between one below 32 and the next."""
    hits = np.flatnonzero(words.view(np.uint8) < 256 // GAP_SHARE)
    lengths = np.minimum(np.diff(hits) - 1, LONGEST_GAP)
    miss = 1 - 1 / GAP_SHARE
    chances = np.append(miss ** np.arange(LONGEST_GAP) / GAP_SHARE, miss**LONGEST_GAP)
    return counts("gaps between small bytes", np.bincount(lengths, minlength=LONGEST_GAP + 1), chances)


def birthday_spacings(words: np.ndarray) -> StatisticalTest:
    """How many spacings of sorted words are equal: lattices have too many or too few."""
    groups = len(words) // BIRTHDAYS
    ordered = np.sort(words[: groups * BIRTHDAYS].reshape(groups, BIRTHDAYS), axis=1).astype(np.int64)
    spacings = np.sort(np.diff(ordered, axis=1), axis=1)
    equal = int(np.count_nonzero(spacings[:, 1:] == spacings[:, :-1]))
    mean = groups * BIRTHDAYS**3 / (4 * 2.0**32)
    return poisson("birthday spacings", equal, mean, f"equal spacings in {groups} groups of {BIRTHDAYS}")


def matrix_ranks(words: np.ndarray) -> StatisticalTest:
    """Ranks of binary matrices made of the words: full, one less, or smaller still."""
    size = len(words) // (2 * MATRIX)
    rows = words[: size * 2 * MATRIX].view(np.uint64).reshape(size, MATRIX)
    ranks = np.clip(MATRIX - binary_ranks(rows), 0, 2)
    full = float(np.prod(1 - 0.5 ** np.arange(1, MATRIX + 1)))
    chances = np.array([full, 2 * full, 1 - 3 * full])  # 2 full (1 - 2^-64)^2: the same in binary64
    return counts("ranks of binary matrices", np.bincount(ranks, minlength=3), chances, f"{size} of {MATRIX}x{MATRIX}")


def binary_ranks(matrices: np.ndarray) -> np.ndarray:
    """Ranks over the field of two elements of uint64 (matrices, rows): elimination from the highest bit on."""
    left, ranks = matrices.copy(), np.zeros(len(matrices), np.int64)
    used = np.zeros(left.shape, bool)
    every = np.arange(len(left))
    for bit in reversed(range(64)):
        has = ((left >> np.uint64(bit)) & np.uint64(1)).astype(bool)
        candidates = has & ~used
        pivot, found = candidates.argmax(axis=1), candidates.any(axis=1)
        rows = np.where(found, left[every, pivot], np.uint64(0))
        has[every, pivot] = False
        left ^= np.where(has, rows[:, None], np.uint64(0))
        used[every[found], pivot[found]] = True
        ranks += found
    return ranks


def hamming_weights(words: np.ndarray) -> StatisticalTest:
    """How many bits are set in one word and in the next: low weights must not follow low weights."""
    weights = np.array([comb(32, k) for k in range(33)]) / 2.0**32
    classes = np.digitize(np.arange(33), (13, 15, 16, 17, 18, 20))
    chances = np.bincount(classes, weights)
    found = classes[np.bitwise_count(words[: len(words) // 2 * 2])].reshape(-1, 2)
    observed = np.bincount(found[:, 0] * len(chances) + found[:, 1], minlength=len(chances) ** 2)
    return counts("Hamming weights of neighbours", observed, np.outer(chances, chances).reshape(-1))


TESTS: tuple[Callable[[np.ndarray], StatisticalTest], ...] = (
    bit_frequency,
    byte_frequency,
    serial_pairs,
    bit_runs,
    gaps,
    birthday_spacings,
    matrix_ranks,
    hamming_weights,
)
