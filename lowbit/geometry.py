"""How a tensor in memory is cut into blocks: any axis, tile, row or whole tensor as one (outer, rows, columns) grid.

Tensors whose elements fill memory without gaps, in whatever order of axes, are used in place; others are copied once.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import lcm, prod

import numpy as np

from lowbit.errors import ArgumentError, ShapeError
from lowbit.formats.block import BlockFormat

SEGMENT = 2048
"""Columns that a kernel handles at a time: their scales and maxima stay in the first-level cache."""

TALL = 1 << 15
"""Elements of a segment whose blocks are several rows high, at least 128 columns: it and the next one stay in the
second-level cache."""

LONG = 1 << 14
"""Rows and tensors of more elements get their maxima in a pass of their own: a row of fewer stays in the second-level
cache between its maximum and its rounding."""

LONG_SEGMENT = 4096
"""Columns of the segments that longer blocks are cut into."""

GROUPED = 1 << 16
"""Most elements that are rotated before they are quantized: they must stay in the second-level cache."""

CAST_RUN = 64
"""A plain cast has no blocks; runs of this many elements decide together between vector and exact path."""

GRID = np.dtype(
    [
        ("outer", np.int64),
        ("rows", np.int64),
        ("columns", np.int64),
        ("height", np.int64),  # rows of a block
        ("width", np.int64),  # columns of a block
        ("segment", np.int64),  # columns of a segment: whole blocks, or a part of one long block
        ("bands", np.int64),  # bands of an outer slice
        ("segments", np.int64),  # segments of a band
        ("together", np.int64),  # bands whose rows are rotated together; one where nothing is rotated down the rows
    ]
)

Axis = int | tuple[int, int]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Blocks of a dense tensor. `record` is one GRID entry for the kernels; `items` counts their work items.

    `long_run`: length of the blocks whose maxima need a pass of their own (rows, whole tensors), or 0.
    """

    record: np.ndarray
    items: int
    item_elements: int
    long_run: int


def memory_order(array: np.ndarray) -> tuple[int, ...] | None:
    """Axes from slowest to fastest if the elements fill memory without gaps or overlap, else None."""
    if array.flags.c_contiguous:
        return tuple(range(array.ndim))
    order = tuple(sorted(range(array.ndim), key=lambda axis: (-array.strides[axis], -array.shape[axis], axis)))
    return order if array.transpose(order).flags.c_contiguous else None


def normalized_axes(axis: Axis, ndim: int, fmt: BlockFormat) -> tuple[int, ...]:
    """The axes that a format's blocks run along, as non-negative numbers: one, two for tiles, none for the tensor.

    `axis=-1` means the last two axes for tiles. Raises ShapeError for axes that the tensor lacks, ArgumentError for
    a pair where one axis is needed and the other way round.
    """
    block = fmt.block
    if block is None or block.is_tensor:
        _check_axes((axis,) if isinstance(axis, int) else axis, max(ndim, 1), fmt)
        return ()
    if block.is_tile:
        axes = (-2, -1) if axis == -1 else axis
        if not isinstance(axes, tuple) or len(axes) != 2:
            raise ArgumentError(f"axis={axis!r}: {fmt} has tiles, give a pair of axes such as (-2, -1)")
        return _check_axes(axes, ndim, fmt)
    if not isinstance(axis, int):
        raise ArgumentError(f"axis={axis!r}: {fmt} has blocks along one axis, give one integer")
    return _check_axes((axis,), max(ndim, 1), fmt)


def _check_axes(axes: tuple[int, ...], ndim: int, fmt: BlockFormat) -> tuple[int, ...]:
    for axis in axes:
        if not isinstance(axis, int) or not -ndim <= axis < ndim:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ShapeError(
                f"axis {axis!r} of a tensor of {ndim} dimensions does not exist ({fmt}); allowed are "
                f"{-ndim}..{ndim - 1}"
            )
    positive = tuple(axis % ndim for axis in axes)
    if len(set(positive)) != len(positive):
        raise ShapeError(f"axes {axes} name the same axis twice")
    return positive


@lru_cache(maxsize=4096)
def geometry(
    shape: tuple[int, ...], axes: tuple[int, ...], fmt: BlockFormat, *, joined: bool = True
) -> Geometry | None:
    """The grid of a C-contiguous tensor of this shape (at least one dimension, not empty), axes by position.

    `joined`: rows may be joined end to end where blocks allow it; packed codes forbid it when rows do not fill whole
    bytes. None if a tile's axes are not the last two: the caller copies then.
    """
    block = fmt.block
    elements = prod(shape)
    if block is None or block.is_tensor:
        columns = elements if joined else shape[-1]
        rows = elements // columns
        return _grid(1, rows, columns, *((1, CAST_RUN) if block is None else (rows, columns)), whole=fmt.is_blockwise)
    if block.is_tile:
        return _tile_grid(shape, axes, block.sizes)
    (position,) = axes
    length, size = shape[position], block.sizes[0]
    run = min(length, size if size is not None else length)
    outer, inner = prod(shape[:position]), prod(shape[position + 1 :])
    if inner > 1:
        return _grid(outer, length, inner, run, 1)
    group = fmt.correction_group or run
    if joined and length % group == 0 and lcm(group, 16) <= LONG_SEGMENT:
        return _grid(1, 1, outer * length, 1, run, group=group)
    return _grid(1, outer, length, 1, run, group=group, whole=fmt.is_blockwise)


def _tile_grid(shape: tuple[int, ...], axes: tuple[int, ...], sizes: tuple[int | None, ...]) -> Geometry | None:
    height, width = (int(size) for size in sizes if size is not None)
    last = len(shape) - 1
    if axes == (last, last - 1):
        height, width = width, height
    elif axes != (last - 1, last):
        return None
    rows, columns = shape[-2:]
    return _grid(prod(shape[:-2]), rows, columns, min(height, rows), min(width, columns))


def _grid(
    outer: int, rows: int, columns: int, height: int, width: int, *, group: int = 1, whole: bool = False
) -> Geometry:
    """`group`: columns of blocks that are corrected together; `whole`: never cut a long block into segments."""
    long = width > LONG and not whole
    if long:
        segment = LONG_SEGMENT
    else:  # whole blocks and groups, and whole bytes and vectors whatever the code width
        unit = lcm(width, group, 16)
        segment = unit * max(1, (SEGMENT if height == 1 else max(128, min(1024, TALL // height))) // unit)
    record = np.zeros(1, dtype=GRID)
    bands, segments = -(-rows // height), -(-columns // segment)
    record[0] = (outer, rows, columns, height, width, segment, bands, segments, 1)
    record.flags.writeable = False
    return Geometry(
        record, outer * bands * segments, min(rows, height) * min(columns, segment), height * width if long else 0
    )


def regrouped(layout: Geometry, group: int) -> Geometry | None:
    """The same blocks in segments of whole groups of `group` elements, which rows consist of; None if that cannot be.

    It can unless the least segment of whole blocks and groups is too large for the caches.
    """
    _, _, columns, height, width, segment, *_ = (int(value) for value in layout.record[0])
    if segment < columns:
        unit = lcm(16, group) if layout.long_run else lcm(width, 16, group)
        wanted = LONG_SEGMENT if layout.long_run else SEGMENT if height == 1 else TALL // height
        segment = unit * max(1, wanted // unit)
    if height * min(segment, columns) > GROUPED:
        return None
    return _resized(layout, segment, 1)


def regrouped_down(
    shape: tuple[int, ...], axes: tuple[int, ...], fmt: BlockFormat, position: int, group: int
) -> Geometry | None:
    """The grid where groups of `group` elements are rotated along an axis that is not the last: bands in whole groups.

    None for blocks that need the maxima of the whole rotated tensor first, and those too large for the caches.
    """
    outer, length, inner = prod(shape[:position]), shape[position], prod(shape[position + 1 :])
    if fmt.block is None:
        layout = _grid(outer, length, inner, 1, CAST_RUN)
    else:
        layout = None if fmt.block.is_tensor else geometry(shape, axes, fmt)
    if layout is None:
        return None
    _, rows, columns, height, width, *_ = (int(value) for value in layout.record[0])
    assert (rows, columns) == (length, inner)
    together, unit = min(lcm(height, group) // height, -(-rows // height)), lcm(width, 16)
    turned = min(rows, height * together)
    segment = unit * max(1, min(1024, max(32, TALL // turned)) // unit)
    return _resized(layout, segment, together) if turned * min(segment, columns) <= GROUPED else None


def _resized(layout: Geometry, segment: int, together: int) -> Geometry:
    """The same blocks in segments of this many columns, and this many bands together."""
    record = layout.record.copy()
    outer, rows, columns, height, _, _, bands, _, _ = (int(value) for value in record[0])
    segments = -(-columns // segment)
    record["segment"], record["segments"], record["together"] = segment, segments, together
    record.flags.writeable = False
    return Geometry(record, outer * bands * segments, min(rows, height) * min(columns, segment), layout.long_run)
