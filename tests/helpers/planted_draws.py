"""Stochastic rounding to e2m1 in plain numpy, with defects planted in its random words or in what it does with them."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from lowbit.testing.stochastic.words import contract_words

GRID = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def _drawn(n: np.ndarray, bits: int, seed: int, stream: int, offset: int) -> np.ndarray:
    """The contract's integers of elements with these indices, in any order."""
    table = contract_words(int(n.max()) + 1, bits=bits, seed=seed, stream=stream, offset=offset)
    return table[n].astype(np.int64)


def quantizer(bits: int, defect: str = "") -> Callable[..., np.ndarray]:
    """f(x, seed, stream, offset) for matrices; by the midpoint rule."""

    def quantize(x: np.ndarray, seed: int, stream: int = 0, offset: int = 0) -> np.ndarray:
        r = words((x.shape[0], x.shape[1]), bits, seed, stream, offset, defect)
        y = np.minimum(np.abs(x.astype(np.float64)), 6)
        low = np.minimum(np.searchsorted(GRID, y, side="right") - 1, len(GRID) - 2)
        d = (y - GRID[low]) / (GRID[low + 1] - GRID[low])
        ups = np.floor(d * 2.0**bits + 0.5)
        match defect:
            case "biased by 1/256":
                ups += (d > 0) * 2.0 ** (bits - 8)
            case "biased by -1/256":
                ups -= 2.0 ** (bits - 8)
            case "tiny numbers stay":
                ups[d < 2.0**-8] = 0
            case "large distances always go up":
                ups[d > 1 - 2.0**-8] = 2.0**bits
            case "another rule":
                ups = np.floor(d * 2.0**bits)
            case "rounds to nearest":
                ups = np.where(d > 0.5, 2.0**bits, 0)
        up = (r >= 2.0**bits - ups) & (d > 0)
        return np.copysign(GRID[low + up], x).astype(np.float32)

    return quantize


@lru_cache(maxsize=3)
def words(shape: tuple[int, int], bits: int, seed: int, stream: int, offset: int, defect: str) -> np.ndarray:
    """The integers of a matrix's elements."""
    n = np.arange(shape[0] * shape[1])
    lanes = 128 // bits
    match defect:
        case "a counter late":
            offset += lanes
        case "repeats every 2^12":
            n = n % 4096
        case "repeats every 2^16":
            n = n % 65536
        case "index in the row alone":
            n = n % shape[1]
        case "index along the columns":
            n = n.reshape(shape[::-1]).T.reshape(-1)
        case "shared by neighbours":
            n = n // 2
        case "last word used again":
            n = n - n // lanes  # the first word of a counter is the last one of the counter before
        case "high half of the seed ignored":
            seed &= 0xFFFFFFFF
        case "stream ignored":
            stream = 0
        case "offset ignored":
            offset = 0
        case "seeds shift one sequence":
            n, seed = n + seed % 1000, 0
        case "streams shift one sequence":
            n, stream = n + 5000 * (stream % 1000), 0
        case "offset cut to 32 bits":
            offset &= 0xFFFFFFFF
    r = _drawn(n, bits, seed, stream, offset)
    match defect:
        case "seven bits":
            r &= ~(1 << (bits - 8))
        case "sixteen words of bytes":
            r = r >> (bits - 4) << (bits - 4)
        case "too even":
            r = (n * 2654435769 + seed * 12345) % 2**32 >> (32 - bits)
    r.flags.writeable = False
    return r.reshape(shape)
