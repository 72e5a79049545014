"""The rotate stage of fused kernels: a segment's elements as the other stages read them, rotated or as they are.

Which of the two is a matter of types: `rotation` is None, or the `arguments` of a `lowbit.rotation.Rotation`. A kernel
is compiled for each of them at its first use, so that calls without a rotation pay nothing.
"""

import numpy as np
from numba.core import types

from lowbit.kernels.cpu.butterflies import opened, work_size
from lowbit.kernels.cpu.exact_rotation import flushes
from lowbit.kernels.cpu.jit import by_type, stage
from lowbit.kernels.cpu.memory import advance, memory
from lowbit.kernels.cpu.rotate_groups import rotate_run
from lowbit.kernels.cpu.vector import LANES


def segment_scratch(rotation, size: int):
    """Scratch for `segment_cells`, with room for the rotated elements of a segment of at most `size`."""
    raise NotImplementedError("a stage of compiled kernels")


def segment_cells(x, start, width, columns, rotation, scratch, size):
    """Memory that holds elements start..start + columns of a tensor with rows of `width` elements, at these indices.

    x itself, or the rotation of x's rows, rounded to x's type, which lies in `scratch` until the next call. A segment
    is then part of one row and consists of whole groups.
    """
    raise NotImplementedError("a stage of compiled kernels")


@by_type(segment_scratch)
def _scratch(rotation, size):
    if isinstance(rotation, types.NoneType):
        return lambda rotation, size: np.empty(0, np.float32)
    return lambda rotation, size: np.empty(size + LANES + work_size(rotation[0][0]), np.float32)


@by_type(segment_cells)
def _cells(x, start, width, columns, rotation, scratch, size):
    if isinstance(rotation, types.NoneType):
        return lambda x, start, width, columns, rotation, scratch, size: x
    return lambda x, start, width, columns, rotation, scratch, size: _rotated(
        x, start, width, columns, opened(rotation), memory(scratch), size
    )


@stage
def _rotated(x, start, width, columns, turn, scratch, size):
    r = turn[0]
    row, column = start // width, start % width
    valid, work = r.source - column, advance(scratch, size + LANES)
    rotate_run(x, row * r.source + column, valid, columns, turn, flushes(r), work, scratch)
    return advance(scratch, -start)
