"""Where the random bits of a call come from: the arguments of stochastic rounding, checked, as kernels take them."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from lowbit import backends
from lowbit.errors import ArgumentError, ShapeError
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Rounding, Stochastic
from lowbit.rounding_rules import DRAW

SCALE_STREAM = 0x80000000
"""XORed onto the stream for the random bits of scales (contract §5)."""

INDICES = 1 << 64
"""Elements of the largest logical tensor."""


@dataclass(frozen=True, slots=True)
class RandomSource:
    """The arguments that a call's random bits follow from, as they were given (contract §5)."""

    seed: Any = None
    stream: Any = 0
    offset: Any = 0
    origin: Sequence[Any] | None = None
    global_shape: Sequence[Any] | None = None


NOTHING = RandomSource()
"""No argument given: all that deterministic rounding allows."""


def random_source(seed: Any, stream: Any, offset: Any, origin: Any, global_shape: Any) -> RandomSource:
    """The arguments of a public function as one value, NOTHING where all have their defaults."""
    if seed is origin is global_shape is None and stream is NOTHING.stream and offset is NOTHING.offset:
        return NOTHING
    return RandomSource(seed, stream, offset, origin, global_shape)


NO_DRAW = np.zeros(1, DRAW)
"""For kernels that draw nothing."""

NO_DRAW["length"] = 1
NO_DRAW.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Place:
    """A checked source: where element 0 lies in the logical tensor, and how far apart the elements of each axis are."""

    seed: int
    stream: int
    offset: int
    strides: tuple[int, ...]


def find_place(
    mode: Rounding | Stochastic, source: RandomSource, shape: tuple[int, ...], *, random_scales: bool = False
) -> Place | None:
    """The place of a tensor of this shape; None for modes that draw nothing. `random_scales`: scales draw as well.

    Raises ArgumentError for a stochastic mode without a seed, for arguments out of range or without an effect, and
    ShapeError for an origin and global shape that do not hold the tensor.
    """
    if not isinstance(mode, Stochastic):
        if source is not NOTHING and not random_scales:
            _refuse_without_effect(mode, source)
        return None
    if source.seed is None:
        raise ArgumentError("stochastic rounding needs a seed; give seed= an integer from 0 to 2^64-1")
    seed, stream = whole_number("seed", source.seed, 1 << 64), whole_number("stream", source.stream, 1 << 32)
    offset = whole_number("offset", source.offset, INDICES)
    if source.origin is None and source.global_shape is None:
        if offset + prod(shape) > INDICES:
            raise ArgumentError(f"offset={offset}: the last of {prod(shape)} elements would lie beyond index 2^64-1")
        return Place(seed, stream, offset, _strides(shape))
    origin, global_shape = _shard(source, shape)
    if offset:
        raise ArgumentError(f"offset={offset} and origin exclude each other; either says where the tensor lies")
    strides = _strides(global_shape)
    return Place(seed, stream, sum(map(operator.mul, origin, strides)), strides)


@dataclass(frozen=True, slots=True)
class Places:
    """Where a tensor's elements lie in the whole, and its blocks in the whole's block grid; None: nothing is drawn.

    `grid` is the tensor's own block grid.
    """

    elements: Place | None
    blocks: Place | None = None
    grid: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Draws:
    """The DRAWs of elements and of scales that are corrected."""

    elements: np.ndarray
    blocks: np.ndarray


def find_places(
    fmt: BlockFormat, mode: Rounding | Stochastic, source: RandomSource, shape: tuple[int, ...], axes: tuple[int, ...]
) -> Places:
    """The places of a tensor of this shape in a format. Raises as `find_place`; formats that round scales
    stochastically need a seed with every mode, an origin instead of an offset, and pieces of whole groups of blocks.
    """
    corrects = fmt.needs_seed
    if corrects and source.seed is None:
        raise ArgumentError(f"{fmt} rounds its scales stochastically; give seed= an integer from 0 to 2^64-1")
    if corrects and whole_number("offset", source.offset, INDICES):
        raise ArgumentError(f"offset={source.offset} does not say which blocks of {fmt} these are; give an origin")
    place = find_place(mode, source, shape, random_scales=corrects)
    if not corrects:
        return Places(place)
    assert fmt.block is not None and fmt.block.elements is not None and fmt.correction_group is not None
    if source.origin is not None or source.global_shape is not None:
        origin, whole = _shard(source, shape)
    else:
        origin, whole = (0,) * len(shape), shape
    origin, whole, shape = origin or (0,), whole or (1,), shape or (1,)  # a scalar is a row of one element
    if origin[axes[0]] % fmt.correction_group:
        size = fmt.correction_group
        raise ShapeError(f"origin={origin}: scales of {fmt} are corrected in groups of {size}; begin with a whole one")
    sides = tuple(fmt.block.elements if axis in axes else 1 for axis in range(len(shape)))
    grid, whole_grid = (tuple(map(_blocks, lengths, sides)) for lengths in (shape, whole))
    strides = _strides(whole_grid)
    first = sum(start // side * stride for start, side, stride in zip(origin, sides, strides, strict=True))
    stream = whole_number("stream", source.stream, 1 << 32) ^ SCALE_STREAM
    return Places(place, Place(whole_number("seed", source.seed, 1 << 64), stream, first, strides), grid)


def draws_of(places: Places, shape: tuple[int, ...], order: Sequence[int]) -> Draws:
    """The DRAWs of a tensor whose memory runs through its axes in this order (slowest first)."""
    return Draws(draw_of(places.elements, shape, order), draw_of(places.blocks, places.grid, order))


def _blocks(length: int, side: int) -> int:
    return -(-length // side)


def draw_of(place: Place | None, shape: tuple[int, ...], order: Sequence[int]) -> np.ndarray:
    """The DRAW of a tensor whose memory runs through its axes in this order (slowest first)."""
    if place is None:
        return NO_DRAW
    axes: list[tuple[int, int]] = []
    for axis in reversed(order):
        length, stride = shape[axis], place.strides[axis]
        if length == 1:
            continue
        if axes and stride == axes[-1][0] * axes[-1][1]:  # goes on where the last axis ends
            length, stride = length * axes[-1][0], axes.pop()[1]
        axes.append((length, stride))
    draw = np.zeros(max(1, len(axes)), DRAW)
    draw["seed"], draw["stream"], draw["offset"] = place.seed, place.stream, place.offset
    for entry, (length, stride) in enumerate(axes or [(1, 1)]):
        draw[entry]["length"], draw[entry]["stride"] = length, stride
    draw.flags.writeable = False
    return draw


def random_bits(shape: tuple[int, ...], mode: Stochastic, source: RandomSource) -> np.ndarray:
    """The integers that a mode draws for a C-contiguous tensor of this shape, in their own width."""
    place = find_place(mode, source, shape)
    bits = np.empty(shape, {8: np.uint8, 16: np.uint16, 32: np.uint32}[mode.bits])
    octets, draw = bits.reshape(-1).view(np.uint8), draw_of(place, shape, range(len(shape)))
    kernels = backends.load()
    kernels.run_ranges(
        lambda first, last: kernels.random_items(octets, draw, mode.bits, first, last), bits.size, grain=1 << 16
    )
    return bits


def whole_number(name: str, value: Any, limit: int) -> int:
    """`value` as an integer in 0..limit-1; ArgumentError for anything else, truth values and floats among it."""
    is_truth_value = isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
    try:
        number = -1 if is_truth_value else operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number < limit:
        raise ArgumentError(f"{name}={value!r} is not allowed; give an integer from 0 to {limit - 1}")
    return number


def _refuse_without_effect(mode: Rounding, source: RandomSource) -> None:
    for name in ("seed", "stream", "offset", "origin", "global_shape"):
        value = getattr(source, name)
        if value is not getattr(NOTHING, name):
            raise ArgumentError(
                f"{name}={value!r} has no effect with rounding={mode.value!r}; leave it out or round stochastically"
            )


def _shard(source: RandomSource, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The checked origin and global shape."""
    given = {"origin": source.origin, "global_shape": source.global_shape}
    checked: list[tuple[int, ...]] = []
    for name, numbers in given.items():
        if numbers is None:
            raise ArgumentError(f"origin={source.origin} and global_shape={source.global_shape}: give both or neither")
        if not isinstance(numbers, Sequence | np.ndarray) or isinstance(numbers, str | bytes):
            raise ArgumentError(f"{name}={numbers!r} is not allowed; give one integer an axis")
        if len(numbers) != len(shape):
            raise ShapeError(f"{name}={numbers!r} has {len(numbers)} entries; the tensor has {len(shape)} axes")
        checked.append(tuple(whole_number(name, number, INDICES) for number in numbers))
    origin, global_shape = checked
    if any(start + length > whole for start, length, whole in zip(origin, shape, global_shape, strict=True)):
        raise ShapeError(f"a tensor of shape {shape} at origin {origin} does not fit into global_shape {global_shape}")
    if prod(global_shape) > INDICES:
        raise ArgumentError(f"global_shape={global_shape} has more than 2^64 elements")
    return origin, global_shape


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides, in elements."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)
