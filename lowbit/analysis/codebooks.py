"""Codebooks learned from data: the table with the least squared error, by Lloyd's iteration in one dimension."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.analysis.piece import reduce_blocks
from lowbit.analysis.views import FloatView, as_view
from lowbit.errors import ArgumentError
from lowbit.formats import Codebook
from lowbit.formats.grids import MAX_CODEBOOK_BITS

Reals = NDArray[np.float64]

MAX_ROUNDS = 20_000
"""Bound on the rounds: each costs 2^bits binary searches, and thousands still move the centroids of long tails."""

SETTLED = 1e-9
"""Rounds end when no value moves by more than this part of the largest magnitude, less than binary32 resolves."""


def learn_codebook(
    x: Any,
    bits: int = 4,
    *,
    block: int | None = None,
    axis: int = -1,
    fixed: Sequence[float] = (),
    name: str = "learned",
) -> Codebook:
    """The codebook of 2^bits values that fits `x` best: a local minimum of the mean squared error of rounding to it.

    x: numpy array or torch tensor, float32, float64, float16 or bfloat16, any shape. NaN and infinities are left out.
    block: blocks of so many elements along `axis` are first divided by their largest magnitudes, and the largest
    magnitude of the table is exactly 1, on both sides where x has both signs: what `{...}/k64/f32` (as nf4) does with
    it. Without it the values are in x's own units, for a plain cast. A shorter last block counts as it is; blocks that
    are zero or not finite are left out.
    fixed: values that must be in the table, for example (0.0,).
    The result depends on x and the arguments alone; the order of elements matters only within blocks. If x has no more
    than 2^bits different values they are the table. Values are rounded to binary32, those too small for its normal
    numbers to zero. Takes about 40 bytes of memory an element.
    Raises ArgumentError for bits outside 1..8, a block below 1, fixed values that do not fit, or data without two
    different finite values or without a positive one; DtypeError and ShapeError for x and axis.
    Source: Lloyd, Least squares quantization in PCM (1982); Max (1960); block normalization as in QLoRA (2305.14314).

    >>> import numpy as np
    >>> from lowbit import analysis
    >>> analysis.learn_codebook(np.array([-3, -2.5, 0, 0, 1, 1.5, 9], np.float32), bits=2).values()
    (-2.75, 0.0, 1.25, 9.0)
    """
    if not 1 <= bits <= MAX_CODEBOOK_BITS:
        raise ArgumentError(f"bits={bits} is not allowed; use 1..{MAX_CODEBOOK_BITS}")
    data = _finite(as_view(x, float64=True), block, axis)
    values, counts = np.unique(data, return_counts=True)
    if values.size < 2 or values[-1] <= 0:
        raise ArgumentError(
            f"x has {values.size} different finite values up to {values.max(initial=-np.inf):g}; "
            "a codebook needs two, one of them positive (it sets the scale)"
        )
    kept = _fixed(fixed, values, bits, normalized=block is not None)
    if len(np.union1d(values, kept)) <= 1 << bits:
        table = np.union1d(values, kept)
    else:
        table = _settle(values, counts, _start(values, kept, 1 << bits), kept)
    return Codebook(name=name, entries=_entries(table), source=f"learned from {data.size} values")


def _finite(view: FloatView, block: int | None, axis: int) -> Reals:
    """The values to fit, flat."""
    if block is None:
        data = view.read((slice(None),) * len(view.shape), np.float64)
        return data[np.isfinite(data)]
    if block < 1:
        raise ArgumentError(f"block={block} is not allowed; use 1 or more, or None for values without scales")
    moved = view.moved((axis,))
    data = moved.read((slice(None),) * len(moved.shape), np.float64)
    if not data.size:
        return data.ravel()
    side = min(block, data.shape[-1])
    amax = np.repeat(reduce_blocks(np.maximum, np.abs(data), (side,)), side, axis=-1)[..., : data.shape[-1]]
    usable = np.isfinite(amax) & (amax > 0)
    return data[usable] / amax[usable]


def _fixed(fixed: Sequence[float], values: Reals, bits: int, *, normalized: bool) -> Reals:
    """The values that stay: those asked for, and the ends of normalized blocks."""
    kept = np.unique(np.asarray(fixed, np.float32).astype(np.float64))
    low, high = (-1.0, 1.0) if normalized else (-np.inf, np.inf)
    if not (np.isfinite(kept) & (kept >= low) & (kept <= high)).all():
        raise ArgumentError(f"fixed={tuple(fixed)}: use finite values" + (" in -1..1, as of blocks" * normalized))
    if normalized:
        kept = np.union1d(kept, [1.0] if values[0] >= 0 else [-1.0, 1.0])
    if kept.size > 1 << bits:
        raise ArgumentError(f"{kept.size} values are fixed (the ends of blocks included), {bits} bits hold {1 << bits}")
    return kept


def _start(values: Reals, kept: Reals, size: int) -> Reals:
    """Kept values, and evenly spaced ranks of the others."""
    others = np.setdiff1d(values, kept)
    free = size - kept.size
    ranks = ((np.arange(free) + 0.5) * others.size / max(free, 1)).astype(np.int64)
    return np.union1d(others[ranks], kept)


def _settle(values: Reals, counts: NDArray[np.int64], table: Reals, kept: Reals) -> Reals:
    """Lloyd's iteration: every value that is not kept moves to the mean of the data that is nearest to it."""
    weights = np.concatenate([[0], np.cumsum(counts)])
    sums = np.concatenate([[0.0], np.cumsum(values * counts)])
    moves = ~np.isin(table, kept)
    tolerance = SETTLED * float(np.abs(values).max())
    for _ in range(MAX_ROUNDS):
        ends = np.searchsorted(values, (table[1:] + table[:-1]) / 2)
        cuts = np.concatenate([[0], ends, [values.size]])
        weight = np.diff(weights[cuts])
        means = np.diff(sums[cuts]) / np.maximum(weight, 1)
        after = np.where(moves & (weight > 0), means, table)
        if np.abs(after - table).max() <= tolerance:
            return after
        table = after
    return table


def _entries(table: Reals) -> tuple[Fraction, ...]:
    """Different binary32 numbers, normal or zero, ascending."""
    single = table.astype(np.float32)
    single[np.abs(single) < np.finfo(np.float32).tiny] = 0
    return tuple(Fraction(float(value)) for value in np.unique(single))
