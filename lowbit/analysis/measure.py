"""Quantize a tensor piece by piece and add up what happened; memory does not grow with the tensor."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from lowbit.analysis.sums import Sums
from lowbit.analysis.views import FloatView, Index, pieces
from lowbit.errors import NonfiniteError, ShapeError
from lowbit.formats import BlockFormat, Codebook, Element, FloatElement, IntElement
from lowbit.ops.front import quantize

Floats = NDArray[np.float32]
Progress = Callable[[int], None]

ROUNDING_SLACK = 1 + 2.0**-20
"""Saturation is a comparison of x with the block's largest value, which binary32 arithmetic (contract §4, at most six
roundings of 2^-24 each) may leave this close below an x that was not clamped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """amax and power of the finite elements of a tensor or row, and how many elements are not finite."""

    amax: float
    power: float
    nonfinite: int
    elements: int

    @property
    def crest(self) -> Sums:
        """The crest factor as that of one block; nothing if it is undefined."""
        if not self.power or self.nonfinite:
            return Sums()
        crest = self.amax * sqrt(self.elements) / sqrt(self.power)
        return Sums(crest_sum=crest, crest_blocks=1, crest_max=crest)


def extent_of(view: FloatView, within: Index | None = None) -> Extent:
    """One pass over a view, or over one part of it."""
    part = view if within is None else FloatView(raw=view.raw[within], bfloat16=view.bfloat16)
    amax = power = 0.0
    nonfinite = 0
    for index in pieces(part.shape):
        piece = part.read(index, np.float64)
        if part.raw.dtype.itemsize == 8:
            piece = part.read(index).astype(np.float64)
        finite = piece[np.isfinite(piece)]
        amax = max(amax, float(np.abs(finite).max(initial=0.0)))
        power += float(np.dot(finite, finite))
        nonfinite += piece.size - finite.size
    return Extent(amax=amax, power=power, nonfinite=nonfinite, elements=prod(part.shape))


def measure(
    view: FloatView,
    fmt: BlockFormat,
    *,
    axis: int | tuple[int, int] = -1,
    extent: Extent | None = None,
    progress: Progress | None = None,
) -> Sums:
    """The sums of a whole tensor in one format, in pieces of about 2^18 elements cut at block borders.

    view: any shape; a scalar counts as one element. Blocks run along `axis`, tiles over the last two axes or a pair.
    Scales that span pieces (tensor scale, row and tensor blocks) come from a first pass, so the sums are those of the
    whole tensor; `extent` saves that pass if the caller has it. `progress` is told the elements done after each piece.
    Narrow inputs are widened to float32 first and the result is not narrowed again: the error is the format's alone.
    Raises ShapeError for an axis that does not exist or a tile on fewer than two axes, and NonfiniteError where the
    format has no NaN and the tensor has NaN or infinity.
    """
    view = view.moved(_block_axes(view, fmt, axis))
    if extent is None and (fmt.tensor_target is not None or _one_block(fmt) or not fmt.has_nan):
        extent = extent_of(view)
    if extent is not None and extent.nonfinite and not fmt.has_nan:
        raise NonfiniteError(
            f"{extent.nonfinite} elements are NaN or infinite and {fmt} has no NaN to hold them; "
            "replace them (numpy.nan_to_num) or choose a format with a scale"
        )
    total = Sums(bits=_stored_bits(view.shape, fmt))
    if extent is not None and _one_block(fmt):
        total += extent.crest
    row_extent = lru_cache(maxsize=1)(lambda row: extent_of(view, row))
    for index in pieces(view.shape, _grains(view.shape, fmt)):
        piece = view.read(index)
        spanning = extent if _one_block(fmt) else _spanned_row(view, fmt, index, row_extent)
        if spanning is not None and fmt.scale is None:
            spanning = None
        total += _piece_sums(piece, fmt, spanning, None if extent is None else extent.amax)
        if progress is not None:
            progress(piece.size)
    return total
