"""From a format to a kernel plan: plain numbers and small arrays, the only thing kernels know of a format.

A plan is one record of `PLAN`. Its second half belongs to the tensor at hand (the second scale level, contract §4) and
is filled for each tensor amax by `with_tensor_level`; formats without that level use the cached plan as it is.

Regular grids (floats with mantissa bits, integers) are numbers: an integer grid is a float grid with a single binade.
All others (codebooks, tapered and logarithmic grids, floats without mantissa) are a table (`rounding_rules`). Limits:
grids of more than 2^19 codes, vector codebooks and entropy coding are not described by a plan.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import ceil, frexp, isqrt

import numpy as np

from lowbit.formats.binary32 import FLT_MAX, INFINITY_BITS, quotient
from lowbit.formats.block import BlockFormat
from lowbit.formats.floats import FloatElement, Specials
from lowbit.formats.rounding import Arithmetic, Overflow, Rounding, ScaleDomain, ScaleFloor, ScaleRule, Stochastic
from lowbit.rounding_rules import (
    FRACTIONS,
    TABLE,
    Lanes,
    lower_rounding,
    overflow_entry,
    table_of,
    vector_entries,
    vector_rounds,
)
from lowbit.table_cells import Cells, vector_cells

NO_SCALE, POWER_OF_TWO, FLOAT_SCALE, FLOAT32_SCALE = range(4)
"""Scale families."""

SCALAR, ROUND_REALS, ROUND_BITS, ROUND_TABLE, ROUND_CELLS = range(5)
"""How the vector path rounds elements: not at all, by real arithmetic, by dropping mantissa bits, by a table of up to
sixteen entries, or by one that is cut into cells."""

DIVIDE, TRANSFORMER_ENGINE, TORCHAO = range(3)
"""Orders of operations, as kernels see them."""

FLOOR_ZERO, FLOOR_ONE, FLOOR_MIN_NORMAL = range(3)
"""Zero policies of float scales, as kernels see them."""

_ARITHMETIC = {
    Arithmetic.DIVIDE: DIVIDE,
    Arithmetic.TRANSFORMER_ENGINE: TRANSFORMER_ENGINE,
    Arithmetic.TORCHAO: TORCHAO,
}
_SCALE_FLOOR = {
    ScaleFloor.ZERO: FLOOR_ZERO,
    ScaleFloor.ONE: FLOOR_ONE,
    ScaleFloor.MIN_NORMAL: FLOOR_MIN_NORMAL,
}

PLAN = np.dtype(
    [
        # element grid: magnitudes n * 2^(exponent - mantissa) with exponent >= min_exponent
        ("table", np.int32),  # 1: an irregular grid, given by the plan's tables
        ("mantissa", np.int32),
        ("min_exponent", np.int32),
        ("max", np.float64),  # largest magnitude, where others clamp
        ("min", np.float64),  # most negative value: -max, -(max + step) for asymmetric integers, 0 if unsigned
        ("overflow", np.float64),  # what a magnitude beyond max becomes: max, inf or nan
        ("clamp", np.float64),  # magnitudes are cut to this before they are rounded
        # rounding of elements: see `rounding_rules`
        ("draw_bits", np.int32),  # b; 0: nothing is drawn
        *((fraction, np.float64) for fraction in FRACTIONS),
        ("signed_list", np.int32),  # 1: neighbours are signed (codebooks), 0: they are magnitudes
        # element codes
        ("bits", np.int32),
        ("twos_complement", np.int32),
        ("negative_zero", np.int32),
        ("overflow_code", np.uint32),
        ("infinity_code", np.uint32),  # code of a +infinity that a plain cast meets
        ("infinity", np.float64),  # and its value
        ("nan_code", np.uint32),
        # block scale
        ("scale_family", np.int32),
        ("target_max", np.float64),  # T: the magnitude that the block's statistic maps to
        ("scale_increment", np.uint32),  # added to amax's bits before the exponent is read: the e8m0 rules
        ("target_exponent", np.int32),  # subtracted from that exponent
        ("scale_mantissa", np.int32),
        ("scale_min_exponent", np.int32),
        ("scale_max_exponent", np.int32),
        ("scale_max", np.float64),
        ("scale_min_normal", np.float64),
        ("scale_code_base", np.int32),  # steps below the smallest value: counted from zero, which the scale may lack
        ("scale_up", np.int32),  # 1: rule ceil
        ("scale_floor", np.int32),
        ("scale_nan_code", np.uint32),
        ("arithmetic", np.int32),
        ("inverse_scale", np.int32),  # 1: what is rounded and stored is the inverse of the scale
        # when the vector path is exact (see `_vector_bounds`)
        ("vector", np.int32),
        ("amax_low", np.uint32),
        ("amax_high", np.uint32),
        ("least_bits", np.uint32),  # segments with members below it, but not zero, are left to the exact path
        ("smallest_bits", np.uint32),  # of a subnormal: reads as zero where the processor flushes them
        # second level, binary32 values
        ("tensor_scale", np.float64),  # t
        ("inverse_tensor_scale", np.float64),  # fl(1 / t), torchao's arithmetic
        ("encode_over_max", np.float64),  # fl(g * fl(1 / M))
        ("inverse_encode", np.float64),  # fl(1 / g)
        ("target", np.float64),  # S
    ]
)


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """What kernels read: one PLAN entry, and the TABLE of an irregular grid (or empty).

    `nearest_even`: whether the vector kernels serve that know no other mode, and look for no small members; `entries`:
    a table for them.
    """

    record: np.ndarray
    table: np.ndarray
    nearest_even: bool
    entries: Lanes | Cells | None = None


@lru_cache(maxsize=512)
def plan_for(fmt: BlockFormat, mode: Rounding | Stochastic = Rounding.NEAREST_EVEN) -> KernelPlan:
    """The plan of a format and a mode, without a second level. Cached: both are lowered once in a process."""
    record = np.zeros(1, dtype=PLAN)
    _lower_element(record, fmt)
    if fmt.scale is not None:
        _lower_scale(record, fmt)
    fill_level(record, 1.0, 1.0)
    _vector_bounds(record, fmt)
    record["smallest_bits"] = 1
    lower_rounding(record, fmt, mode)
    if not vector_rounds(fmt, mode):
        record["vector"] = SCALAR
    regular = fmt.element.regular is not None
    table = np.zeros(0, TABLE) if regular else table_of(fmt.element, mode)
    entries = _entries(record, table, fmt, mode) if record[0]["vector"] == SCALAR and scale_fits(fmt) else None
    looked_up = entries is not None and (record[0]["vector"] == ROUND_TABLE or not record[0]["least_bits"])
    nearest_even = mode is Rounding.NEAREST_EVEN or looked_up
    return KernelPlan(frozen(record), frozen(table), nearest_even, entries)


def _entries(
    record: np.ndarray, table: np.ndarray, fmt: BlockFormat, mode: Rounding | Stochastic
) -> Lanes | Cells | None:
    """The table that the vector path looks up, if there is one; says so in the record."""
    lanes = vector_entries(table, fmt, mode) if len(table) else None
    cells = vector_cells(fmt, mode) if lanes is None else None
    if lanes is not None or cells is not None:
        record["vector"] = ROUND_TABLE if cells is None else ROUND_CELLS
    return cells if lanes is None else lanes


def frozen(array: np.ndarray) -> np.ndarray:
    """The array, read-only: numba compiles for either, and all plans are of one type."""
    array.flags.writeable = False
    return array


def exact_only(plan: KernelPlan) -> KernelPlan:
    """The same plan without its vector path."""
    record = plan.record.copy()
    record["vector"] = SCALAR
    return replace(plan, record=frozen(record))


def fill_level(record: np.ndarray, tensor_scale: float, encode: float) -> None:
    """Write the second level's numbers into PLAN records."""
    record["tensor_scale"] = tensor_scale
    record["inverse_tensor_scale"] = min(quotient(1.0, tensor_scale), FLT_MAX)
    record["inverse_encode"] = quotient(1.0, encode)


def _lower_element(record: np.ndarray, fmt: BlockFormat) -> None:
    element = fmt.element
    record["bits"] = element.bits
    record["max"], record["min"] = element.max, element.min
    record["negative_zero"] = element.has_negative_zero
    record["signed_list"] = not element.is_mirrored
    record["table"] = element.regular is None
    if (grid := element.regular) is not None:
        record["mantissa"], record["min_exponent"] = grid.mantissa, grid.min_exponent
        record["twos_complement"] = grid.twos_complement
    record["nan_code"] = element.nan_code or 0
    record["infinity"], record["infinity_code"] = element.max, element.max_code
    record["overflow"], record["overflow_code"] = element.max, element.max_code
    if fmt.overflow is Overflow.INF_NAN:
        value, code = overflow_entry(element)
        record["infinity"], record["infinity_code"] = value, code
        record["overflow"], record["overflow_code"] = value, code


def _lower_scale(record: np.ndarray, fmt: BlockFormat) -> None:
    scale = fmt.scale
    assert (
        scale is not None and fmt.target_max is not None and fmt.arithmetic is not None and fmt.scale_floor is not None
    )
    record["arithmetic"] = _ARITHMETIC[fmt.arithmetic]
    record["scale_floor"] = _SCALE_FLOOR[fmt.scale_floor] if scale.zero else FLOOR_MIN_NORMAL
    record["scale_nan_code"] = scale.nan_code or 0
    record["scale_mantissa"], record["scale_min_exponent"] = scale.mantissa_bits, scale.min_exponent
    record["scale_max"], record["scale_min_normal"] = scale.max, scale.min_normal
    record["scale_max_exponent"] = scale.max_exponent
    record["scale_code_base"] = 0 if scale.zero else 1 << scale.mantissa_bits
    record["target_max"] = float(fmt.target_max)
    record["inverse_scale"] = fmt.scale_domain is ScaleDomain.ENCODE
    if fmt.is_power_of_two_scale:
        record["scale_family"] = POWER_OF_TWO
        record["scale_increment"], record["target_exponent"] = _scale_increment(fmt)
    else:
        record["scale_family"] = FLOAT32_SCALE if fmt.is_float32_scale else FLOAT_SCALE
        record["scale_up"] = fmt.scale_rule is ScaleRule.CEIL


def _scale_increment(fmt: BlockFormat) -> tuple[int, int]:
    """(increment, exponent): the scale's exponent is that of amax's significand plus the first, minus the second.

    Significands have 24 bits, units of their last place. floor: nothing is added. even: half a unit of the element's
    last mantissa place. ceil: all but one unit, so that everything but an exact power moves up. rceil: the same
    relative to T's significand, so that amax / T decides. nearest: what lifts the first significand of at least
    T's times sqrt(1/2), or times sqrt(2), to the next power of two.
    """
    assert fmt.target_max is not None
    exponent = frexp(float(fmt.target_max))[1] - 1
    fraction = fmt.target_max / Fraction(2) ** exponent
    match fmt.scale_rule:
        case ScaleRule.EVEN:
            assert isinstance(fmt.element, FloatElement)
            return 1 << (22 - fmt.element.mantissa_bits), exponent
        case ScaleRule.CEIL:
            return (1 << 23) - 1, exponent
        case ScaleRule.RCEIL:
            return (1 << 23) - 1 - int((fraction - 1) * 2**23), exponent
        case ScaleRule.NEAREST:
            wide = fraction**2 >= 2  # then the border lies in T's own binade, divided by sqrt(2)
            border = fraction**2 * Fraction(2) ** (46 + (-1 if wide else 1))
            first = isqrt(ceil(border) - 1) + 1
            return (1 << 24) - first, exponent + int(wide)
        case _:
            return 0, exponent


def _vector_bounds(record: np.ndarray, fmt: BlockFormat) -> None:
    """Whether, and for which block maxima, the vector path is exact; all others take the scalar path.

    Inside the bounds no intermediate result is subnormal or overflows, so flush-to-zero cannot change a bit: scales
    stay normal, x / scale can only be subnormal where it rounds to zero anyway, and products with the smallest element
    stay normal. Zero blocks are always inside.
    """
    element, scale = fmt.element, fmt.scale
    low, high = (127 - 60) << 23, (127 + 60) << 23
    if fmt.scale is None:  # nothing is scaled: tiny numbers round as the format's smallest do, large ones are clamped
        low, high = 1, INFINITY_BITS
    if _has_binary32_exponents(fmt):
        record["vector"] = ROUND_BITS
    elif record["inverse_scale"][0]:
        record["vector"] = SCALAR
    elif element.regular is not None and element.min == -element.max and _rounds_as_reals(fmt):
        record["vector"] = ROUND_REALS if scale_fits(fmt) else SCALAR
    if fmt.is_power_of_two_scale and scale is not None:
        # shared exponents that are not clamped, from -80 on; M, at most 2^23 times a magnitude, stays finite
        target = int(record["target_exponent"][0])
        low = (127 + max(target - 80, -100, target + scale.min_exponent)) << 23
        high = (127 + min(target + 100, 100, target + scale.max_exponent)) << 23
    record["amax_low"], record["amax_high"] = low, high


def _rounds_as_reals(fmt: BlockFormat) -> bool:
    """Whether grid steps, and what they are added to, are normal in binary32, with room for products with scales."""
    smallest, largest = (2.0**-90, 2.0**90) if fmt.scale is None else (2.0**-24, 2.0**40)
    return fmt.element.min_positive >= smallest and fmt.element.max <= largest


def scale_fits(fmt: BlockFormat) -> bool:
    """Whether scales are normal binary32 numbers that leave room for products."""
    scale = fmt.scale
    in_range = scale is not None and scale.min_positive >= 2.0**-40 and scale.max <= 2.0**40
    return scale is None or fmt.is_power_of_two_scale or fmt.is_float32_scale or in_range


def _has_binary32_exponents(fmt: BlockFormat) -> bool:
    """Whether the format is a cast that only drops mantissa bits: bf16 and tf32, overflowing to infinity."""
    element = fmt.element
    return (
        fmt.scale is None
        and isinstance(element, FloatElement)
        and (element.exponent_bits, element.bias, element.specials) == (8, 127, Specials.IEEE)
        and element.mantissa_bits > 0
        and fmt.overflow is Overflow.INF_NAN
    )
