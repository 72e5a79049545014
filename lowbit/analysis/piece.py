"""Sums of one piece that fits in memory: quantize it, compare, and count what the format could not hold."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowbit.analysis.sums import Sums, compared_sums
from lowbit.formats import BlockFormat, Element
from lowbit.ops import observers
from lowbit.ops.front import quantize

Floats = NDArray[np.float32]

ROUNDING_SLACK = 1 + 2.0**-20
"""Saturation compares x with the value it got at the end of its block's range, which binary32 arithmetic (contract
§4: at most six roundings of 2^-24 each) may leave this close below an x that was not clamped."""

SCALE_GROUP_BITS = 8
"""Codes of wider scales are counted by so many leading bits (binary32: by exponent)."""


class Trip(NamedTuple):
    """What became of a piece: codes and values in its shape; in the block grid's shape, or None, scale codes and which
    of the format's candidates each block took."""

    codes: NDArray[Any]
    y: Floats
    scales: NDArray[np.int64] | None
    selector: NDArray[np.int64] | None


def cast_sums(x: Floats, fmt: BlockFormat) -> Sums:
    """Sums of a piece of a plain cast, without blocks or scales."""
    return _sums(x, round_trip(x, fmt, None), fmt, ())


def whole_block_sums(x: Floats, fmt: BlockFormat, *, sides: tuple[int, ...], tensor_amax: float | None) -> Sums:
    """Sums of a piece made of whole blocks, of `sides` along its last axes."""
    trip = round_trip(x, fmt, tensor_amax)
    lost = lost_blocks(x, trip.y, sides)
    flushed = int(reduce_blocks(np.add, x != 0, sides, np.int64)[lost].sum()) if lost.any() else 0
    crest, alignment = crest_of_blocks(x, sides), alignment_of_blocks(x, trip.y, sides)
    crest, alignment = crest[np.isfinite(crest)], alignment[~np.isnan(alignment)]
    return _sums(x, trip, fmt, sides) + Sums(
        flushed=flushed,
        crest_sum=float(crest.sum()),
        crest_blocks=crest.size,
        crest_max=float(crest.max(initial=-np.inf)),
        alignment_sum=float(alignment.sum()),
        aligned_blocks=alignment.size,
    )


def part_sums(x: Floats, fmt: BlockFormat, *, block_amax: float, tensor_amax: float | None) -> Sums:
    """Sums of a part of one block that is larger than the piece.

    The block's largest magnitude is appended, so that the part gets the scale of the whole, and left out of the sums.
    The whole block was flushed exactly if that element became zero.
    """
    trip = round_trip(np.append(x.ravel(), np.float32(block_amax)), fmt, tensor_amax)
    sums = _sums(x.ravel(), trip._replace(codes=trip.codes[:-1], y=trip.y[:-1]), fmt, ())
    return sums + Sums(flushed=int(np.count_nonzero(x))) if block_amax > 0 and trip.y[-1] == 0 else sums


def reduce_blocks(ufunc: np.ufunc, x: NDArray[Any], sides: tuple[int, ...], dtype: Any = None) -> NDArray[Any]:
    """Reduce over blocks of `sides` along the last axes; the last block of an axis may be shorter."""
    for axis, side in zip(range(-len(sides), 0), sides, strict=True):
        x = ufunc.reduceat(x, np.arange(0, x.shape[axis], side), axis=axis, dtype=dtype)
    return x


def block_sizes(shape: tuple[int, ...], sides: tuple[int, ...]) -> NDArray[np.float64]:
    """Elements of each block, in the shape of the block grid's last axes."""
    return reduce_blocks(np.add, np.ones(shape[len(shape) - len(sides) :]), sides)


def lost_blocks(x: Floats, y: Floats, sides: tuple[int, ...]) -> NDArray[np.bool_]:
    """Blocks that were not zero and became so; in the block grid's shape, like the next two."""
    vanished = reduce_blocks(np.maximum, np.abs(y), sides) == 0
    return vanished & (reduce_blocks(np.maximum, np.abs(x), sides) > 0)


def crest_of_blocks(x: NDArray[Any], sides: tuple[int, ...]) -> NDArray[np.float64]:
    """amax / RMS of each block; NaN for blocks that are all zero or not finite."""
    amax = reduce_blocks(np.maximum, np.abs(x), sides).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        power = reduce_blocks(np.add, np.square(x, dtype=np.float64), sides)
        count = block_sizes(x.shape, sides)
        return np.where(np.isfinite(power) & (power > 0), amax * np.sqrt(count) / np.sqrt(power), np.nan)


def alignment_of_blocks(x: NDArray[Any], y: NDArray[Any], sides: tuple[int, ...]) -> NDArray[np.float64]:
    """<x,y> / <x,x> of each block, 1/S of `Summary`; NaN for blocks that are all zero or not finite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        power = reduce_blocks(np.add, np.square(x, dtype=np.float64), sides)
        product = reduce_blocks(np.add, np.multiply(x, y, dtype=np.float64), sides)
        return np.where(np.isfinite(power) & (power > 0), product / power, np.nan)


def round_trip(x: Floats, fmt: BlockFormat, tensor_amax: float | None) -> Trip:
    """Codes, values and scale codes of x, blocks along its last axes; not seen by observers.

    Formats that draw random numbers for their scales (MS-EDEN) do so with seed 0.
    """
    with observers.muted():
        quantized = quantize(x, fmt, tensor_amax=tensor_amax, seed=0 if fmt.needs_seed else None)
    return Trip(np.asarray(quantized.codes), np.asarray(quantized.dequantize()), *_scales(quantized.scales, fmt))


def _scales(words: Any, fmt: BlockFormat) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Codes of the scales (their leading bits where they are wider), and the selector that is stored above them."""
    if fmt.scale is None or words is None:
        return None, None
    words = np.asarray(words)
    words = (words.view(np.uint32) if words.dtype == np.float32 else words).astype(np.int64)
    codes = (words & ((1 << fmt.scale.bits) - 1)) >> max(0, fmt.scale.magnitude_bits - SCALE_GROUP_BITS)
    if not fmt.selector_bits:
        return codes, None
    return codes, (words >> fmt.scale.bits) & ((1 << fmt.selector_bits) - 1)


def _sums(x: Floats, trip: Trip, fmt: BlockFormat, sides: tuple[int, ...]) -> Sums:
    """Error sums over the elements that count, and the counts."""
    scales = () if trip.scales is None else np.bincount(trip.scales.ravel())
    counts = Counter({code: int(count) for code, count in enumerate(scales) if count})
    saturated = int(np.count_nonzero(saturated_elements(x, trip, fmt, sides)))
    return compared_sums(x, trip.y) + Sums(saturated=saturated, scale_codes=counts)


def saturated_elements(x: Floats, trip: Trip, fmt: BlockFormat, sides: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where x is finite and lies beyond its block's range: it got an end code that is nearer 0, or an infinity."""
    if trip.selector is None:
        beyond = _beyond(x, trip, fmt.element)
    else:
        chosen = _spread(trip.selector, x.shape, sides)
        choices = ((chosen == i) & _beyond(x, trip, each.element) for i, each in enumerate(fmt.candidates))
        beyond = np.logical_or.reduce(list(choices))
    return (beyond | np.isinf(trip.y)) & np.isfinite(x)


def _beyond(x: Floats, trip: Trip, element: Element) -> NDArray[np.bool_]:
    top = (trip.codes == element.max_code) & (x > trip.y * ROUNDING_SLACK)
    return top | ((trip.codes == element.min_code) & (x < trip.y * ROUNDING_SLACK))


def _spread(grid: NDArray[Any], shape: tuple[int, ...], sides: tuple[int, ...]) -> NDArray[Any]:
    """A number a block as one an element; without sides all elements lie in one block."""
    if not sides:
        return np.broadcast_to(grid.reshape(-1)[0], shape)
    for axis, side in zip(range(-len(sides), 0), sides, strict=True):
        grid = np.take(np.repeat(grid, side, axis), np.arange(shape[axis]), axis)
    return grid
