"""Rounding to grids given by tables, on vectors: which entry of a sorted table a number belongs to.

Entries start at thresholds (`lowbit.rounding_rules`), so that every deterministic mode is the same search: the last
entry whose start is not above the number. For at most sixteen entries, processors with AVX-512 look sixteen numbers up
in one instruction; others compare with every start in turn. Both give the same entry. Longer tables are cut into cells
(`lowbit.table_cells`): the first bits of a number name its cell, which has two entries and the threshold between them.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function

from lowbit.kernels.cpu.jit import by_type, intrinsic, processor_has, stage
from lowbit.kernels.cpu.memory import load, load_reals, memory
from lowbit.kernels.cpu.packed_lanes import load_lanes
from lowbit.kernels.cpu.scale import LEAST_BITS
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    BITS,
    LANES,
    REALS,
    SIGN,
    Reals,
    as_bits,
    as_real,
    constant,
    larger,
    shuffle,
    splat_bits,
    where_below,
    where_zero,
)
from lowbit.lowering import NO_SCALE, POWER_OF_TWO


@intrinsic
def look_up(typing_context: Any, starts: Any, entries: Any, numbers: Any) -> Any:
    """In every lane the entry (Bits or Reals) of the last start that is not above the number; the first start is -inf.

    starts: sixteen ascending numbers, infinities where there are fewer.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return (_searched if processor_has("avx512f") else _compared)(builder, *args)

    return entries(Reals, entries, Reals), emit


def _searched(builder: Any, starts: Any, entries: Any, numbers: Any) -> Any:
    """Four halvings, each a permutation and a comparison."""
    found = constant(0)
    for step in (8, 4, 2, 1):
        middle = builder.or_(found, constant(step))
        reached = builder.fcmp_ordered(">=", numbers, _permuted(builder, starts, middle))
        found = builder.select(reached, middle, found)
    return _permuted(builder, entries, found)


def _permuted(builder: Any, table: Any, lanes: Any) -> Any:
    kind, name = (REALS, "sf") if table.type == REALS else (BITS, "si")
    function = ir.FunctionType(kind, [kind, BITS])
    return builder.call(
        get_or_insert_function(builder.module, function, f"llvm.x86.avx512.permvar.{name}.512"), [table, lanes]
    )


def _compared(builder: Any, starts: Any, entries: Any, numbers: Any) -> Any:
    """One comparison and one selection for every entry but the first."""
    result = shuffle(builder, entries, entries, [0] * LANES)
    for entry in range(1, LANES):
        start, value = (shuffle(builder, table, table, [entry] * LANES) for table in (starts, entries))
        result = builder.select(builder.fcmp_ordered(">=", numbers, start), value, result)
    return result


def table_constants(p, entries):
    """What `entry_values` and `entry_codes` look up in: None, a small table as vectors, or memory of cells.

    (starts, values, codes), or for cells (thresholds, values, codes, shift, least, plain). shift: bits of a number
    behind those that name its cell. least: what y is raised to where x is not zero, as it may have become subnormal.
    plain: y is x, which must not be multiplied: x may be subnormal.
    """
    raise NotImplementedError("a stage of compiled kernels")


def entry_values(table, bits, scaled):
    """The values (Reals) that scaled elements are rounded to; `bits` are the elements before they were scaled."""
    raise NotImplementedError("a stage of compiled kernels")


def entry_codes(table, bits, scaled):
    """The codes that scaled elements are rounded to; arguments as for `entry_values`."""
    raise NotImplementedError("a stage of compiled kernels")


def _is_small(table: types.BaseTuple) -> bool:
    return len(table) == 3


@by_type(table_constants)
def _constants_by_type(p, entries):
    if isinstance(entries, types.NoneType):
        return lambda p, entries: None
    return (lambda p, entries: _lanes(entries)) if _is_small(entries) else (lambda p, entries: _cells(p, entries))


@by_type(entry_values)
def _values_by_type(table, bits, scaled):
    if _is_small(table):
        return lambda table, bits, scaled: look_up(table[0], table[1], scaled)
    return lambda table, bits, scaled: as_real(load_lanes(table[1], _cell_entry(table, bits, scaled)))


@by_type(entry_codes)
def _codes_by_type(table, bits, scaled):
    if _is_small(table):
        return lambda table, bits, scaled: look_up(table[0], table[2], scaled)
    return lambda table, bits, scaled: load_lanes(table[2], _cell_entry(table, bits, scaled))


@stage
def _lanes(entries):
    starts, values, codes = entries
    return load_reals(memory(starts), 0), load_reals(memory(values), 0), load(memory(codes), 0)


@stage
def _cells(p, entries):
    thresholds, values, codes, shift = entries
    plain = p.scale_family == NO_SCALE
    least = np.uint32(1) if plain else LEAST_BITS if p.scale_family == POWER_OF_TWO else np.uint32(0)
    places = memory(thresholds), memory(values), memory(codes)
    return (*places, splat_bits(np.uint32(shift)), splat_bits(least), plain)


@stage
def _cell_entry(table, bits, scaled):
    """Where the entries of sixteen numbers lie: three for each cell, below, at and above its threshold."""
    thresholds, _, _, shift, least, plain = table
    zero, one, mask = splat_bits(np.uint32(0)), splat_bits(np.uint32(1)), splat_bits(ABSOLUTE)
    magnitude = bits & mask
    if not plain:
        magnitude = larger(as_bits(scaled) & mask, where_zero(magnitude, zero, least))
    number = magnitude | (bits & splat_bits(SIGN))
    cell = number >> shift
    threshold = load_lanes(thresholds, cell)
    return cell + (cell << one) + where_below(number, threshold, zero, one) + where_below(threshold, number, one, zero)
