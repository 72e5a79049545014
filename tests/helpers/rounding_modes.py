"""Every way to round an element, and numbers on and next to the thresholds of stochastic rounding."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np

from lowbit.formats import Codebook, Element, Rounding, Stochastic, StochasticRule

DETERMINISTIC = tuple(mode.value for mode in Rounding if mode is not Rounding.STOCHASTIC)
STOCHASTIC = tuple(Stochastic(bits=bits, rule=rule) for rule, bits in product(StochasticRule, (8, 16, 32)))
MODES: tuple[str | Stochastic, ...] = (*DETERMINISTIC, *STOCHASTIC)
OTHERS = MODES[1:]
"""All but nearest_even, which the other conformance tests have."""


def draws(mode: str | Stochastic, **arguments: int) -> dict[str, int]:
    """Arguments that a mode draws from, none where it draws nothing."""
    return {"seed": 0x9E3779B97F4A7C15, "stream": 7, **arguments} if isinstance(mode, Stochastic) else {}


def near_thresholds(e: Element, random: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    """One binary32 number for each random integer: on, just below or just above where that integer makes it go up.

    That is at d = (2^b - r - 1/2) / 2^b or d = (2^b - r) / 2^b, or where d is almost nothing.
    """
    signed = e.values()
    values = signed if isinstance(e, Codebook) else tuple(value for value in signed if value >= 0)
    pairs = list(pairwise(Fraction(value) for value in values))
    numbers = np.empty(len(random), np.float32)
    for index, r in enumerate(random.tolist()):
        low, high = pairs[rng.integers(0, len(pairs))]
        d = Fraction(2 * ((1 << bits) - r) - int(rng.integers(0, 2)), 2 << bits)
        little = [Fraction(1, 4 << bits), Fraction(1, 2 << bits), Fraction(1, 1 << bits), Fraction(1, 10**20)]
        d = [d, d, d, *little][rng.integers(0, 7)]
        number = np.float32(float(low + (high - low) * d))
        number = np.nextafter(number, np.float32(rng.choice([float(number), -np.inf, np.inf])))
        mirror = not isinstance(e, Codebook) and e.signed and rng.random() < 0.5
        numbers[index] = -number if mirror else number
    return numbers
