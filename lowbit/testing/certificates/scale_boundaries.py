"""Where scale codes change: the boundaries of every scale rule on block maxima.

A rule gives larger maxima no smaller scale, so it is one boundary for each scale: an exact rational, or for `nearest` a
square root of one, beyond which the scale is chosen (contract §3).
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

from lowbit.errors import UnsupportedError
from lowbit.formats import Arithmetic, BlockFormat, FloatElement, Rounding, ScaleDomain, ScaleFloor, ScaleRule
from lowbit.testing.certificates.definitions import Pairs, definition_of
from lowbit.testing.certificates.element_boundaries import boundary
from lowbit.testing.certificates.patterns import INFINITY, SIGN, least_pattern, value_of
from lowbit.testing.certificates.runs import REFUSED, Runs, runs_of


def scale_runs(fmt: BlockFormat) -> Runs:
    """The expected scale codes of blocks whose largest magnitude is any of the 2^31 non-negative patterns.

    Infinity and NaN give the scale's NaN (contract §8). UnsupportedError for scales that follow from more than an amax,
    or from a tensor scale, and for binary32 scales, of which there is one for nearly every amax.
    """
    scale = _checked(fmt)
    grid = definition_of(scale)
    starts = _exponent_starts(fmt, grid.positive) if fmt.is_power_of_two_scale else _float_starts(fmt, grid.positive)
    floor = _floor_code(fmt, scale, grid.positive)
    parts = [(start, floor.get(code, code), 0) for start, code in starts]
    parts.append((INFINITY, REFUSED if grid.nan is None else grid.nan, 0))
    return runs_of(parts, SIGN)


def _checked(fmt: BlockFormat) -> FloatElement:
    several = fmt.is_blockwise or fmt.tensor_target is not None or fmt.scale_domain is not ScaleDomain.DECODE
    if fmt.scale is None or fmt.is_float32_scale or several or fmt.arithmetic is Arithmetic.TRANSFORMER_ENGINE:
        raise UnsupportedError(
            f"{fmt}: certificates of scales are for one level of scales of up to 16 bits that follow from the block's "
            "amax by a rule; give a format such as e2m1/k32/e8m0:rceil or e2m1/k16/ue5m3:ceil"
        )
    return fmt.scale


def _exponent_starts(fmt: BlockFormat, scales: Pairs) -> list[tuple[int, int]]:
    """(first amax pattern, code) of power-of-two scales; the smallest one takes all that is below."""
    starts = [(0, scales[0][1])]
    for value, code in scales[1:]:
        starts.append((_least_amax(fmt, value), code))
    return starts


def _least_amax(fmt: BlockFormat, scale: Fraction) -> int:
    """The least amax whose scale is at least a power of two, by the format's rule."""
    target = fmt.target_max
    assert target is not None
    top = Fraction(2) ** (_exponent_of(target))  # 2^Emax
    match fmt.scale_rule:
        case ScaleRule.FLOOR:
            return least_pattern(scale * top, beyond=False)
        case ScaleRule.EVEN:
            assert isinstance(fmt.element, FloatElement)  # half a unit of its last place below the next power of two
            half_unit = Fraction(1, 2 << fmt.element.mantissa_bits)
            return least_pattern(scale / 2 * top * (2 - half_unit), beyond=False)
        case ScaleRule.CEIL:
            return least_pattern(scale / 2 * top, beyond=True)
        case ScaleRule.RCEIL:
            return least_pattern(scale / 2 * target, beyond=True)
        case ScaleRule.NEAREST:  # amax / T >= scale / sqrt(2)
            square = (scale * target) ** 2 / 2
            return _first(lambda pattern: value_of(pattern) ** 2 >= square)
        case _:
            raise UnsupportedError(f"{fmt}: certificates do not know the scale rule {fmt.scale_rule}")


def _first(reached: Callable[[int], bool]) -> int:
    """The first pattern for which a monotone condition holds, infinity's if it holds for no finite number."""
    low, high = -1, INFINITY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _exponent_of(value: Fraction) -> int:
    exponent = 0
    while Fraction(2) ** exponent > value:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= value:
        exponent += 1
    return exponent


def _float_starts(fmt: BlockFormat, scales: Pairs) -> list[tuple[int, int]]:
    """(first amax pattern, code) of float scales: fl(amax / T) is rounded onto the scale's own grid, and saturates."""
    upward = fmt.scale_rule is ScaleRule.CEIL
    mode = Rounding.TOWARD_POSITIVE if upward else Rounding.NEAREST_EVEN
    starts = [(0, scales[0][1])]
    for (low, low_code), (high, high_code) in pairwise(scales):
        bound, beyond = boundary(low, high, low_code, mode, negative=False)
        starts.append((_least_dividend(fmt, least_pattern(bound, beyond=beyond)), high_code))
    return starts


def _least_dividend(fmt: BlockFormat, quotient: int) -> int:
    """The least amax pattern for which fl(amax / T) is at least a binary32 number: past the middle below that number,
    or on it where ties go to the number, whose pattern is even then."""
    assert fmt.target_max is not None and quotient > 0
    middle = (value_of(quotient - 1) + value_of(quotient)) / 2
    return least_pattern(middle * fmt.target_max, beyond=quotient % 2 == 1)


def _floor_code(fmt: BlockFormat, scale: FloatElement, scales: Pairs) -> dict[int, int]:
    """What the scale floor puts in the place of codes."""
    if fmt.is_power_of_two_scale or not scale.zero:
        return {}
    codes = dict(scales)
    match fmt.scale_floor:
        case ScaleFloor.ONE:
            return {0: codes[Fraction(1)]}
        case ScaleFloor.MIN_NORMAL:
            least = codes[Fraction(2) ** (1 - scale.bias)]
            return dict.fromkeys(range(least), least)
        case _:
            return {}
