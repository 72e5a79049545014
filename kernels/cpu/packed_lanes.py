"""Packed codes as values of numba functions: 64-bit words in memory, eight codes of at most 8 bits in each.

Eight codes of b bits fill b whole bytes, so a word holds them whatever the width, and one form serves all widths. Words
are little-endian in memory, as every machine is that numba compiles for.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

from lowbit.kernels.cpu.jit import intrinsic
from lowbit.kernels.cpu.memory import address
from lowbit.kernels.cpu.vector import BITS, I8, I16, I32, LANES, Bits, shuffle

I64 = ir.IntType(64)
PAIRS = ir.VectorType(I64, LANES // 2)
WORDS = ir.VectorType(I64, 2)


def _everywhere(builder: Any, value: Any) -> Any:
    """A 64-bit scalar in every lane of eight."""
    first = builder.insert_element(ir.Constant(PAIRS, ir.Undefined), value, ir.Constant(I32, 0))
    return shuffle(builder, first, first, [0] * PAIRS.count)


def _pair_shifts(builder: Any, bits: Any) -> Any:
    """Where each pair of codes lies in its word: 0, 2b, 4b and 6b, for the two words."""
    places = ir.Constant(PAIRS, [0, 2, 4, 6] * 2)
    return builder.mul(places, _everywhere(builder, bits))


@intrinsic
def pack_lanes(typing_context: Any, codes: Any, bits: Any) -> Any:
    """Two words from sixteen codes of `bits` <= 8 bits: lanes 0..7 and lanes 8..15, low bits first, zeros above."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        codes, bits = args
        pairs = builder.bitcast(codes, PAIRS)  # the even code in the low half
        join = _everywhere(builder, builder.sub(ir.Constant(I64, 32), bits))
        low_half = ir.Constant(PAIRS, [0xFFFFFFFF] * PAIRS.count)
        pairs = builder.and_(builder.or_(pairs, builder.lshr(pairs, join)), low_half)
        pairs = builder.shl(pairs, _pair_shifts(builder, bits))
        pairs = builder.or_(pairs, shuffle(builder, pairs, pairs, [1, 0, 3, 2, 5, 4, 7, 6]))
        words = builder.or_(pairs, shuffle(builder, pairs, pairs, [2, 3, 0, 1, 6, 7, 4, 5]))
        halves = [builder.extract_element(words, ir.Constant(I32, lane)) for lane in (0, 4)]
        return context.make_tuple(builder, sig.return_type, halves)

    return types.UniTuple(types.uint64, 2)(Bits, types.int64), emit


@intrinsic
def store_nibbles(typing_context: Any, start: Any, position: Any, codes: Any) -> Any:
    """Write sixteen codes of 4 bits, eight bytes from `position` on: `pack_lanes` where a pair is a whole byte."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = builder.bitcast(args[2], PAIRS)
        pairs = builder.or_(pairs, builder.lshr(pairs, ir.Constant(PAIRS, [28] * PAIRS.count)))
        vector = ir.VectorType(I8, PAIRS.count)
        builder.store(builder.trunc(pairs, vector), address(builder, args[0], args[1], vector), align=1)
        return context.get_dummy_value()

    return types.void(start, types.int64, Bits), emit


@intrinsic
def unpack_lanes(typing_context: Any, low: Any, high: Any, bits: Any) -> Any:
    """Sixteen codes of `bits` <= 8 bits: eight from each word, whose higher bits are ignored."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        low, high, bits = args
        words = ir.Constant(WORDS, ir.Undefined)
        for lane, word in enumerate((low, high)):
            words = builder.insert_element(words, word, ir.Constant(I32, lane))
        pairs = shuffle(builder, words, words, [0, 0, 0, 0, 1, 1, 1, 1])
        pairs = builder.lshr(pairs, _pair_shifts(builder, bits))
        apart = _everywhere(builder, builder.sub(ir.Constant(I64, 32), bits))
        pairs = builder.or_(builder.and_(pairs, _below(builder, bits)), _odd_codes(builder, pairs, bits, apart))
        return builder.bitcast(pairs, BITS)

    return Bits(types.uint64, types.uint64, types.int64), emit


def _below(builder: Any, bits: Any) -> Any:
    """Mask of the low `bits` bits, in every lane."""
    one = ir.Constant(I64, 1)
    return _everywhere(builder, builder.sub(builder.shl(one, bits), one))


def _odd_codes(builder: Any, pairs: Any, bits: Any, apart: Any) -> Any:
    """The second code of each pair, in the high half of its lane."""
    one = ir.Constant(I64, 1)
    mask = builder.shl(builder.sub(builder.shl(one, bits), one), ir.Constant(I64, 32))
    return builder.and_(builder.shl(pairs, apart), _everywhere(builder, mask))


@intrinsic
def load_word(typing_context: Any, start: Any, position: Any) -> Any:
    """The eight bytes from `position` on; all of them must exist."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(address(builder, args[0], args[1], I64), align=1)

    return types.uint64(start, types.int64), emit


@intrinsic
def store_word(typing_context: Any, start: Any, position: Any, word: Any) -> Any:
    """Write eight bytes from `position` on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], address(builder, args[0], args[1], I64), align=1)
        return context.get_dummy_value()

    return types.void(start, types.int64, types.uint64), emit


@intrinsic
def load_codes(typing_context: Any, start: Any, index: Any) -> Any:
    """Sixteen unsigned 8- or 16-bit integers."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        width = start.dtype.bitwidth
        vector = ir.VectorType(ir.IntType(width), LANES)
        return builder.zext(builder.load(address(builder, args[0], args[1], vector), align=width // 8), BITS)

    return Bits(start, types.int64), emit


@intrinsic
def shorts(typing_context: Any, start: Any, position: Any) -> Any:
    """Memory of bytes from `position` on, taken as unsigned 16-bit integers."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return address(builder, args[0], args[1], I16)

    return types.CPointer(types.uint16)(start, types.int64), emit


@intrinsic
def load_lanes(typing_context: Any, start: Any, indices: Any) -> Any:
    """Sixteen 32-bit entries, one at each index (a gather, which LLVM splits where the processor has none)."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = ir.Constant(BITS, ir.Undefined)
        for lane in range(LANES):
            index = builder.extract_element(args[1], ir.Constant(I32, lane))
            source = builder.gep(args[0], [builder.zext(index, I64)])
            result = builder.insert_element(result, builder.load(source, align=4), ir.Constant(I32, lane))
        return result

    return Bits(start, Bits), emit
