"""What the four stochastic rules promise, in closed form on exact rationals: how many random words go up (contract §5).

Independent of kernels, lowering and oracle. All rules are monotone in r, so a count says which words go up: the
largest.
"""

from fractions import Fraction
from math import floor

from lowbit.formats import StochasticRule

HALF = Fraction(1, 2)


def ups(rule: StochasticRule, bits: int, d: Fraction) -> int:
    """How many of the 2^bits values of r round a number at distance 0 <= d < 1 to its farther neighbour.

    With D = d * 2^b: d + (2r+1)/2^(b+1) >= 1 holds from r = 2^b - floor(D + 1/2) on, d + r/2^b >= 1 from
    2^b - floor(D) on, and the nearest rules round D to an integer first. A number goes up iff r >= 2^b - ups.
    """
    steps = d * (1 << bits)
    match rule:
        case StochasticRule.MIDPOINT:
            return floor(steps + HALF)
        case StochasticRule.BIASED:
            return floor(steps)
        case StochasticRule.NEAREST_EVEN:
            return round(steps)  # of a Fraction: ties to even
        case StochasticRule.NEAREST_ODD:
            return round(steps - 1) + 1 if (steps - HALF).denominator == 1 else round(steps)
