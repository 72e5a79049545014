"""n:m sparsity: of every m elements along the axis only the n of largest magnitude stay (contract §12)."""

from collections.abc import Sequence
from math import inf, isnan

from lowbit.reference.layout import Shape, blocks


def sparsified(numbers: Sequence[float], shape: Shape, run_sides: Shape, kept: int) -> list[float]:
    """The numbers with all but the `kept` largest magnitudes of every run set to +0.

    Of equal magnitudes the earlier stays; NaN counts as larger than infinity. `run_sides` are the sides of a run of m
    elements along the axis.
    """
    result = list(numbers)
    for run in blocks(shape, run_sides):
        by_magnitude = sorted(run, key=lambda i: _rank(numbers[i]), reverse=True)  # stable: earlier ones first
        for i in by_magnitude[kept:]:
            result[i] = 0.0
    return result


def _rank(x: float) -> tuple[bool, float]:
    return (True, inf) if isnan(x) else (False, abs(x))
