"""Packed codes as values of numba functions: 64-bit words in memory, eight codes of at most 8 bits in each.

Eight codes of b bits fill b whole bytes, so a word holds them whatever the width, and one form serves all widths. Words
are little-endian in memory, as every machine is that numba compiles for.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

from lowbit.kernels.cpu.jit import intrinsic
from lowbit.kernels.cpu.memory import address
from lowbit.kernels.cpu.vector import BITS, I16, I32, LANES, Bits, shuffle

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
