"""Inputs of the clauses on shapes: where blocks begin and end, whatever axis, rank and strides (contract §7).

Scales differ from block to block; the numbers are ordinary ones (values of the grid where rounding draws random bits).
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import numpy as np

from lowbit.testing.blocks import along_axis, in_tile_axes
from lowbit.testing.expected import single
from lowbit.testing.frames import Frame, points, quiet_amax, quiet_anchor, quiet_level, quiet_scales, settle
from lowbit.testing.subject import Case, Subject


def _is_run(subject: Subject) -> bool:
    block = subject.fmt.block
    return block is not None and len(block.sizes) == 1


def _line(subject: Subject, length: int, start: int = 0) -> np.ndarray:
    """Numbers along one line of blocks, each block with the next of a few scales and its largest number first.

    Two levels: the first of several blocks holds the tensor's amax alone.
    """
    fmt, width = subject.fmt, _width(subject) or max(length, 1)
    line = np.zeros(length, np.float32)
    scales = quiet_scales(fmt)
    for number, begin in enumerate(range(0, length, width)):
        frame = settle(fmt, quiet_anchor(fmt, scales[(number + start) % len(scales)]), quiet_level(fmt))
        part = line[begin : begin + width]
        body = [*frame.anchor, *_ordinary(subject, frame, len(part))[len(frame.anchor) :]][: len(part)]
        part[:] = single(body)
    if fmt.tensor_target is not None and length > width:
        line[:width] = 0
        line[0] = quiet_amax(fmt)
    return line


def _ordinary(subject: Subject, frame: Frame, count: int) -> list[float]:
    """Numbers between neighbours of the grid where those are not drawn, values of it otherwise.

    The second half is small: alone it would get another scale. Nothing negative rounds to zero.
    """
    parts = (0,) if subject.is_stochastic else (0.25, 0.75)
    smallest = Fraction(subject.fmt.element.min_positive)
    found = [x for x in points(frame, parts, 7) if x > 0 or abs(frame.y(x)) > smallest] or [0.0]
    small = found if subject.is_stochastic else [frame.near(smallest * Fraction(part)) for part in ("2/7", "5/7")]
    head = [found[5 * place % len(found)] for place in range(count // 2)]
    return head + [small[place % len(small)] for place in range(count - len(head))]


def _width(subject: Subject) -> int:
    """Elements of a block along its axis, 0 where the tensor decides."""
    block = subject.fmt.block
    return 8 if block is None else int(block.sizes[-1] or 0) if block.sizes else 0


def _matrix(subject: Subject, rows: int, columns: int) -> np.ndarray:
    """Lines below each other; each tile's largest numbers stand in its first row."""
    block = subject.fmt.block
    height = int(block.sizes[0] or 1) if block is not None and block.is_tile else 1
    lines = [_line(subject, columns, row // height) for row in range(rows)]
    matrix = np.array(lines, np.float32).reshape(rows, columns)
    if block is not None and block.is_tile:
        rest = np.arange(rows) % height != 0
        matrix[rest, :: max(_width(subject), 1)] = 0
    return matrix


def neighbours(subject: Subject) -> Iterator[Case]:
    """Consecutive blocks of different scales; tiles filled to their last row and column."""
    block = subject.fmt.block
    if block is None or block.is_tensor or block.is_row:
        return
    if not block.is_tile:
        yield _case(subject, along_axis(subject, _line(subject, 3 * _width(subject))))
        return
    height, width = (int(side or 1) for side in block.sizes)
    corner = np.zeros((height, 2 * width), np.float32)
    corner[:, :width] = _matrix(subject, height, width) if height * width <= 1024 else 0
    anchor = quiet_anchor(subject.fmt, 1.0)[0]
    corner[-1, width - 1], corner[0, width] = (
        anchor,
        quiet_amax(subject.fmt) if subject.fmt.tensor_target else anchor / 4,
    )
    yield _case(subject, in_tile_axes(subject, corner))


def ragged_tails(subject: Subject) -> Iterator[Case]:
    """Last blocks that are shorter, down to one element; in matrices, where the next row begins a block of its own."""
    block = subject.fmt.block
    if block is None or block.is_tensor or block.is_row:
        return
    width = _width(subject)
    if not block.is_tile:
        for length in sorted({width + 1, width + width // 3, 2 * width - 1, max(width // 2, 1)}):
            yield _case(subject, along_axis(subject, _line(subject, length)))
        own = _own_axis(subject, 2)
        if own is not None:
            rows = np.array([_line(subject, width + 1, row) for row in range(2)], np.float32)
            yield _case(subject, _placed(rows, own))
        return
    height = int(block.sizes[0] or 1)
    for rows, columns in ((max(height // 16, 1), width + 1), (min(height + 1, 17), max(width // 8, 1))):
        yield _case(subject, in_tile_axes(subject, _matrix(subject, rows, columns)))


def axes(subject: Subject) -> Iterator[Case]:
    """Matrices whose magnitudes differ along both axes; every axis where the quantizer takes it as an argument."""
    block = subject.fmt.block
    if block is None or block.is_tensor:
        return
    if block.is_tile:
        if _width(subject) <= 32:  # the oracle needs half a second for a tile of 128 by 128
            matrix = _matrix(subject, 2 * int(block.sizes[0] or 1), 2 * _width(subject))
            yield _case(subject, in_tile_axes(subject, matrix))
        return
    length = min(2 * (_width(subject) or 8), 140)
    lines = np.array([_line(subject, length, row) for row in range(3)], np.float32)
    own = _own_axis(subject, 2)
    if own is not None:
        yield _case(subject, _placed(lines, own))
    if "axis" in subject.accepts:
        for axis in (0, 1):
            yield Case(x=_placed(lines, axis), arguments={**subject.draws, "axis": axis})


def _own_axis(subject: Subject, ndim: int) -> int | None:
    axis = subject.axis
    if isinstance(axis, tuple) or not -ndim <= axis < ndim or subject.ndim > ndim:
        return None
    return axis % ndim


def _placed(lines: np.ndarray, axis: int) -> np.ndarray:
    """Rows of blocks as a matrix whose blocks run along this axis."""
    return lines if axis == 1 else np.ascontiguousarray(lines.T)


def more_axes(subject: Subject) -> Iterator[Case]:
    """Tensors of three axes."""
    block = subject.fmt.block
    if block is not None and (block.is_tensor or block.is_tile):
        if block.is_tile and not isinstance(subject.axis, tuple) and block.elements and block.elements <= 1024:
            height, width = (int(side or 1) for side in block.sizes)
            yield _case(subject, np.stack([_matrix(subject, height, width)] * 2))
        return
    length = min(_width(subject) or 8, 64)
    axis = _own_axis(subject, 3)
    if axis is None:
        return
    cube = np.zeros((2, 2, length), np.float32)
    for i, j in product(range(2), range(2)):
        cube[i, j] = _line(subject, length, 2 * i + j)
    yield _case(subject, np.ascontiguousarray(np.moveaxis(cube, 2, axis)))


def strides(subject: Subject) -> Iterator[Case]:
    """Views that skip, run backwards or are transposed."""
    fmt = subject.fmt
    if fmt.block is not None and (fmt.block.is_tile or isinstance(subject.axis, tuple)):
        return
    line = _line(subject, min(2 * (_width(subject) or 8), 140))
    spaced = np.zeros(2 * len(line), np.float32)
    spaced[::2] = line
    backwards = np.ascontiguousarray(line[::-1])[::-1]
    for view in (spaced[::2], backwards):
        yield _case(subject, along_axis(subject, view))
    own = _own_axis(subject, 2)
    if own is not None and _is_run(subject):
        lines = np.array([line, _line(subject, len(line), 1)], np.float32)
        yield _case(subject, np.asfortranarray(_placed(lines, own)))


def empty(subject: Subject) -> Iterator[Case]:
    """Tensors without elements."""
    x = np.zeros(0, np.float32)
    tiled = subject.fmt.block is not None and subject.fmt.block.is_tile
    yield _case(subject, in_tile_axes(subject, x.reshape(0, 4)) if tiled else along_axis(subject, x))


def _case(subject: Subject, x: np.ndarray) -> Case:
    return Case(x=x, arguments=subject.draws)
