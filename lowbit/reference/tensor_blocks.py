"""The blocks of a tensor: quantized one by one, corrected across blocks, and put back in order."""

from collections.abc import Sequence
from itertools import chain

from lowbit.formats import BlockFormat
from lowbit.reference.block import QuantizedBlock, decode_block, quantize_block
from lowbit.reference.correction import corrected, group_ratio
from lowbit.reference.layout import Axis, Shape, blocks, run_sides, tile_rows
from lowbit.reference.level import Level
from lowbit.reference.rounding import Mode
from lowbit.reference.tensor_scale import TensorScale


def quantized_blocks(
    numbers: Sequence[float], modes: Sequence[Mode], fmt: BlockFormat, shape: Shape, axis: Axis, level: Level
) -> list[QuantizedBlock]:
    """The blocks in row-major order of the block grid."""
    steps: list[QuantizedBlock] = []
    for rows in tile_rows(fmt, shape, axis):
        members = list(chain(*rows))
        block = quantize_block(
            [numbers[i] for i in members],
            [modes[i] for i in members],
            fmt,
            tensor=level.scale,
            amax=level.block_amax,
            row_length=len(rows[0]),
        )
        steps.append(block)
    return steps


def corrected_blocks(
    steps: Sequence[QuantizedBlock],
    numbers: Sequence[float],
    fmt: BlockFormat,
    shape: Shape,
    axis: Axis,
    tensor: TensorScale,
    draws: Sequence[int],
) -> list[QuantizedBlock]:
    """The blocks with their scales corrected, group by group along the axis, each with its own random bits."""
    codes = codes_in_order(steps, fmt, shape, axis)
    values = decoded_values(codes, [block.word for block in steps], fmt, shape, axis, tensor)
    ratios = [1.0] * len(numbers)
    for group in blocks(shape, run_sides(fmt, shape, axis, fmt.correction_group or 0)):
        ratio = group_ratio([numbers[i] for i in group], [values[i] for i in group])
        for i in group:
            ratios[i] = ratio
    first_members = [rows[0][0] for rows in tile_rows(fmt, shape, axis)]
    return [
        corrected(block, ratios[first], draw, fmt)
        for block, first, draw in zip(steps, first_members, draws, strict=True)
    ]


def codes_in_order(steps: Sequence[QuantizedBlock], fmt: BlockFormat, shape: Shape, axis: Axis) -> list[int]:
    """The codes of all blocks in row-major order of the elements."""
    codes = [0] * sum(len(block.codes) for block in steps)
    for rows, block in zip(tile_rows(fmt, shape, axis), steps, strict=True):
        for i, code in zip(chain(*rows), block.codes, strict=True):
            codes[i] = code
    return codes


def decoded_values(
    codes: Sequence[int], words: Sequence[int], fmt: BlockFormat, shape: Shape, axis: Axis, tensor: TensorScale
) -> list[float]:
    """What codes and block words decode to, in row-major order of the elements."""
    values = [0.0] * len(codes)
    for rows, word in zip(tile_rows(fmt, shape, axis), words, strict=True):
        members = list(chain(*rows))
        for i, value in zip(members, decode_block([codes[i] for i in members], word, fmt, tensor), strict=True):
            values[i] = value
    return values
