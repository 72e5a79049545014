"""Loads and stores of vectors and single elements, for every tensor and code type.

The type of an array says what lies in it: float32 and uint32 arrays hold binary32 bits, uint16 arrays bfloat16, int16
arrays float16 (numba has no float16 arrays). Tensor elements travel as binary32 bits: widening is exact, narrowing
rounds to nearest even once (contract §0).
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function

from lowbit.kernels.cpu.jit import intrinsic
from lowbit.kernels.cpu.vector import BITS, F16, F32, I16, I32, LANES, REALS, Bits, Reals, constant, pointer, shuffle

HALVES = ir.VectorType(F16, LANES)
SHORTS = ir.VectorType(I16, LANES)


def _widen(builder: Any, raw: Any, kind: Any, vector: bool) -> Any:
    """Binary32 bits of elements as they lie in memory."""
    shorts, bits, reals = (BITS, BITS, REALS) if vector else (I32, I32, F32)
    if kind == types.uint16:  # bfloat16: the upper half of binary32
        sixteen = constant(16) if vector else ir.Constant(I32, 16)
        return builder.shl(builder.zext(raw, shorts), sixteen)
    if kind == types.int16:
        return builder.bitcast(builder.fpext(raw, reals), bits)
    return builder.bitcast(raw, bits)


def _narrow(builder: Any, bits: Any, kind: Any, vector: bool) -> Any:
    """Elements as they lie in memory, from binary32 bits (no NaN: those are stored by `store_nan`)."""

    def number(value: int) -> Any:
        return constant(value) if vector else ir.Constant(I32, value)

    if kind == types.uint16:
        odd = builder.and_(builder.lshr(bits, number(16)), number(1))
        rounded = builder.add(builder.add(bits, number(0x7FFF)), odd)
        return builder.trunc(builder.lshr(rounded, number(16)), SHORTS if vector else I16)
    real = builder.bitcast(bits, REALS if vector else F32)
    if kind == types.int16:
        return builder.fptrunc(real, HALVES if vector else F16)
    return real


def _memory_types(kind: Any) -> tuple[Any, Any, int]:
    """(vector, scalar, bytes) of an element type in memory."""
    if kind == types.uint16:
        return SHORTS, I16, 2
    if kind == types.int16:
        return HALVES, F16, 2
    if kind in (types.uint32, types.int32):
        return BITS, I32, 4
    return REALS, F32, 4


def _first_lanes(builder: Any, count: Any) -> Any:
    """Mask of the lanes below `count`."""
    lanes = ir.Constant(BITS, list(range(LANES)))
    narrow = builder.trunc(count, I32)
    limit = builder.insert_element(ir.Constant(BITS, ir.Undefined), narrow, ir.Constant(I32, 0))
    return builder.icmp_unsigned("<", lanes, shuffle(builder, limit, limit, [0] * LANES))


def _masked(builder: Any, operation: str, vector: Any, result: Any, arguments: list[Any]) -> Any:
    """Call LLVM's masked load or store for a vector type."""
    element = {I32: "i32", I16: "i16", F32: "f32", F16: "f16"}[vector.element]
    name = f"llvm.masked.{operation}.v{LANES}{element}.p0"
    function = get_or_insert_function(
        builder.module, ir.FunctionType(result, [argument.type for argument in arguments]), name
    )
    return builder.call(function, arguments)


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Sixteen tensor elements from `index` on, as binary32 bits."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = _memory_types(array.dtype)
        raw = builder.load(pointer(context, builder, array, args[0], args[1], vector), align=size)
        return _widen(builder, raw, array.dtype, vector=True)

    return Bits(array, types.int64), emit


@intrinsic
def load_some(typing_context: Any, array: Any, index: Any, count: Any) -> Any:
    """The first `count` (at most 16) elements from `index` on, zeros in the other lanes; nothing else is read."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = _memory_types(array.dtype)
        address = pointer(context, builder, array, args[0], args[1], vector)
        mask = _first_lanes(builder, args[2])
        raw = _masked(
            builder, "load", vector, vector, [address, ir.Constant(I32, size), mask, ir.Constant(vector, None)]
        )
        return _widen(builder, raw, array.dtype, vector=True)

    return Bits(array, types.int64, types.int64), emit


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen tensor elements given as binary32 bits (no NaN)."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = _memory_types(array.dtype)
        target = pointer(context, builder, array, args[0], args[1], vector)
        builder.store(_narrow(builder, args[2], array.dtype, vector=True), target, align=size)
        return context.get_dummy_value()

    return types.void(array, types.int64, Bits), emit


@intrinsic
def store_some(typing_context: Any, array: Any, index: Any, value: Any, count: Any) -> Any:
    """Write the first `count` (at most 16) lanes, given as binary32 bits (no NaN); nothing else is touched."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = _memory_types(array.dtype)
        target = pointer(context, builder, array, args[0], args[1], vector)
        narrow = _narrow(builder, args[2], array.dtype, vector=True)
        narrow = narrow if narrow.type == vector else builder.bitcast(narrow, vector)
        mask = _first_lanes(builder, args[3])
        _masked(builder, "store", vector, ir.VoidType(), [narrow, target, ir.Constant(I32, size), mask])
        return context.get_dummy_value()

    return types.void(array, types.int64, Bits, types.int64), emit


@intrinsic
def store_stream(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Like `store`, past the caches; the address must be a multiple of 16 bytes."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, _ = _memory_types(array.dtype)
        target = pointer(context, builder, array, args[0], args[1], vector)
        written = builder.store(_narrow(builder, args[2], array.dtype, vector=True), target, align=16)
        written.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(I32, 1)]))
        return context.get_dummy_value()

    return types.void(array, types.int64, Bits), emit


@intrinsic
def load_one(typing_context: Any, array: Any, index: Any) -> Any:
    """One tensor element as binary32 bits."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, scalar, size = _memory_types(array.dtype)
        raw = builder.load(pointer(context, builder, array, args[0], args[1], scalar), align=size)
        return _widen(builder, raw, array.dtype, vector=False)

    return types.uint32(array, types.int64), emit


@intrinsic
def store_one(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write one tensor element given as binary32 bits; every NaN is written as the positive quiet NaN."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, scalar, size = _memory_types(array.dtype)
        magnitude = builder.and_(args[2], ir.Constant(I32, 0x7FFFFFFF))
        is_nan = builder.icmp_unsigned(">", magnitude, ir.Constant(I32, 0x7F800000))
        bits = builder.select(is_nan, ir.Constant(I32, 0x7FC00000), args[2])
        target = pointer(context, builder, array, args[0], args[1], scalar)
        builder.store(_narrow(builder, bits, array.dtype, vector=False), target, align=size)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint32), emit


@intrinsic
def load_reals(typing_context: Any, array: Any, index: Any) -> Any:
    """Sixteen float32 entries of a scratch array."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(pointer(context, builder, array, args[0], args[1], REALS), align=4)

    return Reals(array, types.int64), emit


@intrinsic
def store_reals(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen float32 entries of a scratch array."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], pointer(context, builder, array, args[0], args[1], REALS), align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, Reals), emit


@intrinsic
def store_codes(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen codes to an array of unsigned 8-, 16- or 32-bit integers."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        width = array.dtype.bitwidth
        vector = ir.VectorType(ir.IntType(width), LANES)
        codes = args[2] if width == 32 else builder.trunc(args[2], vector)
        builder.store(codes, pointer(context, builder, array, args[0], args[1], vector), align=width // 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, Bits), emit
