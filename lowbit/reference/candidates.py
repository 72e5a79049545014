"""Several ways to store a block, and the one with the smallest error (contract §4, four over six, and §12).

A candidate is an element, a target and the scale that follows from them. Candidates are compared with elements rounded
to nearest even, in binary32, in a fixed order of additions; the winner is rounded as asked afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lowbit.formats import Alternative, BlockFormat, Overflow, Rounding, ScaleRule, Select
from lowbit.reference.binary32 import add, divide, multiply
from lowbit.reference.grid import grid_of
from lowbit.reference.rounding import round_to_code
from lowbit.reference.scale import BlockScale, choose_scale, power_of_two_scale, shared_exponent
from lowbit.reference.statistic import BlockStatistic
from lowbit.reference.tensor_scale import TensorScale, largest_product
from lowbit.reference.units import scaled, unscaled


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to store a block: element and target, the scale they give, and the block's error with it.

    `error` is None where nothing is compared: formats with one way, and blocks of zeros.
    """

    way: Alternative
    scale: BlockScale
    error: float | None = None


def candidates(statistic: BlockStatistic, fmt: BlockFormat, tensor: TensorScale) -> list[Candidate]:
    """All ways to store a block with this statistic, in the order in which ties are decided; errors not yet known."""
    if fmt.scale_rule is not ScaleRule.MSE or statistic.square == 0:
        return [Candidate(way, choose_scale(statistic, fmt, way, tensor)) for way in fmt.candidates]
    (way,) = fmt.candidates
    floor = shared_exponent(statistic, fmt, way)
    return [Candidate(way, power_of_two_scale(exponent, fmt)) for exponent in (floor + 1, floor)]


def compare(
    tried: Sequence[Candidate], numbers: Sequence[float], row_length: int, fmt: BlockFormat, tensor: TensorScale
) -> tuple[list[Candidate], int]:
    """The candidates with their errors, and the place of the winner: a later one must be strictly smaller.

    A block of zeros takes the first one, whatever its error.
    """
    if len(tried) == 1 or not any(numbers):
        return list(tried), 0
    errors = [block_error(candidate, numbers, row_length, fmt, tensor) for candidate in tried]
    chosen = 0
    for place, error in enumerate(errors):
        if error < errors[chosen]:
            chosen = place
    return [replace(candidate, error=error) for candidate, error in zip(tried, errors, strict=True)], chosen


def block_error(
    candidate: Candidate, numbers: Sequence[float], row_length: int, fmt: BlockFormat, tensor: TensorScale
) -> float:
    """The sum of |d| or fl(d·d) over a block: rows of `row_length` left to right, then rows pairwise."""
    errors: list[float] = []
    for x in numbers:
        difference = add(_value(x, candidate, fmt, tensor), -x)
        errors.append(abs(difference) if fmt.select is Select.MAE else multiply(difference, difference))
    rows = [_left_to_right(errors[start : start + row_length]) for start in range(0, len(errors), row_length)]
    while len(rows) > 1:
        half = -(-len(rows) // 2)
        rows = [add(rows[i], rows[i + half]) if i + half < len(rows) else rows[i] for i in range(half)]
    return rows[0]


def _value(x: float, candidate: Candidate, fmt: BlockFormat, tensor: TensorScale) -> float:
    """What x decodes to in this candidate.

    Two levels with targets of one element decode as TransformerEngine's four over six does, element × scale × A over
    fl(S·T); all others as contract §2 says.
    """
    y = scaled(x, candidate.scale, fmt, tensor)
    grid = grid_of(candidate.way.element)
    element = grid.element.decode(round_to_code(y, grid, Rounding.NEAREST_EVEN, Overflow.SATURATE))
    if fmt.tensor_target is None or fmt.selector_bits:
        return unscaled(element, candidate.scale, fmt, tensor)
    return divide(multiply(multiply(element, candidate.scale.value), tensor.amax), largest_product(fmt))


def _left_to_right(errors: Sequence[float]) -> float:
    total = 0.0
    for error in errors:
        total = add(total, error)
    return total
