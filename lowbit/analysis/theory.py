"""What theory says about errors: QSNR of block formats by crest factor, best grids and crest factors of normal data.

`kappa` is the amax of a block over its standard deviation. `rho` is how much larger the stored scale is than amax / M:
INT v.s. FP (arXiv 2510.25602) takes 1.5 for power-of-two scales (they lie between 1 and 2) and says 1 for e4m3 scales;
its published crossover of NVINT4 and NVFP4 needs 1.05, the value in its script. Elements count as normal.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import erf, exp, inf, lgamma, log10, pi, sqrt

from lowbit.errors import ArgumentError
from lowbit.formats import FloatElement

POWER_OF_TWO_RHO = 1.5
"""rho that the paper plugs in for e8m0 scales."""


def integer_qsnr_db(bits: int, kappa: float, *, rho: float = POWER_OF_TWO_RHO, group: int | None = None) -> float:
    """QSNR in dB of symmetric integers: 4.78 + 6.02 bits - 20 log10(rho kappa), the noise of uniform steps.

    The step is rho amax / 2^(bits-1), its error step²/12. `group`: with finely spaced scales the block maximum is
    exact, so that only group - 1 of group elements have errors; None for power-of-two scales.
    Source: INT v.s. FP, theorem 1. Raises ArgumentError for arguments that are not positive, or group below 2.
    """
    _check_positive(bits=bits, kappa=kappa, rho=rho)
    exact = 0.0 if group is None else 10 * log10(_group(group) / (group - 1))
    return 10 * log10(12) + 20 * log10(2.0 ** (bits - 1) / (rho * kappa)) + exact


def float_qsnr_db(
    element: FloatElement, kappa: float, *, rho: float = POWER_OF_TWO_RHO, group: int | None = None
) -> float:
    """QSNR in dB of floating-point elements: relative noise 2^(-2M)/24 in the normal range, uniform steps below.

    Normals carry the energy w = 2 (t φ(t) + 1 - Φ(t)), t = rho kappa / max · smallest normal; all below have the noise
    of uniform steps, step²/12. `group`: the block maximum is exact and its energy, kappa²/group of the block's, leaves
    w. Source: INT v.s. FP, theorem 2; its released code also treats what falls to zero, which moves no crossover by
    0.01. Raises ArgumentError like `integer_qsnr_db`.
    """
    _check_positive(kappa=kappa, rho=rho)
    unit = rho * kappa / element.max
    threshold = unit * element.min_normal
    energy = 2 * (threshold * _density(threshold) + 1 - _normal(threshold))
    if group is not None:
        energy -= kappa**2 / _group(group)
    normal = max(energy, 0.0) / (24 * 4.0**element.mantissa_bits)
    subnormal = (unit * element.min_positive) ** 2 / 12 * erf(threshold / sqrt(2))
    return -10 * log10(normal + subnormal)


def crossover(
    bits: int, element: FloatElement, *, rho: float = POWER_OF_TWO_RHO, group: int | None = None
) -> tuple[float, float]:
    """(kappa, QSNR in dB) where integers of `bits` bits and `element` are equally good; integers win below.

    rho and group hold for both. Raises ArgumentError where the curves do not cross between 1.2 and 100.
    Source: INT v.s. FP, figure 3: 7.55 for 8 bits, 1.96 for 6, 2.04 for 4; 2.39 with group=16, rho=1.05.
    """

    def lead(kappa: float) -> float:
        integer = integer_qsnr_db(bits, kappa, rho=rho, group=group)
        return integer - float_qsnr_db(element, kappa, rho=rho, group=group)

    kappa = _root(lead, 1.2, 100.0)
    return kappa, integer_qsnr_db(bits, kappa, rho=rho, group=group)


def normal_grid_mse(values: Sequence[float], scale: float = 1.0) -> float:
    """E[(X - q(X))²] of X ~ N(0,1) for the nearest of `scale` · `values`, exactly (a sum of normal integrals).

    values: finite, in any order, at least one; else ArgumentError, as for a scale that is not positive.
    """
    _check_positive(scale=scale)
    if not values or not all(abs(value) < inf for value in values):
        raise ArgumentError("values must be finite numbers, at least one")
    grid = sorted({scale * value for value in values})
    edges = [-inf, *((low + high) / 2 for low, high in pairwise(grid)), inf]
    return sum(_error_between(value, low, high) for value, (low, high) in zip(grid, pairwise(edges), strict=True))


def best_normal_scale(values: Sequence[float]) -> tuple[float, float]:
    """(scale, MSE) that make `scale` · `values` best for N(0,1); values with both signs, one unlike 0.

    Found by golden sections in the largest scaled value, from 0.1 to 8; the MSE has one minimum there.
    Source of tabulated results: the Quartet repository (arXiv 2505.14669): 2.92248 and 0.0126849 for e2m1.
    """
    largest = max(map(abs, values), default=0.0)
    _check_positive(largest=largest)
    low, high, golden = 0.1, 8.0, (sqrt(5) - 1) / 2
    while high - low > 1e-9:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if normal_grid_mse(values, left / largest) < normal_grid_mse(values, right / largest):
            high = right
        else:
            low = left
    scale = (low + high) / 2 / largest
    return scale, normal_grid_mse(values, scale)


def normal_crest_mean(size: int) -> float:
    """E[amax / RMS] of a block of `size` independent normal numbers.

    Direction and length of a normal vector are independent, so it is √size · E[max|x|] / E[‖x‖], with
    E[max|x|] = ∫ 1 - (2Φ(t) - 1)^size dt (trapezoids, exact to 1e-10) and E[‖x‖] = √2 Γ((size+1)/2) / Γ(size/2).
    Raises ArgumentError for a size below 1.
    """
    _check_positive(size=size)
    step = 1e-3
    tail = sum(1 - erf(i * step / sqrt(2)) ** size for i in range(1, 12_000))
    length = sqrt(2) * exp(lgamma((size + 1) / 2) - lgamma(size / 2))
    return sqrt(size) * step * (0.5 + tail) / length


def _error_between(value: float, low: float, high: float) -> float:
    """∫ (x - value)² φ(x) dx from low to high."""
    mass = _normal(high) - _normal(low)
    first = _density(low) - _density(high)
    second = mass + _edge(low) - _edge(high)
    return second - 2 * value * first + value**2 * mass


def _edge(x: float) -> float:
    return x * _density(x) if abs(x) < inf else 0.0


def _density(x: float) -> float:
    return exp(-x * x / 2) / sqrt(2 * pi)


def _normal(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that starts above zero ends up below, by bisection."""
    if not function(low) > 0 > function(high):
        raise ArgumentError(f"the curves do not cross between {low:g} and {high:g}; choose formats of similar width")
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return low


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < inf:
            raise ArgumentError(f"{name}={value!r}: give a positive finite number")


def _group(size: int) -> int:
    if size < 2:
        raise ArgumentError(f"group={size!r}: give the number of elements that share a scale, at least 2")
    return size
