"""All tests of a source of random integers: of one sequence, and of sequences with neighbouring seeds and streams."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lowbit.testing.stochastic.battery import battery
from lowbit.testing.stochastic.correlations import LAGS, bit_pairs, crossed, every_lag, lag_tests
from lowbit.testing.stochastic.records import StatisticalTest

Read = Callable[..., np.ndarray]
"""read(seed=, stream=, offset=) -> the integers of a tensor's elements."""

OTHERS: dict[str, dict[str, int]] = {
    "the next seed": {"seed": 1},
    "a seed 2^32 later": {"seed": 1 << 32},
    "the next stream": {"stream": 1},
    "the stream of scales": {"stream": 1 << 31},
    "an offset of 2^34": {"offset": 1 << 34},
}
"""Sequences that must have nothing to do with that of the first seed, stream 0 and offset 0: what is added to those."""


def independence_tests(
    read: Read, *, resolution: int, places: np.ndarray, row: int, seed: int, accepts: frozenset[str]
) -> Iterator[StatisticalTest]:
    """Tests of integers of `resolution` bits, of elements at `places` in a tensor of rows of length `row`.

    Arguments that the source does not take are left alone; where it takes none, each call is a sequence of its own.
    """
    first = read(seed=seed, stream=0, offset=0)
    yield from battery(packed(first, resolution))
    yield from lag_tests(first, places, resolution, sorted({*LAGS, row - 1, row, row + 1}))
    yield every_lag(first, resolution)
    yield bit_pairs(first, resolution, 1)
    if resolution > 1:
        yield bit_pairs(first, resolution, 0)
    for name, more in OTHERS.items() if accepts else [("the next call", {})]:
        if not more.keys() <= accepts and accepts:
            continue
        draws: dict[str, Any] = {"seed": seed, "stream": 0, "offset": 0}
        other = read(**{key: value + more.get(key, 0) for key, value in draws.items()})
        yield from crossed(f"with {name}", first, other, resolution)


def packed(drawn: np.ndarray, resolution: int) -> np.ndarray:
    """All random bits in uint32 words, those of the first element lowest."""
    if resolution == 1:
        octets = np.packbits(drawn.astype(np.uint8), bitorder="little")
    else:
        octets = drawn.astype({8: np.uint8, 16: np.uint16, 32: np.uint32}[resolution]).view(np.uint8)
    return octets[: len(octets) // 4 * 4].view(np.uint32)
