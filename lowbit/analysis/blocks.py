"""What a format does to each block: statistics as arrays in the shape of the block grid, and how scales are used."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.analysis import piece
from lowbit.analysis.measure import block_axes, extent_of, grains, measure, needs_extent, refuse_nonfinite
from lowbit.analysis.summaries import ratio
from lowbit.analysis.views import FloatView, Index, as_view, pieces
from lowbit.errors import ArgumentError
from lowbit.formats import BlockFormat, FloatElement
from lowbit.formats import format as find_format

Grid = NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockStatistics:
    """One array a statistic, in the shape of the block grid (that of `QTensor.scales`), defined as in `Summary`.

    A block with NaN or infinity has NaN ratios and counts its elements in `nonfinite`; a block of zeros has NaN for
    `cosine`, `misalignment` and `crest` and no error. Fractions are of the block's elements; a shorter last block has
    fewer.
    """

    relative_mse: NDArray[np.float64]
    mean_error: NDArray[np.float64]
    misalignment: NDArray[np.float64]
    cosine: NDArray[np.float64]
    crest: NDArray[np.float64]
    saturated: NDArray[np.float64]
    underflowed: NDArray[np.float64]
    flushed: NDArray[np.bool_]
    nonfinite: NDArray[np.int64]
    elements: NDArray[np.int64]

    @property
    def qsnr_db(self) -> NDArray[np.float64]:
        """-10 log10 of the relative error; inf where nothing changed."""
        with np.errstate(divide="ignore"):
            return -10 * np.log10(self.relative_mse)


def per_block(x: Any, fmt: BlockFormat | str, *, axis: int | tuple[int, int] = -1) -> BlockStatistics:
    """The statistics of every block of `x` in `fmt`, rounded to nearest even.

    x: numpy array or torch tensor, float32, float16 or bfloat16, any shape; fmt: a format with blocks, its name or spec
    text. Works in pieces of about 2^18 elements, or one block where blocks are larger. An empty tensor gives empty
    arrays. Raises ArgumentError for a plain cast, and what `lowbit.analysis.summary` raises.
    """
    fmt, view = find_format(fmt), as_view(x)
    if fmt.block is None or fmt.scale is None:
        raise ArgumentError(f"{fmt} is a plain cast without blocks; use summary(x, fmt)")
    axes = block_axes(view, fmt, axis)
    moved = view.moved(axes)
    sides = _sides(fmt, moved.shape)
    extent = extent_of(moved) if needs_extent(fmt) else None
    refuse_nonfinite(extent, fmt)
    amax = extent.amax if extent is not None and fmt.tensor_target is not None else None
    found = _arrays(moved, fmt, sides, amax)
    shape = view.shape or (1,)
    order = [axis % len(shape) for axis in axes]
    restored = {name: np.moveaxis(grid, range(-len(order), 0), order) for name, grid in found.items()}
    return BlockStatistics(**{name: grid.reshape(()) if not view.shape else grid for name, grid in restored.items()})


def _sides(fmt: BlockFormat, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Block sides along the last axes, whole axes for rows and tensors."""
    assert fmt.block is not None
    if fmt.block.is_tensor:
        return tuple(max(length, 1) for length in shape)
    return (max(shape[-1], 1),) if fmt.block.is_row else grains(fmt)


def _arrays(view: FloatView, fmt: BlockFormat, sides: tuple[int, ...], tensor_amax: float | None) -> dict[str, Grid]:
    """Every statistic in the block grid's shape, filled piece by piece."""
    lead = view.shape[: len(view.shape) - len(sides)]
    counts = tuple(-(-n // side) for n, side in zip(view.shape[len(lead) :], sides, strict=True))
    grids: dict[str, Grid] = {}
    for name in BlockStatistics.__dataclass_fields__:
        dtype = {"flushed": np.bool_, "nonfinite": np.int64, "elements": np.int64}.get(name, np.float64)
        grids[name] = np.empty((*lead, *counts), dtype)
    for index in pieces(view.shape, sides):
        x = view.read(index)
        for name, values in _piece(x, piece.round_trip(x, fmt, tensor_amax), fmt, sides).items():
            grids[name][_grid_index(index, sides)] = values
    return grids


def _grid_index(index: Index, sides: tuple[int, ...]) -> Index:
    lead = len(index) - len(sides)
    blocks = (slice(at.start // side, -(-at.stop // side)) for at, side in zip(index[lead:], sides, strict=True))
    return (*index[:lead], *blocks)


def _piece(x: piece.Floats, trip: piece.Trip, fmt: BlockFormat, sides: tuple[int, ...]) -> dict[str, Grid]:
    def summed(terms: Any, dtype: Any = np.float64) -> Grid:
        return piece.reduce_blocks(np.add, terms, sides, dtype)

    a, b = x.astype(np.float64), trip.y.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        signal, output, product, noise = (summed(terms) for terms in (a * a, b * b, a * b, np.square(b - a)))
        elements = summed(np.ones(x.shape, np.int64), np.int64)
        relative = np.where((noise == 0) & (signal == 0), 0.0, noise / signal)
        return {
            "relative_mse": np.where(np.isfinite(signal), relative, np.nan),
            "mean_error": np.where(np.isfinite(signal), summed(b - a) / elements, np.nan),
            "misalignment": 1 - piece.alignment_of_blocks(x, trip.y, sides),
            "cosine": product / (np.sqrt(signal) * np.sqrt(output)),
            "crest": piece.crest_of_blocks(x, sides),
            "saturated": summed(piece.saturated_elements(x, trip, fmt, sides)) / elements,
            "underflowed": summed((trip.y == 0) & (x != 0)) / elements,
            "flushed": piece.lost_blocks(x, trip.y, sides),
            "nonfinite": summed(~np.isfinite(x), np.int64),
            "elements": elements,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaleUse:
    """How the block scales of a tensor use the range of their element. Fractions are of all blocks.

    blocks             number of blocks
    codes              how many blocks have each scale code; scales of more than 8 bits (binary32, bfloat16) by the
                       leading 8 bits after the sign, so by exponent: the values below are then the least of each group
    smallest, largest  the extreme finite scales in use, tensor scale not included; nan if there are none
    at_bottom, at_top  fraction of scales at the least code and at the largest finite one: the clamps of the range
    zero, nan          fraction of scales that are zero (their blocks vanish) and NaN (their blocks hold NaN)
    used               fraction of the finite codes (or groups) that occur at all
    """

    blocks: int
    codes: dict[int, int]
    smallest: float
    largest: float
    at_bottom: float
    at_top: float
    zero: float
    nan: float
    used: float


def scale_use(x: Any, fmt: BlockFormat | str, *, axis: int | tuple[int, int] = -1) -> ScaleUse:
    """Which block scales `fmt` gives to `x`; arguments and errors as `summary`, ArgumentError for a plain cast.

    Bottom and top are codes 0 and the largest finite one: where e8m0 clamps, and where e4m3 scales become zero.
    """
    fmt = find_format(fmt)
    if fmt.scale is None:
        raise ArgumentError(f"{fmt} is a plain cast without block scales; use summary(x, fmt)")
    return scale_use_of(measure(x, fmt, axis=axis).scale_codes, fmt.scale)


def scale_use_of(codes: Counter[int], scale: FloatElement) -> ScaleUse:
    """The same of counted codes (`Sums.scale_codes`), so that pieces and tensors merge before."""
    shift = max(0, scale.magnitude_bits - piece.SCALE_GROUP_BITS)
    top, blocks = scale.max_code >> shift, codes.total()
    finite = sorted(code for code in codes if code <= top)
    zero = codes[0] if scale.zero and not shift else 0
    return ScaleUse(
        blocks=blocks,
        codes=dict(sorted(codes.items())),
        smallest=scale.decode(finite[0] << shift) if finite else float("nan"),
        largest=scale.decode(finite[-1] << shift) if finite else float("nan"),
        at_bottom=ratio(codes[0], blocks),
        at_top=ratio(codes[top], blocks),
        zero=ratio(zero, blocks),
        nan=ratio(sum(count for code, count in codes.items() if code > top), blocks),
        used=len(finite) / (top + 1),
    )
