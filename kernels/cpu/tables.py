"""Rounding to irregular grids of at most sixteen values, on vectors: which entry of a sorted table a number belongs to.

Entries start at thresholds (`lowbit.rounding_rules`), so that every deterministic mode is the same search: the last
entry whose start is not above the number. Processors with AVX-512 look sixteen entries up in one instruction; others
compare with every start in turn. Both give the same entry.
"""

from typing import Any

from llvmlite import ir
from numba.core.cgutils import get_or_insert_function

from lowbit.kernels.cpu.jit import intrinsic, processor_has, stage
from lowbit.kernels.cpu.memory import load, load_reals, memory
from lowbit.kernels.cpu.vector import BITS, LANES, REALS, Reals, constant, shuffle


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


@stage
def table_constants(entries):
    """None, or (starts, values, codes) of a table as vectors."""
    if entries is None:
        return None
    starts, values, codes = entries
    return load_reals(memory(starts), 0), load_reals(memory(values), 0), load(memory(codes), 0)
