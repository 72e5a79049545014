"""The block of one element, cut out of a tensor and quantized by the exact oracle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from lowbit.explanations.draws import Draws, logical_index
from lowbit.explanations.tensors import PATTERNS, Tensor, finite_amax
from lowbit.formats import BlockFormat, Correction, Rounding, Statistic, ZeroPoint
from lowbit.geometry import Axis, normalized_axes
from lowbit.reference.block import QuantizedBlock, decode_block, quantize_block
from lowbit.reference.correction import corrected, group_ratio
from lowbit.reference.layout import block_sides, grid_shape
from lowbit.reference.level import Level
from lowbit.reference.philox import random_bits
from lowbit.reference.rounding import Mode
from lowbit.reference.statistic import BlockStatistic, block_statistic


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockPlace:
    """Where an element's block lies: `index` in the block grid of shape `grid`, `ranges` of the tensor, `axes` of its
    sides, and the element's `place` in the order of the block's elements (rows of tiles run along the second axis).
    """

    index: tuple[int, ...]
    grid: tuple[int, ...]
    ranges: tuple[range, ...]
    axes: tuple[int, ...]
    place: int

    @property
    def row_length(self) -> int:
        """Elements of a row of the block."""
        return len(self.ranges[self.axes[1]]) if len(self.axes) == 2 else prod(map(len, self.ranges))

    def member(self, place: int) -> tuple[int, ...]:
        """The index in the tensor of the block's element at this place."""
        order = _order(len(self.ranges), self.axes)
        lengths = [len(self.ranges[axis]) for axis in order]
        found = dict(zip(order, np.unravel_index(place, lengths), strict=True))
        return tuple(extent[int(found[axis])] for axis, extent in enumerate(self.ranges))


def find_block(fmt: BlockFormat, shape: tuple[int, ...], axis: Axis, position: tuple[int, ...]) -> BlockPlace:
    """The block of the element at `position`. ShapeError or ArgumentError for an axis that does not fit."""
    axes = normalized_axes(axis, len(shape), fmt)
    sides = block_sides(fmt, shape, (axes[0], axes[1]) if len(axes) == 2 else axes[0] if axes else -1)
    index = tuple(place // side for place, side in zip(position, sides, strict=True))
    bounds = zip(index, sides, shape, strict=True)
    ranges = tuple(range(at * side, min((at + 1) * side, length)) for at, side, length in bounds)
    order = _order(len(shape), axes)
    within = [position[axis] - ranges[axis].start for axis in order]
    place = int(np.ravel_multi_index(within, [len(ranges[axis]) for axis in order]))
    return BlockPlace(index=index, grid=grid_shape(shape, sides), ranges=ranges, axes=axes, place=place)


@dataclass(frozen=True, kw_only=True, slots=True)
class OneElement:
    """The element's block after quantization; `slot` is where the element lies in the block's codes.

    Where only the block's statistic ties its elements together, the oracle was given this element alone. `low` and
    `high` are the range of a block with a zero point; `uncorrected` is the block before a correction of its scale;
    `peak_place` where the largest magnitude lies.
    """

    block: QuantizedBlock
    slot: int
    value: float
    peak_place: int
    low: float = 0.0
    high: float = 0.0
    uncorrected: QuantizedBlock | None = None


def quantized_element(
    tensor: Tensor, place: BlockPlace, fmt: BlockFormat, draws: Draws, level: Level, x: float
) -> OneElement:
    """Quantize the block (or the element with its block's statistic) and decode the element."""
    part = tensor.part(place.ranges, place.axes if len(place.axes) == 2 else ())
    magnitudes = part.magnitudes().reshape(-1)
    peak = int(magnitudes.argmax())
    mode = draws.mode(place.member(place.place))
    if int(magnitudes[peak]) >= PATTERNS[tensor.kind][2]:
        return _decoded(quantize_block([x, float("nan")], [mode, mode], fmt, tensor=level.scale), 0, fmt, level, peak)
    if fmt.correction is Correction.EDEN:
        return _corrected_element(tensor, place, fmt, draws, level, peak)
    if fmt.zero_point is ZeroPoint.INTEGER:
        numbers = part.numbers()
        ends = [min(0.0, *numbers), max(0.0, *numbers)]
        modes: list[Mode] = [mode, Rounding.NEAREST_EVEN, Rounding.NEAREST_EVEN]
        block = quantize_block([x, *ends], modes, fmt, tensor=level.scale)
        return replace(_decoded(block, 0, fmt, level, peak), low=ends[0], high=ends[1])
    if fmt.select is not None or fmt.side_bits:
        numbers = part.numbers()
        modes = [Rounding.NEAREST_EVEN] * len(numbers)
        modes[place.place] = mode
        row = place.row_length
        block = quantize_block(numbers, modes, fmt, tensor=level.scale, amax=level.block_amax, row_length=row)
        return _decoded(block, place.place, fmt, level, peak)
    statistic = _statistic(part, fmt, level)
    return _decoded(quantize_block([x], [mode], fmt, tensor=level.scale, statistic=statistic), 0, fmt, level, peak)


def _statistic(part: Tensor, fmt: BlockFormat, level: Level) -> BlockStatistic:
    if fmt.statistic is Statistic.RMS:
        return block_statistic(part.numbers(), fmt, None)
    return block_statistic([finite_amax(part)[0]], fmt, level.block_amax)


def _corrected_element(
    tensor: Tensor, place: BlockPlace, fmt: BlockFormat, draws: Draws, level: Level, peak: int
) -> OneElement:
    """The element of a block whose scale is corrected with the blocks of its group."""
    blocks: list[QuantizedBlock] = []
    numbers: list[float] = []
    values: list[float] = []
    own = 0
    for ranges in group_ranges(place, tensor.shape, fmt):
        if ranges == place.ranges:
            own = len(blocks)
        part = tensor.part(ranges).numbers()
        here = replace(place, ranges=ranges)
        modes = [draws.mode(here.member(i)) for i in range(len(part))]
        blocks.append(quantize_block(part, modes, fmt, tensor=level.scale))
        values += decode_block(blocks[-1].codes, blocks[-1].word, fmt, level.scale)
        numbers += part
    assert draws.blocks is not None  # the arguments were checked
    index = logical_index(draws.blocks, place.index)
    random = random_bits(index, bits=32, seed=draws.blocks.seed, stream=draws.blocks.stream)
    block = corrected(blocks[own], group_ratio(numbers, values), random, fmt)
    return replace(_decoded(block, place.place, fmt, level, peak), uncorrected=blocks[own])


def group_ranges(place: BlockPlace, shape: tuple[int, ...], fmt: BlockFormat) -> list[tuple[range, ...]]:
    """The blocks of the group whose scales are corrected together, in order along the axis."""
    assert fmt.block is not None and fmt.block.elements is not None and fmt.correction_group is not None
    (axis,) = place.axes
    size, start = fmt.block.elements, place.ranges[axis].start
    first = start - start % fmt.correction_group
    last = min(first + fmt.correction_group, shape[axis])
    pieces = [range(at, min(at + size, last)) for at in range(first, last, size)]
    return [(*place.ranges[:axis], piece, *place.ranges[axis + 1 :]) for piece in pieces]


def _decoded(block: QuantizedBlock, slot: int, fmt: BlockFormat, level: Level, peak: int) -> OneElement:
    value = decode_block(block.codes, block.word, fmt, level.scale)[slot]
    return OneElement(block=block, slot=slot, value=value, peak_place=peak)


def _order(ndim: int, axes: Sequence[int]) -> tuple[int, ...]:
    """Axes in the order that a block's elements are counted in."""
    if len(axes) != 2:
        return tuple(range(ndim))
    return (*(axis for axis in range(ndim) if axis not in axes), *axes)
