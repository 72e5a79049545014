"""What sums say: the statistics of one format on one tensor, and the ratios they are made of."""

from dataclasses import dataclass
from math import inf, log10, nan


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What one format does to one tensor. Fractions are of all elements; ratios have no unit.

    qsnr_db            10 log10(Σx² / Σ(x-y)²); inf where nothing changed
    relative_mse       Σ(x-y)² / Σx²; 0 where nothing changed, inf where only zeros were in;
                       nan where no element counts
    mean_error         Σ(y-x) / n over the n elements that count, in the unit of x
    bias               Σ(y-x) / Σ|x|: a shift of the mean
    magnitude_bias     Σ(|y|-|x|) / Σ|x|: below zero if values shrink (clamping, underflow)
    shrinkage          1 - Σxy / Σx²: the part of the signal that is missing from y, weighted by energy; 0 for an
                       unbiased quantizer, nan if x is all zero
    misalignment       1 - E[1/S] with S = <x,x> / <x,y> of a block, the mean over blocks that are finite and not all
                       zero, each with equal weight (a plain cast counts as one block); nan if there are none.
                       Quartet (arXiv 2505.14669 v4, Table 2) takes it of rotated blocks: rotate x first
    cosine             Σxy / √(Σx² Σy²); nan if either is all zero
    crest_mean, _max   amax / RMS over blocks that are finite and not all zero; nan if there are none
    saturated          finite inputs beyond the largest value their block holds: clamped, or turned to infinity
    underflowed        nonzero inputs that became zero
    flushed            the part of `underflowed` lost with its whole block: all of the block became zero
    nonfinite          number of NaN and infinite inputs; they do not enter the sums
    poisoned           number of finite inputs that became NaN because their block holds such an input
    bits_per_element   stored codes, block scales (ragged ones included) and tensor scale
    """

    format: str
    elements: int
    qsnr_db: float
    relative_mse: float
    mean_error: float
    bias: float
    magnitude_bias: float
    shrinkage: float
    misalignment: float
    cosine: float
    crest_mean: float
    crest_max: float
    saturated: float
    underflowed: float
    flushed: float
    nonfinite: int
    poisoned: int
    bits_per_element: float


def ratio(part: float, whole: float) -> float:
    """part / whole, nan where the whole is zero or nan."""
    return part / whole if whole else nan


def relative_error(noise: float, signal: float) -> float:
    """Error power over signal power: 0 without error, inf where there is error and no signal."""
    if signal:
        return noise / signal
    return 0.0 if noise == 0 else noise * inf


def decibels(relative_mse: float) -> float:
    """QSNR in dB of a relative error power; inf for no error."""
    return -10 * log10(relative_mse) if relative_mse else inf
