"""Thirty-two tensor elements at a time, as two vectors whose order does not matter to what is done with them.

bfloat16 elements lie two to a 32-bit word: the even ones and the odd ones of sixteen words become binary32 bits with a
shift and a mask, where widening sixteen 16-bit lanes would cost a shuffle. Other types are two loads.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

from lowbit.kernels.cpu.jit import intrinsic
from lowbit.kernels.cpu.memory import address, memory_types, narrow_elements, widen_elements
from lowbit.kernels.cpu.vector import BITS, I32, LANES, REALS, Bits, Reals, constant, shuffle

PAIR = 2 * LANES
"""Elements of a pair of vectors."""

UPPER = 0xFFFF0000


@intrinsic
def load_pair(typing_context: Any, start: Any, index: Any) -> Any:
    """Two vectors of binary32 bits: the elements from `index` on, for bfloat16 the even and the odd ones."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = memory_types(start.dtype)
        if start.dtype == types.uint16:
            words = builder.load(address(builder, args[0], args[1], BITS), align=size)
            pair = [builder.shl(words, constant(16)), builder.and_(words, constant(UPPER))]
        else:
            places = (args[1], builder.add(args[1], ir.Constant(args[1].type, LANES)))
            raw = [builder.load(address(builder, args[0], place, vector), align=size) for place in places]
            pair = [widen_elements(builder, elements, start.dtype, vector=True) for elements in raw]
        return context.make_tuple(builder, sig.return_type, pair)

    return types.UniTuple(Bits, 2)(start, types.int64), emit


@intrinsic
def load_real_pair(typing_context: Any, start: Any, entries: Any, index: Any) -> Any:
    """Scratch entries (float32) of thirty-two elements from `index` on, ordered as `load_pair` of `start` does."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        places = (args[2], builder.add(args[2], ir.Constant(args[2].type, LANES)))
        pair = [builder.load(address(builder, args[1], place, REALS), align=4) for place in places]
        if start.dtype == types.uint16:
            pair = [shuffle(builder, pair[0], pair[1], list(range(odd, PAIR, 2))) for odd in (0, 1)]
        return context.make_tuple(builder, sig.return_type, pair)

    return types.UniTuple(Reals, 2)(start, entries, types.int64), emit


@intrinsic
def alike(typing_context: Any, first: Any, second: Any) -> Any:
    """Whether two memories hold elements of one type, so that a pair from one may be written to the other."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.get_constant(types.boolean, first.dtype == second.dtype)

    return types.boolean(first, second), emit


def _store(builder: Any, start: Any, args: Any, stream: bool) -> None:
    """Write a pair of vectors (no NaN) as `load_pair` reads them."""
    vector, _, size = memory_types(start.dtype)
    kept = builder.module.add_metadata([ir.Constant(I32, 1)]) if stream else None
    if start.dtype == types.uint16:
        even, odd = (_rounded_upper(builder, bits) for bits in args[2:])
        words = builder.or_(builder.lshr(even, constant(16)), builder.and_(odd, constant(UPPER)))
        written = [(args[1], words, BITS)]
    else:
        narrow = [narrow_elements(builder, bits, start.dtype, vector=True) for bits in args[2:]]
        second = builder.add(args[1], ir.Constant(args[1].type, LANES))
        written = [(args[1], narrow[0], vector), (second, narrow[1], vector)]
    for place, elements, kind in written:
        bytes_ = LANES * (4 if kind is BITS else size)
        stored = builder.store(elements, address(builder, args[0], place, kind), align=bytes_ if stream else size)
        if kept is not None:
            stored.set_metadata("nontemporal", kept)


def _rounded_upper(builder: Any, bits: Any) -> Any:
    """Binary32 bits whose upper half is the nearest bfloat16 number, ties to even."""
    odd = builder.and_(builder.lshr(bits, constant(16)), constant(1))
    return builder.add(builder.add(bits, constant(0x7FFF)), odd)


@intrinsic
def store_pair(typing_context: Any, start: Any, index: Any, first: Any, second: Any) -> Any:
    """Write two vectors of binary32 bits (no NaN) as `load_pair` reads them."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _store(builder, start, args, stream=False)
        return context.get_dummy_value()

    return types.void(start, types.int64, Bits, Bits), emit


@intrinsic
def stream_pair(typing_context: Any, start: Any, index: Any, first: Any, second: Any) -> Any:
    """Like `store_pair`, past the caches; the address must be a multiple of a vector's size."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _store(builder, start, args, stream=True)
        return context.get_dummy_value()

    return types.void(start, types.int64, Bits, Bits), emit
