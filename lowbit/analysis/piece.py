"""Sums of one piece that fits in memory: quantize it, compare, and count what the format could not hold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.analysis.sums import Sums, error_sums
from lowbit.formats import BlockFormat, Element
from lowbit.ops.front import quantize

Floats = NDArray[np.float32]

ROUNDING_SLACK = 1 + 2.0**-20
"""Saturation compares x with the value it got at the end of its block's range, which binary32 arithmetic (contract
§4: at most six roundings of 2^-24 each) may leave this close below an x that was not clamped."""


def cast_sums(x: Floats, fmt: BlockFormat) -> Sums:
    """Sums of a piece of a plain cast, without blocks or scales."""
    codes, y = _round_trip(x, fmt, None)
    return _compare(x, codes, y, fmt)


def whole_block_sums(x: Floats, fmt: BlockFormat, *, sides: tuple[int, ...], tensor_amax: float | None) -> Sums:
    """Sums of a piece made of whole blocks, of `sides` along its last axes."""
    codes, y = _round_trip(x, fmt, tensor_amax)
    magnitude = np.abs(x)
    amax = reduce_blocks(np.maximum, magnitude, sides)
    lost = (reduce_blocks(np.maximum, np.abs(y), sides) == 0) & (amax > 0)
    flushed = int(reduce_blocks(np.add, x != 0, sides, np.int64)[lost].sum()) if lost.any() else 0
    crest = crest_of_blocks(x, sides)
    crest = crest[np.isfinite(crest)]
    return _compare(x, codes, y, fmt) + Sums(
        flushed=flushed,
        crest_sum=float(crest.sum()),
        crest_blocks=crest.size,
        crest_max=float(crest.max(initial=-np.inf)),
    )


def part_sums(x: Floats, fmt: BlockFormat, *, block_amax: float, tensor_amax: float | None) -> Sums:
    """Sums of a part of one block that is larger than the piece.

    The block's largest magnitude is appended, so that the part gets the scale of the whole, and left out of the sums.
    The whole block was flushed exactly if that element became zero.
    """
    codes, y = _round_trip(np.append(x.ravel(), np.float32(block_amax)), fmt, tensor_amax)
    sums = _compare(x.ravel(), codes[:-1], y[:-1], fmt)
    return sums + Sums(flushed=int(np.count_nonzero(x))) if block_amax > 0 and y[-1] == 0 else sums


def reduce_blocks(ufunc: np.ufunc, x: NDArray[Any], sides: tuple[int, ...], dtype: Any = None) -> NDArray[Any]:
    """Reduce over blocks of `sides` along the last axes; the last block of an axis may be shorter."""
    for axis, side in zip(range(-len(sides), 0), sides, strict=True):
        x = ufunc.reduceat(x, np.arange(0, x.shape[axis], side), axis=axis, dtype=dtype)
    return x


def crest_of_blocks(x: NDArray[Any], sides: tuple[int, ...]) -> NDArray[np.float64]:
    """amax / RMS of each block, in the block grid's shape; NaN for blocks that are all zero or not finite."""
    amax = reduce_blocks(np.maximum, np.abs(x), sides).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scaled = np.square(x, dtype=np.float64)
        power = reduce_blocks(np.add, scaled, sides)
        count = reduce_blocks(np.add, np.ones(x.shape[-len(sides) :]), sides)
        return np.where(np.isfinite(power) & (power > 0), amax * np.sqrt(count) / np.sqrt(power), np.nan)


def _round_trip(x: Floats, fmt: BlockFormat, tensor_amax: float | None) -> tuple[NDArray[Any], Floats]:
    """Codes and values of x."""
    quantized = quantize(x, fmt, tensor_amax=tensor_amax)
    return np.asarray(quantized.codes), np.asarray(quantized.dequantize())


def _compare(x: Floats, codes: NDArray[Any], y: Floats, fmt: BlockFormat) -> Sums:
    """Error sums over the elements that count, and the counts."""
    finite = np.isfinite(x)
    valid = finite & ~np.isnan(y)
    n_finite, n_valid = int(np.count_nonzero(finite)), int(np.count_nonzero(valid))
    errors = error_sums(x, y) if n_valid == x.size else error_sums(x[valid], y[valid])
    return errors + Sums(
        elements=x.size - n_valid,
        saturated=int(np.count_nonzero(_saturated(x, codes, y, fmt.element) & valid)),
        underflowed=int(np.count_nonzero((y == 0) & (x != 0))),
        nonfinite=x.size - n_finite,
        poisoned=n_finite - n_valid,
    )


def _saturated(x: Floats, codes: NDArray[Any], y: Floats, element: Element) -> NDArray[np.bool_]:
    """Where x lies beyond the end of its block's range: it got an end code (or an infinity) and the end is nearer 0."""
    top = (codes == element.max_code) & (x > y * ROUNDING_SLACK)
    bottom = (codes == element.min_code) & (x < y * ROUNDING_SLACK)
    return top | bottom | np.isinf(y)
