"""The rotate stage of fused kernels: a segment's elements as the other stages read them, rotated or as they are.

Which of the two is a matter of types: `rotation` is None, or the `arguments` of a `lowbit.rotation.Rotation`. A kernel
is compiled for each of them at its first use, so that calls without a rotation pay nothing.
"""

from typing import Any

import numpy as np
from numba.core import types

from lowbit.kernels.cpu.band import scratch_size
from lowbit.kernels.cpu.butterflies import opened, work_size
from lowbit.kernels.cpu.exact_rotation import flushes
from lowbit.kernels.cpu.jit import by_type, small_stage, stage
from lowbit.kernels.cpu.memory import advance, memory
from lowbit.kernels.cpu.rotate_columns import STRIP, rotate_columns_of
from lowbit.kernels.cpu.rotate_groups import rotate_run
from lowbit.kernels.cpu.vector import LANES


def segment_scratch(rotation, grid):
    """Scratch for `segment_cells`, with room for the rotated elements of a segment."""
    raise NotImplementedError("a stage of compiled kernels")


def segment_cells(x, grid, start, rows, columns, anew, rotation, scratch) -> Any:
    """(memory, stride): where the segment lies that starts at x[start], at the same index, rows `stride` apart.

    In x itself, or rotated and rounded to x's type in `scratch` until the next call. A rotated segment consists of
    whole groups: of its rows, or of the columns of `grid.together` bands, which are turned at the first of them, or
    where the call before was for other bands (`anew`).
    """
    raise NotImplementedError("a stage of compiled kernels")


@by_type(segment_scratch)
def _scratch(rotation, grid):
    if isinstance(rotation, types.NoneType):
        return lambda rotation, grid: None
    return lambda rotation, grid: np.empty(
        _turned_rows(grid) * scratch_size(grid) + LANES + work_size(rotation[0][0]), np.float32
    )


@by_type(segment_cells)
def _cells(x, grid, start, rows, columns, anew, rotation, scratch):
    if isinstance(rotation, types.NoneType):
        return lambda x, grid, start, rows, columns, anew, rotation, scratch: (x, grid.columns)
    return lambda x, grid, start, rows, columns, anew, rotation, scratch: _rotated(
        x, grid, start, rows, columns, anew, opened(rotation), memory(scratch)
    )


@small_stage
def _turned_rows(grid):
    """Rows that lie in scratch together."""
    return min(grid.rows, grid.height * grid.together)


@stage
def _rotated(x, grid, start, rows, columns, anew, turn, scratch):
    pitch = scratch_size(grid)
    line, column = start // grid.columns, start % grid.columns
    work = advance(scratch, _turned_rows(grid) * pitch + LANES)
    if turn[0].inner == 1:
        _turn_rows(x, line, rows, column, columns, turn, scratch, pitch, work)
        return advance(scratch, -start), pitch
    below = line % grid.rows % (grid.height * grid.together)
    if anew or below == 0:
        _turn_bands(x, grid, line - below, column, columns, turn, scratch, pitch, work)
    return advance(scratch, below * pitch - start), pitch


@stage
def _turn_rows(x, line, rows, column, columns, turn, out, pitch, work):
    """Rotate a stretch of each of `rows` rows of a tensor, from row number `line` on."""
    r, flushing = turn[0], flushes(turn[0])
    for i in range(rows):
        start = (line + i) * r.source + column
        rotate_run(x, start, r.source - column, columns, turn, flushing, work, advance(out, i * pitch))


@stage
def _turn_bands(x, grid, line, column, columns, turn, out, pitch, work):
    """Rotate the same columns of bands that are turned together, from row number `line` of the result on.

    They go strip by strip, and the next one is asked for meanwhile.
    """
    r, flushing = turn[0], flushes(turn[0])
    outer, row = line // grid.rows, line % grid.rows
    height = min(grid.height * grid.together, grid.rows - row)
    beyond = STRIP if column + columns < grid.columns else height * grid.columns - column
    for group in range(0, height, r.n):
        start, there = (outer * r.source + row + group) * r.inner + column, min(r.source - row - group, r.n)
        for i in range(0, columns, STRIP):
            width, ahead = min(STRIP, columns - i), STRIP if i + STRIP < columns else beyond
            into = advance(out, group * pitch + i)
            rotate_columns_of(x, start + i, there, width, ahead, turn, flushing, into, pitch, work)
