"""Sums from which every statistic follows, so that pieces, shards and tensors merge by addition.

Accuracy: a piece of up to 2^18 elements is summed pairwise in binary64 (numpy), and pieces are merged with compensation
(each sum keeps what its additions lost). Every sum therefore lies within 2^-48 · Σ|terms| of the exact one, however
large the tensor is and however it was cut; two ways of cutting differ by at most twice that. Counts are exact.
"""

from collections import Counter
from dataclasses import dataclass, field, fields
from math import inf, isfinite, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.analysis.summaries import Summary, decibels, ratio, relative_error


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """Sums over pieces of one or more tensors; `a + b` merges, `Sums()` is empty.

    x is the input and y the result, both float64 sums; `noise` is Σ(x-y)². Only elements with x finite and y not NaN
    enter them. Counts are exact integers. An infinite y makes `noise` infinite: such an error is not hidden.
    `alignment_sum` adds <x,y>/<x,x> of the blocks that are finite and not zero, `crest_sum` their amax / RMS.
    `scale_codes` counts the codes of block scales, by their leading 8 bits where scales are wider.
    `lost` holds what rounding took from each sum so far, in the order of `REALS`.
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
    alignment_sum: float = 0.0
    aligned_blocks: int = 0
    scale_codes: Counter[int] = field(default_factory=lambda: Counter[int]())
    lost: tuple[float, ...] = ()

    def __add__(self, other: "Sums") -> "Sums":
        """The sums of both."""
        merged: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        lost: list[float] = []
        for name, a, b in zip(REALS, self.lost or _NOTHING_LOST, other.lost or _NOTHING_LOST, strict=True):
            merged[name], rest = _added(getattr(self, name), getattr(other, name), a + b)
            lost.append(rest)
        return Sums(**merged, crest_max=max(self.crest_max, other.crest_max), lost=tuple(lost) if any(lost) else ())

    @property
    def shrinkage(self) -> float:
        """1 - Σxy / Σx², see `Summary`."""
        return 1 - ratio(self.product, self.signal)

    def as_block(self) -> "Sums":
        """The alignment of the elements added so far as that of one block; empty where it is undefined."""
        if not self.signal or self.nonfinite or self.poisoned:
            return Sums()
        return Sums(alignment_sum=self.product / self.signal, aligned_blocks=1)

    def summary(self, name: str) -> Summary:
        """The statistics of everything added so far, for the format of that name (nan where nothing was)."""
        summed = self.elements - self.nonfinite - self.poisoned
        relative = relative_error(self.noise, self.signal) if summed else nan
        return Summary(
            format=name,
            elements=self.elements,
            qsnr_db=decibels(relative),
            relative_mse=relative,
            mean_error=ratio(self.shift, summed),
            bias=ratio(self.shift, self.magnitude),
            magnitude_bias=ratio(self.output_magnitude - self.magnitude, self.magnitude),
            shrinkage=self.shrinkage,
            misalignment=1 - ratio(self.alignment_sum, self.aligned_blocks),
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


REALS = tuple(f.name for f in fields(Sums) if f.default == 0.0 and isinstance(f.default, float))
"""The fields that are sums of real numbers."""

_NOTHING_LOST = (0.0,) * len(REALS)
_COUNTS = tuple(f.name for f in fields(Sums) if f.name not in (*REALS, "crest_max", "lost"))


def _added(a: float, b: float, lost: float) -> tuple[float, float]:
    """a + b + lost as the nearest number and what that leaves out (Knuth's exact sum); nothing left of infinities."""
    total = a + b
    if not isfinite(total):
        return total, 0.0
    virtual = total - a
    lost += (a - (total - virtual)) + (b - virtual)
    result = total + lost
    return result, lost - (result - total)


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


def compared_sums(x: NDArray[Any], y: NDArray[Any]) -> Sums:
    """The sums of an array and its quantized values: only elements that count are summed, the others counted."""
    finite = np.isfinite(x)
    valid = finite & ~np.isnan(y)
    n_finite, n_valid = int(np.count_nonzero(finite)), int(np.count_nonzero(valid))
    errors = error_sums(x, y) if n_valid == x.size else error_sums(x[valid], y[valid])
    return errors + Sums(
        elements=x.size - n_valid,
        underflowed=int(np.count_nonzero((y == 0) & (x != 0))),
        nonfinite=x.size - n_finite,
        poisoned=n_finite - n_valid,
    )


def dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Σab by numpy's pairwise sum: unlike a BLAS dot product it depends on no thread count and starts no threads."""
    return float(np.multiply(a, b).sum())
