"""Scratch memory of unsigned integers of 8, 16 and 32 bits, read and written sixteen at a time."""

from typing import Any

from llvmlite import ir
from numba.core import types

from lowbit.kernels.cpu.jit import intrinsic
from lowbit.kernels.cpu.memory import address
from lowbit.kernels.cpu.vector import BITS, LANES, Bits, Longs, shuffle


def _taken_as(kind: Any) -> Any:
    """The intrinsic that takes memory of 32-bit integers as memory of narrower ones."""

    @intrinsic
    def function(typing_context: Any, start: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.bitcast(args[0], ir.IntType(kind.bitwidth).as_pointer())

        return types.CPointer(kind)(start), emit

    return function


octets = _taken_as(types.uint8)
shorts = _taken_as(types.uint16)


def _vector(start: Any) -> ir.VectorType:
    return ir.VectorType(ir.IntType(start.dtype.bitwidth), LANES)


@intrinsic
def load_integers(typing_context: Any, start: Any, index: Any) -> Any:
    """Sixteen integers, widened."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source = address(builder, args[0], args[1], _vector(start))
        raw = builder.load(source, align=start.dtype.bitwidth // 8)
        return raw if raw.type == BITS else builder.zext(raw, BITS)

    return Bits(start, types.int64), emit


@intrinsic
def store_longs(typing_context: Any, start: Any, index: Any, value: Any) -> Any:
    """Write the low bits of sixteen 64-bit lanes."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        target = address(builder, args[0], args[1], _vector(start))
        builder.store(builder.trunc(args[2], _vector(start)), target, align=start.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(start, types.int64, Longs), emit


@intrinsic
def store_interleaved(typing_context: Any, start: Any, index: Any, even: Any, odd: Any) -> Any:
    """Write two vectors of sixteen 64-bit lanes, lane by lane in turn, to memory of 32-bit integers."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        order = [lane + LANES * side for lane in range(LANES) for side in (0, 1)]
        pairs = shuffle(builder, args[2], args[3], order)
        builder.store(pairs, address(builder, args[0], args[1], pairs.type), align=4)
        return context.get_dummy_value()

    return types.void(start, types.int64, Longs, Longs), emit
