"""Inputs of the clauses on rotations (contract §6), of quantizers that rotate first.

Numbers are chosen so that the rotated ones are values of the grid times an ordinary scale, or show in which order they
were added.
"""

from collections.abc import Iterator

import numpy as np

from lowbit.formats import Hadamard
from lowbit.testing.blocks import along_axis
from lowbit.testing.frames import quiet_amax, quiet_anchor
from lowbit.testing.subject import Case, Subject


def impulses(subject: Subject) -> Iterator[Case]:
    """One number at every place of a group: the result is a column of the matrix, with the sign before it."""
    transform = _transform(subject)
    n = transform.n
    for place in sorted({0, 1, n // 2, n - 1}):
        x = np.zeros(n, np.float32)
        x[place] = _height(subject)
        yield _case(subject, x)


def constants(subject: Subject) -> Iterator[Case]:
    """Equal numbers, which the matrix gathers and signs before it scatter."""
    n = _transform(subject).n
    yield _case(subject, np.full(n, _height(subject) / n, np.float32))
    yield _case(
        subject, np.where(np.arange(2 * n) % 3 == 0, 1, -1).astype(np.float32) * np.float32(_height(subject) / n)
    )


def orders(subject: Subject) -> Iterator[Case]:
    """Numbers of very different size that cancel: what is left depends on the order of the additions."""
    n = _transform(subject).n
    big = np.float32(_height(subject) * 2**22)
    for first, second in ((0, n // 2), (0, 1)):
        x = np.full(n, _height(subject) / 8, np.float32)
        x[first], x[second] = big, -big
        yield _case(subject, x)


def paddings(subject: Subject) -> Iterator[Case]:
    """Axes that the size does not divide: padded with zeros, and longer afterwards."""
    n = _transform(subject).n
    for length in (1, n + 1, 2 * n - 1):
        x = np.zeros(length, np.float32)
        x[::n] = _height(subject)
        yield _case(subject, x)


def groups(subject: Subject) -> Iterator[Case]:
    """Several groups along the axis, each rotated on its own with the same signs."""
    n = _transform(subject).n
    x = np.zeros(3 * n, np.float32)
    x[0], x[n + 1], x[3 * n - 1] = _height(subject), -_height(subject), _height(subject) / 2
    yield _case(subject, x)


def _transform(subject: Subject) -> Hadamard:
    assert subject.transform is not None  # the table asks for it
    return subject.transform


def _height(subject: Subject) -> float:
    """A number whose share in every place of a group of 4^k is the quiet amax of a block."""
    fmt = subject.fmt
    own = (
        quiet_amax(fmt)
        if fmt.tensor_target is not None
        else max(map(abs, quiet_anchor(fmt, 1.0)), default=fmt.element.max)
    )
    return float(np.float32(own * 2.0 ** round(np.log2(_transform(subject).n) / 2)))


def _case(subject: Subject, line: np.ndarray) -> Case:
    tiled = subject.fmt.block is not None and subject.fmt.block.is_tile
    x = line.reshape(1, -1) if tiled else along_axis(subject, line)
    return Case(x=x, arguments=subject.draws)
