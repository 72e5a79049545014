"""Quantize a tensor piece by piece and add up what happened; memory does not grow with the tensor."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, prod, sqrt
from typing import Any

import numpy as np

from lowbit.analysis.piece import cast_sums, part_sums, whole_block_sums
from lowbit.analysis.sums import Sums, dot
from lowbit.analysis.views import FloatView, Index, as_view, pieces
from lowbit.errors import NonfiniteError, ShapeError
from lowbit.formats import BlockFormat
from lowbit.formats import format as find_format

Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """amax and power Σx² of the finite elements of a tensor or row, and how many elements are not finite."""

    amax: float
    power: float
    nonfinite: int
    elements: int

    @property
    def crest(self) -> Sums:
        """The crest factor as that of one block; empty where it is undefined."""
        if not self.power or self.nonfinite:
            return Sums()
        crest = self.amax * sqrt(self.elements) / sqrt(self.power)
        return Sums(crest_sum=crest, crest_blocks=1, crest_max=crest)

    @property
    def block_amax(self) -> float:
        """amax as the block sees it: NaN if any element is NaN or infinite."""
        return float("nan") if self.nonfinite else self.amax


def extent_of(view: FloatView) -> Extent:
    """One pass over a view of any shape, as float32 numbers."""
    amax = power = 0.0
    nonfinite = 0
    for index in pieces(view.shape):
        piece = view.read(index)
        finite = piece[np.isfinite(piece)].astype(np.float64)
        amax = max(amax, float(np.abs(finite).max(initial=0.0)))
        power += dot(finite, finite)
        nonfinite += piece.size - finite.size
    return Extent(amax=amax, power=power, nonfinite=nonfinite, elements=prod(view.shape))


def measure(
    x: FloatView | Any,
    fmt: BlockFormat | str,
    *,
    axis: int | tuple[int, int] = -1,
    extent: Extent | None = None,
    progress: Progress | None = None,
) -> Sums:
    """The sums of a whole tensor in one format, in pieces of about 2^18 elements cut at block borders.

    x: a view, numpy array or torch tensor of any shape; a scalar counts as one element. fmt: a format, its name or spec
    text. Blocks run along `axis`, tiles over the last two axes or a pair.
    Scales that span pieces (tensor scale, row and tensor blocks) come from a first pass, so the sums are those of the
    whole tensor; `extent` saves that pass if the caller has it. `progress` is told the elements done after each piece.
    Narrow inputs are widened to float32 first and the result is not narrowed again: the error is the format's alone.
    Raises ShapeError for an axis that does not exist or a tile on fewer than two axes, and NonfiniteError where the
    format has no NaN and the tensor has NaN or infinity.
    """
    fmt, view = find_format(fmt), x if isinstance(x, FloatView) else as_view(x)
    view = view.moved(block_axes(view, fmt, axis))
    if extent is None and needs_extent(fmt):
        extent = extent_of(view)
    refuse_nonfinite(extent, fmt)
    total = Sums(bits=stored_bits(view.shape, fmt))
    if extent is not None and _is_one_block(fmt):
        total += extent.crest
    row_extent = lru_cache(maxsize=1)(lambda row: extent_of(_part(view, _slices(row))))
    block = Sums()  # a block larger than a piece, until its last piece
    for index in pieces(view.shape, grains(fmt)):
        part = _sums_at(view, fmt, index, extent, row_extent)
        if _is_partial(fmt, index, view.shape):
            block = replace(block + part, scale_codes=part.scale_codes)
            if index[-1].stop == view.shape[-1] and not _is_one_block(fmt):
                total, block = total + block + block.as_block(), Sums()
        else:
            total += part
        if progress is not None:
            progress(prod(part.stop - part.start for part in index))
    return total + block + block.as_block()


def _is_partial(fmt: BlockFormat, index: Index, shape: tuple[int, ...]) -> bool:
    """Whether a piece is a part of one block: of the tensor, which a plain cast counts as too, or of a long row."""
    long_row = fmt.block is not None and fmt.block.is_row and index[-1].stop - index[-1].start < shape[-1]
    return _is_one_block(fmt) or long_row


def refuse_nonfinite(extent: Extent | None, fmt: BlockFormat) -> None:
    """NonfiniteError where a format without NaN meets NaN or infinity."""
    if extent is not None and extent.nonfinite and not fmt.has_nan:
        raise NonfiniteError(
            f"{extent.nonfinite} of {extent.elements} elements NaN or infinite, and {fmt} has no NaN to hold them: "
            "replace them (numpy.nan_to_num) or choose a format whose scale has a NaN"
        )


def _sums_at(
    view: FloatView,
    fmt: BlockFormat,
    index: Index,
    extent: Extent | None,
    row_extent: Callable[[tuple[int, ...]], Extent],
) -> Sums:
    """Sums of one piece. A block larger than the piece is known by its extent, taken before."""
    x = view.read(index)
    tensor_amax = extent.amax if extent is not None and fmt.tensor_target is not None else None
    if fmt.block is None:
        return cast_sums(x, fmt)
    if fmt.block.is_tensor and extent is not None:
        return part_sums(x, fmt, block_amax=extent.block_amax, tensor_amax=tensor_amax)
    length = view.shape[-1]
    if fmt.block.is_row and x.shape[-1] < length:
        row = row_extent(tuple(part.start for part in index[:-1]))
        sums = part_sums(x, fmt, block_amax=row.block_amax, tensor_amax=tensor_amax)
        return sums + row.crest if index[-1].start == 0 else sums
    sides = (length,) if fmt.block.is_row else grains(fmt)
    return whole_block_sums(x, fmt, sides=sides, tensor_amax=tensor_amax)


def stored_bits(shape: tuple[int, ...], fmt: BlockFormat) -> float:
    """Bits that a tensor of `shape` (blocks along its last axes) takes: codes, scales and tensor scale.

    Padding of rows to whole bytes is not counted; shorter last blocks are. An empty tensor takes none.
    """
    elements = prod(shape)
    if not elements:
        return 0.0
    bits = float(elements * fmt.element.bits)
    if fmt.scale is not None and fmt.block is not None:
        sides = (shape[-1],) if fmt.block.is_row else shape if fmt.block.is_tensor else grains(fmt)
        lengths = shape[len(shape) - len(sides) :]
        blocks = prod(ceil(length / side) for length, side in zip(lengths, sides, strict=True))
        bits += blocks * prod(shape[: len(shape) - len(sides)]) * fmt.word_bits
    return bits + (32 if fmt.tensor_target is not None else 0)


def block_axes(view: FloatView, fmt: BlockFormat, axis: int | tuple[int, int]) -> tuple[int, ...]:
    """The axes to move last: those that blocks run along."""
    if fmt.block is None or fmt.block.is_tensor:
        return ()
    if not fmt.block.is_tile:
        if isinstance(axis, int):
            return (axis,)
        raise ShapeError(f"axis={axis}: the blocks of {fmt} run along one axis; pass a single integer")
    if len(view.shape) < 2:
        raise ShapeError(f"{fmt} has tiles of {fmt.block} and needs two axes, shape {view.shape} has fewer")
    if not isinstance(axis, int):
        return axis
    if axis in (-1, len(view.shape) - 1):
        return (-2, -1)
    raise ShapeError(f"axis={axis}: {fmt} has tiles of {fmt.block}; pass a pair of axes, or -1 for the last two")


def grains(fmt: BlockFormat) -> tuple[int, ...]:
    """Sides of blocks of fixed size, none for the others."""
    if fmt.block is None:
        return ()
    return tuple(side for side in fmt.block.sizes if side is not None)


def _is_one_block(fmt: BlockFormat) -> bool:
    """Whether the crest factor is that of the whole tensor: tensor blocks and plain casts."""
    return fmt.block is None or fmt.block.is_tensor


def needs_extent(fmt: BlockFormat) -> bool:
    """Whether `measure` needs the extent of the whole tensor in this format."""
    return fmt.tensor_target is not None or _is_one_block(fmt) or not fmt.has_nan


def _part(view: FloatView, index: Index) -> FloatView:
    return FloatView(raw=view.raw[index], bfloat16=view.bfloat16)


def _slices(row: tuple[int, ...]) -> Index:
    return tuple(slice(at, at + 1) for at in row)
