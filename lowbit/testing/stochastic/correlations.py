"""Independence: of an element and others of its tensor, of its bits, and of tensors with other seeds and streams."""

from collections.abc import Iterable, Iterator
from math import sqrt

import numpy as np

from lowbit.testing.stochastic.pvalues import chi_square, largest, normal
from lowbit.testing.stochastic.records import StatisticalTest

LAGS = (1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 1024)
"""Distances of elements that have a test of their own: neighbours, lanes of a counter, vectors, blocks, rows."""

NEAR = 8
"""Lags up to here, both ways, are tested together between two tensors."""


def centred(drawn: np.ndarray, resolution: int) -> np.ndarray:
    """Integers of so many random bits as numbers of mean 0 and variance 1."""
    whole = 1 << resolution
    return (drawn - (whole - 1) / 2) / sqrt((whole**2 - 1) / 12)


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """The sum of products, in one thread and one order: BLAS's depends on the machine."""
    return float(np.einsum("i,i->", a, b))


def lag_tests(drawn: np.ndarray, places: np.ndarray, resolution: int, lags: Iterable[int]) -> Iterator[StatisticalTest]:
    """The correlation of elements at each lag; `places` are their indices in the tensor, which may have holes."""
    line, there = np.zeros(places[-1] + 1), np.zeros(places[-1] + 1, bool)
    line[places], there[places] = centred(drawn, resolution), True
    for lag in lags:
        pairs = int(np.count_nonzero(there[lag:] & there[:-lag]))
        if pairs:
            z = dot(line[lag:], line[:-lag]) / sqrt(pairs)
            yield normal(f"elements at lag {lag}", z, f"{pairs} pairs")


def every_lag(drawn: np.ndarray, resolution: int) -> StatisticalTest:
    """The largest correlation of a sequence with itself, shifted by any lag around its ends."""
    return _largest("elements at any lag", *[centred(drawn, resolution)] * 2)


def _largest(name: str, first: np.ndarray, second: np.ndarray) -> StatisticalTest:
    """By convolution; the lag 0 of a sequence with itself is no news, and its lags are counted once."""
    same = first is second
    product = np.fft.irfft(np.fft.rfft(first) * np.conj(np.fft.rfft(second)), len(first)) / sqrt(len(first))
    product = product[1 : len(first) // 2] if same else product
    where = int(np.abs(product).argmax())
    return largest(name, float(abs(product[where])), len(product), f"at lag {where + same}, of {len(product)}")


def bit_pairs(drawn: np.ndarray, resolution: int, lag: int) -> StatisticalTest:
    """Correlations of all pairs of bit positions, within an element (lag 0) or between one and the next."""
    n = len(drawn) - lag
    bits = [((drawn >> np.uint32(bit)) & 1).astype(np.uint8) for bit in range(resolution)]
    first, second = (np.array([np.packbits(line[shift : n + shift]) for line in bits]) for shift in (0, lag))
    differ = np.array([np.bitwise_count(line ^ second).sum(axis=1, dtype=np.int64) for line in first])
    z = (n - 2 * differ) / sqrt(n)
    z = z[np.triu_indices(resolution, 1)] if lag == 0 else z.reshape(-1)
    where = "within elements" if lag == 0 else "of neighbours"
    return chi_square(f"bit positions {where}", float((z**2).sum()), z.size, f"{z.size} pairs")


def crossed(name: str, first: np.ndarray, second: np.ndarray, resolution: int) -> Iterator[StatisticalTest]:
    """Correlations between two tensors' elements: at the same place and near it together, and the largest at all."""
    a, b = centred(first, resolution), centred(second, resolution)
    n = len(a)
    z = [dot(a[max(lag, 0) : n + min(lag, 0)], b[max(-lag, 0) : n - max(lag, 0)]) for lag in range(-NEAR, NEAR + 1)]
    statistic = sum(value**2 / (n - abs(lag)) for value, lag in zip(z, range(-NEAR, NEAR + 1), strict=True))
    yield chi_square(f"{name}, near lags", statistic, len(z), f"lags -{NEAR} ... {NEAR}")
    yield _largest(f"{name}, any lag", a, b)
