"""Nested lists and the blocks in them: which elements share a scale (contract §7)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, TypeAlias, TypeVar, cast

from lowbit.errors import ArgumentError, DtypeError, ShapeError
from lowbit.formats import BlockFormat

T = TypeVar("T")
Nested: TypeAlias = Any
"""A number, or lists of numbers of any depth (an array's `tolist()`); None stands for the scales of a plain cast."""

Shape = tuple[int, ...]
Axis = int | tuple[int, int]


def shape_of(x: Nested) -> Shape:
    """The shape of nested lists; ShapeError where lists of one depth differ in length."""
    items = _items(x)
    if items is None:
        return ()
    inner = {shape_of(item) for item in items}
    if len(inner) > 1:
        raise ShapeError(f"nested lists of unequal shapes {sorted(inner)}; lists of one depth need one length")
    return (len(items), *next(iter(inner), ()))


def flatten(x: Nested) -> list[float]:
    """The numbers of nested lists in row-major order; DtypeError for anything that is no number."""
    items = _items(x)
    if items is not None:
        return [number for item in items for number in flatten(item)]
    if not isinstance(x, float | int):
        raise DtypeError(f"{type(x).__name__} is not a number; the oracle takes nested lists of floats (x.tolist())")
    return [float(x)]


def nest(items: Sequence[T], shape: Shape) -> list[T] | T:
    """Row-major items as nested lists of this shape (the single item for an empty shape)."""
    if not shape:
        return items[0]
    step = prod(shape[1:])
    return [nest(items[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]  # type: ignore[return-value]


def block_sides(fmt: BlockFormat, shape: Shape, axis: Axis) -> Shape:
    """The extent of a block along every axis: 1 where elements do not share a scale, the whole axis for rows.

    Formats without blocks have sides of 1; whole-tensor blocks cover everything; both ignore `axis`. Tiles lie over
    the last two axes unless `axis` is a pair. Raises ShapeError for an axis that does not exist or does not fit.
    """
    if fmt.block is None:
        return (1,) * len(shape)
    if fmt.block.is_tensor:
        return tuple(max(length, 1) for length in shape)
    sides = [1] * len(shape)
    for position, size in zip(_axes(fmt, shape, axis), fmt.block.sizes, strict=True):
        sides[position] = max(shape[position], 1) if size is None else size
    return tuple(sides)


def run_sides(fmt: BlockFormat, shape: Shape, axis: Axis, length: int) -> Shape:
    """The extent of runs of `length` elements along the axis of 1-D blocks: what sparsity and corrections look at."""
    (place,) = _axes(fmt, shape, axis)
    return tuple(length if position == place else 1 for position in range(len(shape)))


def tile_rows(fmt: BlockFormat, shape: Shape, axis: Axis) -> Iterator[list[list[int]]]:
    """For every block, in row-major order of the block grid, the rows of its elements' row-major indices.

    Rows of a tile run along the second of its two axes, whatever their order in the tensor, so that a transposed tensor
    with its axes exchanged has the same rows. Every other block is a single row.
    """
    for members in blocks(shape, block_sides(fmt, shape, axis)):
        if fmt.block is None or not fmt.block.is_tile:
            yield [members]
            continue
        first = _axes(fmt, shape, axis)[0]
        stride = prod(shape[first + 1 :])
        rows: dict[int, list[int]] = {}
        for i in members:
            rows.setdefault(i // stride % shape[first], []).append(i)
        yield list(rows.values())


def grid_shape(shape: Shape, sides: Shape) -> Shape:
    """How many blocks there are along every axis; the last one may be shorter."""
    return tuple(-(-length // side) for length, side in zip(shape, sides, strict=True))


def blocks(shape: Shape, sides: Shape) -> Iterator[list[int]]:
    """For every block, in row-major order of the block grid, the row-major indices of its elements."""
    for corner in product(*(range(count) for count in grid_shape(shape, sides))):
        ranges = [
            range(place * side, min((place + 1) * side, length))
            for place, side, length in zip(corner, sides, shape, strict=True)
        ]
        yield [_row_major(position, shape) for position in product(*ranges)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a tensor lies in a larger one: from index `offset` on, or at `origin` in a tensor of `global_shape`."""

    offset: int = 0
    origin: Sequence[int] | None = None
    global_shape: Sequence[int] | None = None


def logical_indices(shape: Shape, place: Place) -> Iterator[int]:
    """The row-major index of every element of a tensor, in row-major order, in the whole tensor that it is a part of.

    Raises ArgumentError for one of origin and global_shape without the other or with an offset, ShapeError where the
    tensor does not fit.
    """
    if place.origin is None and place.global_shape is None:
        return iter(range(place.offset, place.offset + prod(shape)))
    if place.origin is None or place.global_shape is None or place.offset:
        raise ArgumentError(f"{place}: give origin and global_shape, or an offset")
    origin, whole = tuple(place.origin), tuple(place.global_shape)
    fits = len(origin) == len(whole) == len(shape)
    if not fits or any(o < 0 or o + n > w for o, n, w in zip(origin, shape, whole, strict=True)):
        raise ShapeError(f"{place} does not hold a tensor of shape {shape}; give one integer an axis of a larger one")
    ranges = [range(start, start + length) for start, length in zip(origin, shape, strict=True)]
    return (_row_major(position, whole) for position in product(*ranges))


def block_indices(shape: Shape, sides: Shape, group_sides: Shape, place: Place) -> Iterator[int]:
    """As `logical_indices`, of the blocks of a tensor in the block grid of the whole tensor.

    Raises ShapeError unless the tensor begins where a group of blocks does.
    """
    grid = grid_shape(shape, sides)
    if place.origin is None or place.global_shape is None:
        return logical_indices(grid, place)
    if any(start % side for start, side in zip(place.origin, group_sides, strict=True)):
        raise ShapeError(f"{place}: its scales are corrected in groups of {group_sides}; begin with a whole group")
    origin = [start // side for start, side in zip(place.origin, sides, strict=True)]
    whole = grid_shape(tuple(place.global_shape), sides)
    return logical_indices(grid, Place(origin=origin, global_shape=whole))


def _items(x: Nested) -> Sequence[Nested] | None:
    """What a list or tuple holds, None for anything else."""
    return cast("Sequence[Nested]", x) if isinstance(x, list | tuple) else None


def _row_major(position: tuple[int, ...], shape: Shape) -> int:
    index = 0
    for place, length in zip(position, shape, strict=True):
        index = index * length + place
    return index


def _axes(fmt: BlockFormat, shape: Shape, axis: Axis) -> tuple[int, ...]:
    """The axes of the block's sides, non-negative and distinct."""
    assert fmt.block is not None  # the caller returned for plain casts
    if fmt.block.is_tile and axis == -1:
        axis = (-2, -1)
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) != len(fmt.block.sizes):
        raise ShapeError(f"axis={axis} does not fit block {fmt.block}; give {len(fmt.block.sizes)} axis or axes")
    for place in axes:
        if not -len(shape) <= place < len(shape):
            raise ShapeError(f"axis={axis} is outside a tensor of {len(shape)} axes, which block {fmt.block} must fit")
    positions = tuple(place % len(shape) for place in axes)
    if len(set(positions)) != len(positions):
        raise ShapeError(f"axis={axis} names one axis twice; a tile needs two different ones")
    return positions
