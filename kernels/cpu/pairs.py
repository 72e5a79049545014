"""Thirty-two tensor elements at a time, as two vectors whose order does not matter to what is done with them.

bfloat16 elements lie two to a 32-bit word: the even ones and the odd ones of sixteen words become binary32 bits with a
shift and a mask, where widening sixteen 16-bit lanes would cost a shuffle. Other types are two loads.
"""

from enum import Enum, auto
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import llvm_version_info
from numba.core import types
from numba.core.cgutils import get_or_insert_function

from lowbit.kernels.cpu.jit import intrinsic, processor_has
from lowbit.kernels.cpu.memory import address, memory_types, narrow_elements, widen_elements
from lowbit.kernels.cpu.vector import BITS, F32, I32, LANES, REALS, SHORT_PAIRS, Bits, Reals, constant, shuffle

PAIR = 2 * LANES
"""Elements of a pair of vectors."""

OPAQUE_BFLOAT = 17
"""From this version of LLVM on the conversion returns numbers; earlier ones return integers."""

UPPER = np.uint32(0xFFFF0000)


class Kept(Enum):
    """What is known of numbers that become bfloat16: nothing, not subnormal, or representable."""

    ALL = auto()
    NORMAL = auto()
    EXACT = auto()


class _Bfloat(ir.Type):
    """LLVM's bfloat, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"


BFLOATS = ir.VectorType(_Bfloat(), 2 * LANES)


def _converts() -> bool:
    """Whether the processor that is compiled for narrows to bfloat16 itself; it takes subnormals for zeros."""
    return processor_has("avx512bf16") and llvm_version_info[0] >= OPAQUE_BFLOAT


@intrinsic
def load_pair(typing_context: Any, start: Any, index: Any) -> Any:
    """Two vectors of binary32 bits: the elements from `index` on, for bfloat16 the even and the odd ones."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = memory_types(start.dtype)
        if start.dtype == types.uint16:
            words = builder.load(address(builder, args[0], args[1], BITS), align=size)
            pair = [builder.shl(words, constant(16)), builder.and_(words, constant(int(UPPER)))]
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
def load_words(typing_context: Any, start: Any, index: Any) -> Any:
    """Thirty-two bfloat16 elements from `index` on, as sixteen words."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(address(builder, args[0], args[1], BITS), align=2)

    return Bits(start, types.int64), emit


@intrinsic
def entry_pair(typing_context: Any, start: Any, entries: Any, block: Any) -> Any:
    """Scratch entries (float32) of two blocks of sixteen elements, in the order of `load_pair` of `start`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        two = builder.load(address(builder, args[1], args[2], ir.VectorType(F32, 2)), align=4)
        half = LANES // 2
        orders = [[0] * LANES, [1] * LANES] if start.dtype != types.uint16 else [[0] * half + [1] * half] * 2
        return context.make_tuple(builder, sig.return_type, [shuffle(builder, two, two, lanes) for lanes in orders])

    return types.UniTuple(Reals, 2)(start, entries, types.int64), emit


@intrinsic
def alike(typing_context: Any, first: Any, second: Any) -> Any:
    """Whether two memories hold elements of one type, so that a pair from one may be written to the other."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.get_constant(types.boolean, first.dtype == second.dtype)

    return types.boolean(first, second), emit


def _words(builder: Any, pair: Any, kept: Kept) -> Any:
    """A pair of vectors of binary32 bits as words of two bfloat16 numbers."""
    even, odd = pair
    if kept is Kept.EXACT:
        return builder.or_(builder.lshr(even, constant(16)), odd)
    if kept is Kept.NORMAL and _converts():
        arguments = [builder.bitcast(odd, REALS), builder.bitcast(even, REALS)]
        function = ir.FunctionType(BFLOATS, [REALS, REALS])
        name = "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
        both = builder.bitcast(
            builder.call(get_or_insert_function(builder.module, function, name), arguments), SHORT_PAIRS
        )
        order = [lane + LANES * side for lane in range(LANES) for side in (0, 1)]
        return builder.bitcast(shuffle(builder, both, both, order), BITS)
    even, odd = (_rounded_upper(builder, bits) for bits in pair)
    return builder.or_(builder.lshr(even, constant(16)), builder.and_(odd, constant(int(UPPER))))


def _rounded_upper(builder: Any, bits: Any) -> Any:
    """Binary32 bits whose upper half is the nearest bfloat16 number, ties to even."""
    odd = builder.and_(builder.lshr(bits, constant(16)), constant(1))
    return builder.add(builder.add(bits, constant(0x7FFF)), odd)


def _store(builder: Any, start: Any, args: Any, *, stream: bool, kept: Kept = Kept.ALL) -> None:
    """Write a pair of vectors (no NaN) as `load_pair` reads them."""
    place, *pair = args[1:4]
    vector, _, size = memory_types(start.dtype)
    if start.dtype == types.uint16:
        written = [(place, _words(builder, pair, kept), BITS)]
    else:
        narrow = [narrow_elements(builder, bits, start.dtype, vector=True) for bits in pair]
        written = [(place, narrow[0], vector), (builder.add(place, ir.Constant(place.type, LANES)), narrow[1], vector)]
    for at, elements, kind in written:
        bytes_ = LANES * (4 if kind is BITS else size)
        stored = builder.store(elements, address(builder, args[0], at, kind), align=bytes_ if stream else size)
        if stream:
            stored.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(I32, 1)]))


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


@intrinsic
def store_normal_pair(
    typing_context: Any, start: Any, index: Any, first: Any, second: Any, exact: Any, stream: Any
) -> Any:
    """`stream_pair` if `stream`, else `store_pair`, of numbers none of which is subnormal.

    exact: they have at most 8 significant bits, so that bfloat16 holds them as they are.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        exact, past = (builder.trunc(flag, ir.IntType(1)) for flag in args[4:])
        for wanted, kept in ((exact, Kept.EXACT), (builder.not_(exact), Kept.NORMAL)):
            if start.dtype != types.uint16:  # both are the same
                wanted = builder.not_(ir.Constant(ir.IntType(1), kept is Kept.EXACT))
            with builder.if_then(wanted), builder.if_else(past) as (streamed, stored):
                with streamed:
                    _store(builder, start, args, stream=True, kept=kept)
                with stored:
                    _store(builder, start, args, stream=False, kept=kept)
        return context.get_dummy_value()

    return types.void(start, types.int64, Bits, Bits, types.boolean, types.boolean), emit
