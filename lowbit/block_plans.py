"""What the blockwise kernels read: one plan for each candidate of a block, and one record about the block itself.

Formats are blockwise where a block's codes follow from more than its largest magnitude: candidates, RMS scales, peaks,
micro exponents, zero points, corrected scales. Definitions: docs/numerics.md §12.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lowbit.errors import UnsupportedError
from lowbit.formats.binary32 import binary32, quotient
from lowbit.formats.block import BlockFormat
from lowbit.formats.options import Alternative
from lowbit.formats.rounding import (
    Arithmetic,
    Overflow,
    Peak,
    Rounding,
    ScaleDomain,
    ScaleRule,
    Select,
    Statistic,
    Stochastic,
    ZeroPoint,
)
from lowbit.lowering import ROUND_CELLS, ROUND_TABLE, KernelPlan, exact_only, fill_level, frozen, plan_for, scale_fits
from lowbit.rounding_rules import TABLE, padded_entries, table_of
from lowbit.second_level import tensor_level, with_tensor_level

NO_RMS, RMS_FLOOR, RMS_CEIL, RMS_NEAREST, RMS_FLOAT = range(5)
"""Where the RMS decides: not at all, through an exponent, or through a float scale."""

MAX_LEVELS = 4
"""Nested runs of micro exponents."""

BLOCK = np.dtype(
    [
        ("candidates", np.int32),
        ("tile", np.int32),  # 1: errors of rows are added pairwise, else all in one sum
        ("absolute", np.int32),  # 1: errors are magnitudes, else squares
        ("scale_bits", np.int32),  # where the side bits of a block's word begin
        ("selects", np.int32),  # 1: the side bits say which candidate a block took
        ("rms", np.int32),
        # four over six: every candidate's scale is a multiple of one base, and errors are taken past the second level
        ("factored", np.int32),
        ("base_target", np.float64),
        ("encode", np.float64),  # g
        ("level_error", np.int32),
        ("level_amax", np.float64),  # A
        ("level_product", np.float64),  # fl(S * T)
        # side bits
        ("peak", np.int32),
        ("peak_low", np.float64),  # the smallest magnitude of the peak's grid; the largest is below its double
        ("peak_steps", np.float64),  # values of the peak's grid in that binade
        ("zero_point", np.int32),
        ("levels", np.int32),
        ("sizes", np.int32, (MAX_LEVELS,)),
        ("block", np.int64),  # elements of a full 1-D block
        ("group", np.int64),  # elements whose scales are corrected together, or 0
        ("first_threshold", np.float64),  # of the outermost level; halves with each level
    ]
)


Grids = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(starts, values, codes, signs) of small grids: sixteen entries each, and the sign bit of those with -0, else 0."""


@dataclass(frozen=True, slots=True)
class BlockwisePlan:
    """`plans`: a PLAN record for each candidate, then one for the grid of peaks or zero points if there is one.

    `block`: one BLOCK record. `factors`: for each candidate what multiplies the common base (four over six).
    `tables`: those of irregular grids, one row a plan, of which the first `sizes` entries count. `nearest` and
    `nearest_tables` are the same to nearest even, by which candidates are compared whatever rounding is asked for.
    `lanes`: the plan of the vector kernels; without a vector path where they cannot choose. `grids`: tables of at most
    sixteen entries for every candidate, rounded as asked, where blocks choose between elements on vectors, else None.
    `nearest_grids`: the same to nearest even, also where one irregular element has several scales.
    """

    plans: np.ndarray
    nearest: np.ndarray
    block: np.ndarray
    factors: np.ndarray
    tables: np.ndarray
    nearest_tables: np.ndarray
    sizes: np.ndarray
    lanes: KernelPlan
    grids: Grids | None
    nearest_grids: Grids | None

    @property
    def chosen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
        """What the vector kernels choose by: (BLOCK record, factors, plans, small (starts, values) or None)."""
        grids = None if self.nearest_grids is None else self.nearest_grids[:2]
        return self.block, self.factors, self.nearest, grids


@lru_cache(maxsize=256)
def blockwise_plan(
    fmt: BlockFormat, mode: Rounding | Stochastic, amax: float | None, scale: float | None
) -> BlockwisePlan:
    """The plan of a blockwise format, its second level filled for a tensor of this amax or static tensor scale."""
    plan = _without_level(fmt, mode)
    if fmt.tensor_target is None:
        return plan
    assert fmt.target_max is not None
    target, largest = float(fmt.tensor_target), float(fmt.target_max)
    tensor_scale, encode = tensor_level(target, largest, amax, scale)
    plans, nearest, block = plan.plans.copy(), plan.nearest.copy(), plan.block.copy()
    for records in (plans, nearest):
        fill_level(records, tensor_scale, encode)
        records["target"], records["encode_over_max"] = target, binary32(encode * binary32(1 / largest))
    block["encode"], block["level_product"] = encode, binary32(target * largest)
    block["level_amax"] = binary32(binary32(tensor_scale * target) * largest) if amax is None else binary32(amax)
    lanes = with_tensor_level(plan.lanes, fmt, amax, scale)
    return replace(plan, plans=frozen(plans), nearest=frozen(nearest), block=frozen(block), lanes=lanes)


@lru_cache(maxsize=256)
def _without_level(fmt: BlockFormat, mode: Rounding | Stochastic) -> BlockwisePlan:
    plans, tables, sizes = _plans_of(fmt, mode)
    nearest, nearest_tables, _ = _plans_of(fmt, Rounding.NEAREST_EVEN)
    singles = _single_formats(fmt) * (len(sizes) // len(fmt.candidates))
    in_scale, in_grid = _differ_in_scale(fmt), _differ_in_grid(fmt)
    grids = _grids(singles, mode) if in_grid else None
    irregular = in_scale and fmt.element.regular is None
    nearest_grids = _grids(singles, Rounding.NEAREST_EVEN) if irregular or grids is not None else None
    lanes = _lanes(fmt, mode, nearest, grids is not None) if in_scale or grids is not None else None
    if lanes is not None and (lanes.record[0]["vector"] == ROUND_CELLS or (irregular and nearest_grids is None)):
        lanes = exact_only(lanes)
    return BlockwisePlan(
        plans=plans,
        nearest=nearest,
        block=frozen(_block_record(fmt, len(sizes))),
        factors=frozen(np.array([_factor(fmt, candidate) for candidate in fmt.candidates] * len(sizes), np.float64)),
        tables=tables,
        nearest_tables=nearest_tables,
        sizes=sizes,
        lanes=exact_only(plan_for(singles[0], mode)) if lanes is None else lanes,
        grids=grids,
        nearest_grids=nearest_grids,
    )


def _lanes(fmt: BlockFormat, mode: Rounding | Stochastic, nearest: np.ndarray, in_grid: bool) -> KernelPlan:
    """The vector kernels' plan: the first candidate's, inside the bounds of all.

    Where blocks choose between grids its largest value is 1, so that the scaled grid's largest is the scale itself.
    """
    plan = plan_for(_single_formats(fmt)[0], mode)
    record = plan.record.copy()
    record["amax_low"] = max(int(record[0]["amax_low"]), int(nearest["amax_low"].max()))
    record["amax_high"] = min(int(record[0]["amax_high"]), int(nearest["amax_high"].min()))
    if in_grid:
        record["vector"], record["max"], record["overflow"] = ROUND_TABLE, 1.0, 1.0
    return replace(plan, record=frozen(record))


def _grids(singles: list[BlockFormat], mode: Rounding | Stochastic) -> Grids | None:
    """The small grids of candidates, None where one of them does not fit the vector kernels."""
    if isinstance(mode, Stochastic):
        return None
    entries = [padded_entries(table_of(single.element, mode)) for single in singles]
    if any(entry is None for entry in entries):
        return None
    starts, values, codes = (frozen(np.concatenate(part)) for part in zip(*(e for e in entries if e), strict=True))
    signs = [1 << 31 if single.element.has_negative_zero else 0 for single in singles]
    return starts, values, codes, frozen(np.array(signs, np.uint32))


def _differ_in_grid(fmt: BlockFormat) -> bool:
    """Whether blocks of fixed size choose between elements by their amax alone, as the vector kernels want it."""
    selects = fmt.selector_bits > 0 and fmt.side_bits == fmt.selector_bits
    plain = fmt.statistic is Statistic.AMAX and fmt.scale_domain is ScaleDomain.DECODE and not fmt.needs_seed
    fixed = fmt.block is not None and fmt.block.elements is not None and fmt.scale_rule is not ScaleRule.MSE
    return selects and plain and fixed and fmt.overflow is Overflow.SATURATE and scale_fits(fmt)


def _differ_in_scale(fmt: BlockFormat) -> bool:
    """Whether the scale is all that the candidates of a block of fixed size differ in, as the vector kernels want it.

    Scales of four over six must not shrink from candidate to candidate: none vanishes that the first one has.
    """
    if fmt.needs_seed or fmt.side_bits or fmt.statistic is not Statistic.AMAX or fmt.block is None:
        return False
    if fmt.overflow is not Overflow.SATURATE:
        return False
    factored = fmt.arithmetic is Arithmetic.TRANSFORMER_ENGINE
    growing = all(candidate.target <= fmt.candidates[0].target for candidate in fmt.candidates)
    return fmt.block.elements is not None and (fmt.scale_rule is ScaleRule.MSE or (factored and growing))


def _plans_of(fmt: BlockFormat, mode: Rounding | Stochastic) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(records, tables, sizes of the tables) of the candidates."""
    candidates = [plan_for(single, mode) for single in _single_formats(fmt)]
    plans = [candidate.record for candidate in candidates]
    if fmt.scale_rule is ScaleRule.MSE:  # the larger exponent first: it wins ties
        larger = plans[0].copy()
        larger["target_exponent"] -= 1
        plans, candidates = [larger, *plans], candidates * 2
    side_grid = _side_grid(fmt, plans[0])
    tables = np.zeros((len(plans), max(len(candidate.table) for candidate in candidates)), TABLE)
    for row, candidate in enumerate(candidates):
        tables[row, : len(candidate.table)] = candidate.table
    sizes = np.array([len(candidate.table) for candidate in candidates], np.int64)
    records = np.concatenate(plans if side_grid is None else [*plans, side_grid])
    return frozen(records), frozen(tables), frozen(sizes)


def _single_formats(fmt: BlockFormat) -> list[BlockFormat]:
    """For every candidate the format that has only this one and scales by the amax: what a plan can say."""
    plain = {"alternatives": None, "select": None, "statistic": None, "peak": None, "micro_exponents": None}
    plain |= {"zero_point": None, "correction": None, "correction_group": None, "sparsity": None}
    rule = ScaleRule.FLOOR if fmt.scale_rule in (ScaleRule.MSE, ScaleRule.NEAREST) else fmt.scale_rule
    return [
        fmt.replace(**plain, scale_rule=rule, element=candidate.element, target_max=candidate.target)
        for candidate in fmt.candidates
    ]


def _factor(fmt: BlockFormat, candidate: Alternative) -> float:
    """fl(T0 / T): the candidate's scale over that of the format's own target."""
    return quotient(float(fmt.candidates[0].target), float(candidate.target))


def _block_record(fmt: BlockFormat, candidates: int) -> np.ndarray:
    record = np.zeros(1, dtype=BLOCK)
    assert fmt.scale is not None and fmt.block is not None
    record["candidates"], record["scale_bits"] = candidates, fmt.scale.bits
    record["absolute"], record["selects"] = fmt.select is Select.MAE, fmt.selector_bits > 0
    record["rms"], record["tile"] = _rms(fmt), fmt.block.is_tile
    factored = len(fmt.candidates) > 1 and fmt.arithmetic is Arithmetic.TRANSFORMER_ENGINE
    record["factored"], record["level_error"] = factored, factored and not fmt.selector_bits
    record["base_target"] = float(fmt.target_max or 0)
    element, sizes = fmt.element, fmt.micro_exponents or ()
    if fmt.peak is Peak.EXTRA_MANTISSA:
        record["peak"] = 1
        record["peak_low"], record["peak_steps"] = 2.0**element.max_exponent, 2.0 ** (element.bits - 1)
    record["zero_point"] = fmt.zero_point is ZeroPoint.INTEGER
    if len(sizes) > MAX_LEVELS:
        raise UnsupportedError(f"micro_exponents={sizes}: kernels nest at most {MAX_LEVELS} runs")
    record["levels"], record["block"] = len(sizes), fmt.block.elements or 0
    padded = np.zeros(MAX_LEVELS, np.int32)
    padded[: len(sizes)] = sizes
    record["sizes"] = padded
    record["group"] = fmt.correction_group or 0
    record["first_threshold"] = 2.0 ** (element.max_exponent + len(sizes))
    return record


def _rms(fmt: BlockFormat) -> int:
    if fmt.statistic is not Statistic.RMS:
        return NO_RMS
    if not fmt.is_power_of_two_scale:
        return RMS_FLOAT
    return {ScaleRule.FLOOR: RMS_FLOOR, ScaleRule.RCEIL: RMS_CEIL}.get(fmt.scale_rule or ScaleRule.FLOOR, RMS_NEAREST)


def _side_grid(fmt: BlockFormat, own: np.ndarray) -> np.ndarray | None:
    """The grid of a block's peak (one binade of finer steps) or of integers before the zero point is added."""
    record, bits = own.copy(), fmt.element.bits
    if fmt.peak is Peak.EXTRA_MANTISSA:
        low = 2.0**fmt.element.max_exponent
        record["mantissa"], record["min_exponent"] = bits - 1, fmt.element.max_exponent
        record["max"] = low * (2 - 2.0 ** (1 - bits))
    elif fmt.zero_point is ZeroPoint.INTEGER:
        record["mantissa"], record["min_exponent"], record["max"] = bits + 1, bits + 1, 2.0 ** (bits + 1)
        record["twos_complement"], record["negative_zero"] = 1, 0
    else:
        return None
    record["overflow"], record["min"], record["bits"] = record["max"], -record["max"], bits + 3
    record["clamp"] = record["max"]
    return record
