"""A large tensor of a format whose scales are settled, so that all other elements can be put between two values."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from lowbit.errors import ShapeError, UnsupportedError
from lowbit.formats import BlockFormat, Codebook, ScaleRule, Statistic, Stochastic
from lowbit.testing.calling import as_array
from lowbit.testing.frames import Frame, quiet_amax, quiet_frames

Quantizer = Callable[..., Any]

COLUMNS = 1024
"""About the length of a row: rows are whole blocks."""

BEYOND_AMAX = ("alternatives", "select", "peak", "micro_exponents", "zero_point", "correction", "sparsity")
"""Options of formats whose blocks follow from more than their largest magnitude."""


@dataclass(frozen=True)
class Bench:
    """A quantizer with the tensor it is given.

    `template` is float32 (rows, columns), or its transpose for axis 0, with the numbers that settle the scales and
    zeros elsewhere; `free` are the row-major indices of elements that may be anything within the blocks' amax.
    `accepts` are the draw arguments that the quantizer takes; with `own` its random bits are its own, new in each call.
    """

    quantizer: Quantizer
    fmt: BlockFormat
    rounding: Stochastic
    frame: Frame
    template: np.ndarray
    free: np.ndarray
    accepts: frozenset[str]
    own: bool

    def results(self, numbers: np.ndarray, **draws: int) -> np.ndarray:
        """What becomes of numbers (float32, as many as are free). ShapeError if the quantizer changes the shape."""
        x = self.template.copy()
        x.reshape(-1)[self.free] = numbers
        given = {name: value for name, value in draws.items() if name in self.accepts}
        result = as_array(self.quantizer(x, **given))
        if result.shape != x.shape:
            raise ShapeError(f"the quantizer returned shape {result.shape} for an array of shape {x.shape}")
        return result.reshape(-1)[self.free]

    @cached_property
    def gaps(self) -> list[tuple[float, float]]:
        """All pairs (near, far) of neighbours within the blocks' amax, ascending; far is where numbers go up to.

        That is away from zero, except on lists of values (codebooks), where it is the larger one (contract §5).
        """
        amax = max((abs(self.frame.y(x)) for x in self.frame.anchor), default=max(map(abs, self.frame.values)))
        listed = isinstance(self.fmt.element, Codebook)
        inside = [value for value in self.frame.values if abs(value) <= amax]
        pairs = pairwise(inside)
        return [(low, high) if low >= 0 or listed else (high, low) for low, high in pairs]


def make_bench(
    quantizer: Quantizer,
    fmt: BlockFormat,
    rounding: Stochastic,
    *,
    axis: int,
    elements: int,
    accepts: frozenset[str],
    own: bool,
) -> Bench:
    """A bench of about so many elements. UnsupportedError for formats whose scales follow from more than amax."""
    _check(fmt)
    frame = quiet_frames(fmt, 1)[0]
    template, free = _tensor(fmt, frame.anchor, elements)
    if not free.any():
        raise UnsupportedError(f"{fmt}: blocks of one element leave no number between two values; check its element")
    if axis == 0:
        template, free = np.ascontiguousarray(template.T), np.ascontiguousarray(free.T)
    return Bench(quantizer, fmt, rounding, frame, template, np.flatnonzero(free), accepts, own)


def _tensor(fmt: BlockFormat, anchor: tuple[float, ...], elements: int) -> tuple[np.ndarray, np.ndarray]:
    """The template along the last axis, and a mask of what is free."""
    sizes = () if fmt.block is None else fmt.block.sizes
    height, width = (sizes if len(sizes) == 2 else (1, *sizes)) if sizes else (1, None)
    columns = COLUMNS if width is None else -(-COLUMNS // width) * width
    rows = -(-elements // (columns * (height or 1))) * (height or 1)
    template, free = np.zeros((rows, columns), np.float32), np.ones((rows, columns), bool)
    if fmt.block is not None:
        heads = (slice(None, None, height), slice(None, None, width or columns))
        heads = (slice(0, 1), slice(0, 1)) if fmt.block.is_tensor else heads
        template[heads], free[heads] = anchor[0], False
    if fmt.tensor_target is not None:  # a last block that makes the tensor's own scale what the anchor was built for
        tile = (slice(rows - (height or 1), rows), slice(columns - (width or columns), columns))
        template[tile], free[tile] = 0, False
        template[tile[0].start, tile[1].start] = quiet_amax(fmt)
    return template, free


def _check(fmt: BlockFormat) -> None:
    odd = [name for name in BEYOND_AMAX if name in fmt.options()]
    odd += ["statistic"] if fmt.statistic is not Statistic.AMAX else []
    odd += ["scale rule mse"] if fmt.scale is not None and fmt.scale_rule is ScaleRule.MSE else []
    if odd:
        raise UnsupportedError(
            f"{fmt} ({', '.join(odd)}): its scales follow from more than the largest magnitude, so numbers cannot be "
            f"put between two values; check {fmt.element.name} in blocks without these options"
        )
