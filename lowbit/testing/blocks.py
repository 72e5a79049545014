"""From numbers to tensors: blocks are filled, cleaned of what their clause is not about, and laid side by side."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lowbit.reference.tensor_scale import TensorScale
from lowbit.testing.expected import single
from lowbit.testing.features import INEXACT, NEAR_TIE, ORDINARY, TIE, block_features, features
from lowbit.testing.frames import CAPACITY, Frame, block_size, quantized, quiet_amax, quiet_level
from lowbit.testing.subject import Case, Subject

UNFIT = frozenset({INEXACT, TIE, NEAR_TIE})
"""Features that even the numbers that decide the scale have only where a clause allows them."""

PASSES = 4
"""How often a block is looked at after numbers were taken out; formats that choose by all numbers may change."""


@dataclass(frozen=True)
class Block:
    """Numbers of one block, of which the first `kept` decide its scale and always stay."""

    numbers: tuple[float, ...]
    kept: int


def filled(subject: Subject, frame: Frame, numbers: Sequence[float]) -> Iterator[Block]:
    """Blocks that begin with the frame's anchor and hold the numbers, as many blocks as it takes."""
    fmt = subject.fmt
    lead = list(frame.anchor)
    if fmt.micro_exponents and lead:
        lead += [0.0] * (fmt.micro_exponents[0] - len(lead) % fmt.micro_exponents[0])
    room = min(CAPACITY, block_size(fmt)) if fmt.scale is not None else max(len(numbers), 1)
    if fmt.sparsity is not None:
        lead, room = spread(lead, fmt.sparsity), room * fmt.sparsity[0] // fmt.sparsity[1]
    space = room - len(lead)
    if space < 1:
        yield Block(tuple(lead), len(lead))
        return
    for start in range(0, max(len(numbers), 1), space):
        rest = list(numbers[start : start + space])
        yield Block((*lead, *(rest if fmt.sparsity is None else spread(rest, fmt.sparsity))), len(lead))


def spread(numbers: Sequence[float], sparsity: Sequence[int]) -> list[float]:
    """Numbers with zeros after them, so that sparsity keeps them all."""
    kept, run = sparsity
    result: list[float] = []
    for start in range(0, len(numbers), kept):
        part = list(numbers[start : start + kept])
        result += part + [0.0] * (run - len(part))
    return result


def cleaned(
    subject: Subject, block: Block, allowed: frozenset[str] = ORDINARY, level: TensorScale | None = None
) -> Block | None:
    """The block with +0 for numbers that are more than what is allowed; None where the anchor itself is.

    Where elements are rounded by random bits, only exact and saturated ones are; clauses on random bits do not come
    here. An anchor may be beyond the largest value.
    """
    fmt, level = subject.fmt, level or quiet_level(subject.fmt)
    if subject.is_stochastic:
        allowed -= {INEXACT}
    numbers = list(block.numbers)
    for _ in range(PASSES):
        if fmt.scale is None:
            found = [features(fmt, x, x, fmt.element) for x in numbers]
        else:
            steps = quantized(fmt, numbers, level)
            found = block_features(fmt, numbers, steps) if steps.candidates else []
        if any(item & UNFIT - allowed for item in found[: block.kept]):
            return None
        bad = [i for i, item in enumerate(found) if i >= block.kept and item - allowed]
        if not bad:
            return Block(tuple(numbers), block.kept)
        for i in bad:
            numbers[i] = 0.0
    return None


def cases(
    subject: Subject, blocks: Iterable[Block | None], amax: float | None = None, **arguments: object
) -> Iterator[Case]:
    """Calls that have these blocks, side by side where the format's blocks have a size.

    Tensors of two-level formats get a last block with the quiet amax (or `amax`; 0 for none), which makes the tensor
    scale what the blocks were built for.
    """
    fmt, given = subject.fmt, [block for block in blocks if block is not None]
    if not given:
        return
    if fmt.tensor_target is not None and amax != 0:
        given.append(Block((quiet_amax(fmt) if amax is None else amax,), 1))
    draws = {**subject.draws, **arguments}
    if fmt.block is None or fmt.block.elements is not None:
        yield Case(x=side_by_side(subject, [block.numbers for block in given]), arguments=draws)
        return
    for block in given:
        yield Case(x=along_axis(subject, np.array(block.numbers, np.float32)), arguments=draws)


def side_by_side(subject: Subject, blocks: Sequence[Sequence[float]]) -> np.ndarray:
    """Blocks of a fixed size, filled up with zeros, along the axis; numbers of plain casts one after the other."""
    fmt = subject.fmt
    if fmt.block is None:
        return along_axis(subject, single([x for block in blocks for x in block]))
    size = block_size(fmt)
    full = np.zeros((len(blocks), size), np.float32)
    for row, block in zip(full, blocks, strict=True):
        row[: len(block)] = single(block[:size])  # runs of one element have no room for more
    if not fmt.block.is_tile:
        return along_axis(subject, full.reshape(-1))
    height, width = (int(side or 1) for side in fmt.block.sizes)
    tiles = np.ascontiguousarray(full.reshape(-1, height, width).transpose(1, 0, 2)).reshape(height, -1)
    return in_tile_axes(subject, tiles)


def in_tile_axes(subject: Subject, matrix: np.ndarray) -> np.ndarray:
    """A matrix of tiles over the subject's pair of axes, in a tensor of just enough axes."""
    if not isinstance(subject.axis, tuple):
        return matrix.reshape((1,) * max(subject.ndim - 2, 0) + matrix.shape)
    ndim = max(subject.ndim, *(a + 1 if a >= 0 else -a for a in subject.axis))
    first, second = (a % ndim for a in subject.axis)
    moved = matrix if first < second else matrix.T
    shape = [1] * ndim
    shape[first], shape[second] = matrix.shape
    return np.ascontiguousarray(moved).reshape(shape)


def along_axis(subject: Subject, line: np.ndarray) -> np.ndarray:
    """A line of numbers along the subject's axis, in a tensor of just enough axes."""
    if isinstance(subject.axis, tuple):  # tiles have matrices; whole-tensor blocks and casts have no axis
        return line
    needed = subject.axis + 1 if subject.axis >= 0 else -subject.axis
    shape = [1] * max(subject.ndim, needed)
    shape[subject.axis] = len(line)
    return line.reshape(shape)
