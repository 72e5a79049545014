"""Error metrics of a pair of arrays, and the summary of one array in one format.

Sums are taken in float64, piece by piece. In the pair functions a NaN or infinity follows IEEE arithmetic into the
result (mostly NaN): nothing is left out. `summary` counts such elements instead, as `Summary` says.
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.analysis.measure import measure
from lowbit.analysis.piece import alignment_of_blocks, crest_of_blocks
from lowbit.analysis.summaries import Summary, decibels, ratio, relative_error
from lowbit.analysis.sums import Sums, error_sums
from lowbit.analysis.views import FloatView, as_view, pieces
from lowbit.errors import ArgumentError, ShapeError
from lowbit.formats import BlockFormat
from lowbit.formats import format as find_format


def qsnr_db(x: Any, y: Any) -> float:
    """Quantization signal-to-noise ratio 10 log10(Σx² / Σ(x-y)²) in dB.

    x, y: the original and its approximation, numpy arrays or torch tensors of one shape and any float type.
    Equal arrays (empty ones too) give inf; an error on an all-zero x gives -inf; NaN in either gives NaN.
    Raises ShapeError for different shapes and DtypeError for other types.
    """
    return decibels(relative_mse(x, y))


def relative_mse(x: Any, y: Any) -> float:
    """Error power over signal power, Σ(x-y)² / Σx²; arguments and errors as `qsnr_db`.

    Equal arrays give 0; an error on an all-zero x gives inf; NaN in either gives NaN.
    """
    sums = _pair_sums(x, y)
    return relative_error(sums.noise, sums.signal)


def bias(x: Any, y: Any) -> float:
    """Relative shift of the mean, Σ(y-x) / Σ|x|; arguments and errors as `qsnr_db`. NaN if x is all zero."""
    sums = _pair_sums(x, y)
    return ratio(sums.shift, sums.magnitude)


def magnitude_bias(x: Any, y: Any) -> float:
    """Relative change of magnitude, Σ(|y|-|x|) / Σ|x|: negative where values shrink. Else as `bias`."""
    sums = _pair_sums(x, y)
    return ratio(sums.output_magnitude - sums.magnitude, sums.magnitude)


def cosine(x: Any, y: Any) -> float:
    """Cosine similarity Σxy / √(Σx² Σy²); arguments and errors as `qsnr_db`. NaN if either is all zero."""
    sums = _pair_sums(x, y)
    return ratio(sums.product, sqrt(sums.signal) * sqrt(sums.output))


def mean_error(x: Any, y: Any) -> float:
    """Σ(y-x) / n, in the unit of x; arguments and errors as `qsnr_db`. NaN if there are no elements."""
    sums = _pair_sums(x, y)
    return ratio(sums.shift, sums.elements)


def shrinkage(x: Any, y: Any) -> float:
    """1 - Σxy / Σx²: the part of the signal that y lacks, 0 if the error is orthogonal to x. Else as `bias`."""
    return _pair_sums(x, y).shrinkage


def misalignment(x: Any, y: Any, block: int | None = None, *, axis: int = -1) -> float:
    """1 - E[1/S] with S = <x,x> / <x,y> of a group: the mean over groups of `block` elements along `axis`.

    x, y: the original and its approximation, both rotated if a rotation is used; shapes and types as for `qsnr_db`.
    None takes the whole axis as a group. Groups that are all zero or not finite do not count; NaN if none does. 0 for
    quantizers that are unbiased in the direction of x, above 0 where values shrink.
    Source: Quartet (arXiv 2505.14669 v4) §4, projection magnitude alignment. Raises what `crest_factor` does.
    """
    view, side = _blocks(x, block, axis, float64=True)
    other, _ = _blocks(y, block, axis, float64=True)
    if view.shape != other.shape:
        raise ShapeError(f"shapes {view.shape} and {other.shape} differ; pass an array and its approximation")
    total = Sums()
    for index in pieces(view.shape, (side,)):
        found = alignment_of_blocks(view.read(index, np.float64), other.read(index, np.float64), (side,))
        found = found[~np.isnan(found)]
        total += Sums(alignment_sum=float(found.sum()), aligned_blocks=found.size)
    return 1 - ratio(total.alignment_sum, total.aligned_blocks)


def crest_factor(x: Any, block: int | None = None, *, axis: int = -1) -> NDArray[np.float64]:
    """amax / RMS of each block of `block` elements along `axis` (None: the whole axis).

    x: shape (..., n, ...), float32, float16 or bfloat16. Returns shape (..., ceil(n / block)), the blocks' axis last.
    A shorter last block counts its own elements only. Blocks that are all zero or not finite give NaN; a block of one
    nonzero element 1; the largest possible value is √block. An empty array gives an empty result.
    Raises ArgumentError for a block below 1, ShapeError for a missing axis, DtypeError for other types.
    """
    view, side = _blocks(x, block, axis)
    shape = view.shape
    if 0 in shape:
        return np.empty((*shape[:-1], 0))
    blocks = np.empty((*shape[:-1], -(-shape[-1] // side)))
    for index in pieces(shape, (side,)):
        at = slice(index[-1].start // side, -(-index[-1].stop // side))
        blocks[(*index[:-1], at)] = crest_of_blocks(view.read(index), (side,))
    return blocks


def summary(x: Any, fmt: BlockFormat | str, *, axis: int | tuple[int, int] = -1) -> Summary:
    """What `fmt` does to `x`, rounded to nearest even: every statistic of `Summary`.

    x: numpy array or torch tensor, float32, float16 or bfloat16, any shape; an empty one gives NaN ratios.
    fmt: a format, its name or spec text; plain casts included. Blocks run along `axis`. Works in pieces, so a mapped
    array may be larger than memory.
    NaN and infinity are counted, not summed; see `lowbit.analysis.measure` for the other rules and errors.
    """
    fmt = find_format(fmt)
    return measure(as_view(x), fmt, axis=axis).summary(str(fmt))


def _blocks(x: Any, block: int | None, axis: int, *, float64: bool = False) -> tuple[FloatView, int]:
    """x with `axis` last, and the length of its blocks."""
    if block is not None and block < 1:
        raise ArgumentError(f"block={block} is not allowed; use 1 or more, or None for the whole axis")
    view = as_view(x, float64=float64).moved((axis,))
    length = view.shape[-1]
    return view, max(1, length if block is None else min(block, length))


def _pair_sums(x: Any, y: Any) -> Sums:
    """Sums over all elements of two arrays of one shape."""
    first, second = as_view(x, float64=True), as_view(y, float64=True)
    if first.shape != second.shape:
        raise ShapeError(f"shapes {first.shape} and {second.shape} differ; pass an array and its approximation")
    total = Sums()
    for index in pieces(first.shape):
        total += error_sums(first.read(index, np.float64), second.read(index, np.float64))
    return total
