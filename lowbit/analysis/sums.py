"""Sums from which every statistic follows, so that pieces, shards and tensors merge by addition."""

from dataclasses import dataclass, fields
from math import inf, log10, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What one format does to one tensor. Fractions are of all elements; ratios have no unit.

    qsnr_db            10 log10(Σx² / Σ(x-y)²); inf where nothing changed
    relative_mse       Σ(x-y)² / Σx²; 0 where nothing changed, inf where only zeros were in;
                       nan where no element counts
    bias               Σ(y-x) / Σ|x|: a shift of the mean
    magnitude_bias     Σ(|y|-|x|) / Σ|x|: below zero if values shrink (clamping, underflow)
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
    bias: float
    magnitude_bias: float
    cosine: float
    crest_mean: float
    crest_max: float
    saturated: float
    underflowed: float
    flushed: float
    nonfinite: int
    poisoned: int
    bits_per_element: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """Sums over pieces of one or more tensors; `a + b` merges, `Sums()` is empty.

    x is the input and y the result, both float64 sums; `noise` is Σ(x-y)². Only elements with x finite and y not NaN
    enter them. Counts are exact integers. An infinite y makes `noise` infinite: such an error is not hidden.
    """

    elements: int = 0
    bits: float = 0.0
    signal: float = 0.0
    noise: float = 0.0
    output: float = 0.0
    product: float = 0.0
    shift: float = 0.0
    magnitude: float = 0.0
    output_magnitude: float = 0.0
    saturated: int = 0
    underflowed: int = 0
    flushed: int = 0
    nonfinite: int = 0
    poisoned: int = 0
    crest_sum: float = 0.0
    crest_blocks: int = 0
    crest_max: float = -inf

    def __add__(self, other: "Sums") -> "Sums":
        """The sums of both."""
        merged = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Sums)}
        return Sums(**{**merged, "crest_max": max(self.crest_max, other.crest_max)})

    def summary(self, name: str) -> Summary:
        """The statistics of everything added so far, for the format of that name (nan where nothing was)."""
        summed = self.elements - self.nonfinite - self.poisoned
        relative = relative_error(self.noise, self.signal) if summed else nan
        return Summary(
            format=name,
            elements=self.elements,
            qsnr_db=decibels(relative),
            relative_mse=relative,
            bias=ratio(self.shift, self.magnitude),
            magnitude_bias=ratio(self.output_magnitude - self.magnitude, self.magnitude),
            cosine=ratio(self.product, sqrt(self.signal) * sqrt(self.output)),
            crest_mean=ratio(self.crest_sum, self.crest_blocks),
            crest_max=self.crest_max if self.crest_blocks else nan,
            saturated=ratio(self.saturated, self.elements),
            underflowed=ratio(self.underflowed, self.elements),
            flushed=ratio(self.flushed, self.elements),
            nonfinite=self.nonfinite,
            poisoned=self.poisoned,
            bits_per_element=ratio(self.bits, self.elements),
        )


def error_sums(x: NDArray[Any], y: NDArray[Any]) -> Sums:
    """The sums of two arrays of one size, without counts; NaN and infinity follow IEEE arithmetic."""
    a, b = x.ravel().astype(np.float64), y.ravel().astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        shift = b - a
        return Sums(
            elements=a.size,
            signal=dot(a, a),
            noise=dot(shift, shift),
            output=dot(b, b),
            product=dot(a, b),
            shift=float(shift.sum()),
            magnitude=float(np.abs(a).sum()),
            output_magnitude=float(np.abs(b).sum()),
        )


def dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Σab by numpy's pairwise sum: unlike a BLAS dot product it depends on no thread count and starts no threads."""
    return float(np.multiply(a, b).sum())


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
