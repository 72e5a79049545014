"""Memory as kernels see it: loads and stores of vectors and single elements, for every tensor and code type.

Stages take the start of one-dimensional memory, not arrays: numba counts references to arrays at each call. Elements
are addressed by index without bounds checks. The type of memory says what lies in it: float32 and uint32 mean binary32
bits, uint16 bfloat16, int16 float16 (numba has no float16 arrays). Tensor elements travel as binary32 bits: widening is
exact, narrowing rounds to nearest even once (contract §0).
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.np.arrayobj import make_array

from lowbit.kernels.cpu.jit import intrinsic
from lowbit.kernels.cpu.vector import BITS, F16, F32, I8, I16, I32, LANES, REALS, Bits, Reals, constant, shuffle

HALVES = ir.VectorType(F16, LANES)
SHORTS = ir.VectorType(I16, LANES)


def address(builder: Any, start: Any, index: Any, target: Any) -> Any:
    """Address of element `index` from a memory start, as a pointer to `target`."""
    return builder.bitcast(builder.gep(start, [index]), target.as_pointer())


@intrinsic
def memory(typing_context: Any, array: Any) -> Any:
    """Where an array's elements start."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return make_array(array)(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), emit


@intrinsic
def line_of(typing_context: Any, start: Any) -> Any:
    """The same memory from its first cache line (64 bytes) on: vectors at multiples of sixteen then lie in one line."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole = ir.IntType(64)
        raised = builder.add(builder.ptrtoint(args[0], whole), ir.Constant(whole, 63))
        return builder.inttoptr(builder.and_(raised, ir.Constant(whole, -64)), args[0].type)

    return start(start), emit


@intrinsic
def advance(typing_context: Any, start: Any, count: Any) -> Any:
    """Memory that starts `count` elements further on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return start(start, types.int64), emit


@intrinsic
def reals(typing_context: Any, start: Any) -> Any:
    """Memory of 32-bit integers, taken as float32."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], F32.as_pointer())

    return types.CPointer(types.float32)(start), emit


@intrinsic
def keep(typing_context: Any, array: Any) -> Any:
    """Does nothing: an array whose memory is in use must be named once more after the last use."""
    return types.void(array), lambda context, builder, sig, args: context.get_dummy_value()


def widen_elements(builder: Any, raw: Any, kind: Any, vector: bool) -> Any:
    """Binary32 bits of elements as they lie in memory."""
    shorts, bits, reals = (BITS, BITS, REALS) if vector else (I32, I32, F32)
    if kind == types.uint16:  # bfloat16: the upper half of binary32
        sixteen = constant(16) if vector else ir.Constant(I32, 16)
        return builder.shl(builder.zext(raw, shorts), sixteen)
    if kind == types.int16:
        return builder.bitcast(builder.fpext(raw, reals), bits)
    return builder.bitcast(raw, bits)


def narrow_elements(builder: Any, bits: Any, kind: Any, vector: bool) -> Any:
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


def memory_types(kind: Any) -> tuple[Any, Any, int]:
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
def load(typing_context: Any, start: Any, index: Any) -> Any:
    """Sixteen tensor elements from `index` on, as binary32 bits."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = memory_types(start.dtype)
        raw = builder.load(address(builder, args[0], args[1], vector), align=size)
        return widen_elements(builder, raw, start.dtype, vector=True)

    return Bits(start, types.int64), emit


@intrinsic
def load_some(typing_context: Any, start: Any, index: Any, count: Any) -> Any:
    """The first `count` (at most 16) elements from `index` on, zeros in the other lanes; nothing else is read."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = memory_types(start.dtype)
        source = address(builder, args[0], args[1], vector)
        mask = _first_lanes(builder, args[2])
        raw = _masked(
            builder, "load", vector, vector, [source, ir.Constant(I32, size), mask, ir.Constant(vector, None)]
        )
        return widen_elements(builder, raw, start.dtype, vector=True)

    return Bits(start, types.int64, types.int64), emit


@intrinsic
def store(typing_context: Any, start: Any, index: Any, value: Any) -> Any:
    """Write sixteen tensor elements given as binary32 bits (no NaN)."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = memory_types(start.dtype)
        target = address(builder, args[0], args[1], vector)
        builder.store(narrow_elements(builder, args[2], start.dtype, vector=True), target, align=size)
        return context.get_dummy_value()

    return types.void(start, types.int64, Bits), emit


@intrinsic
def store_some(typing_context: Any, start: Any, index: Any, value: Any, count: Any) -> Any:
    """Write the first `count` (at most 16) lanes, given as binary32 bits (no NaN); nothing else is touched."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = memory_types(start.dtype)
        target = address(builder, args[0], args[1], vector)
        narrow = narrow_elements(builder, args[2], start.dtype, vector=True)
        narrow = narrow if narrow.type == vector else builder.bitcast(narrow, vector)
        mask = _first_lanes(builder, args[3])
        _masked(builder, "store", vector, ir.VoidType(), [narrow, target, ir.Constant(I32, size), mask])
        return context.get_dummy_value()

    return types.void(start, types.int64, Bits, types.int64), emit


@intrinsic
def store_stream(typing_context: Any, start: Any, index: Any, value: Any) -> Any:
    """Like `store`, past the caches; the address must be a multiple of the vector's size."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = memory_types(start.dtype)
        target = address(builder, args[0], args[1], vector)
        written = builder.store(narrow_elements(builder, args[2], start.dtype, vector=True), target, align=LANES * size)
        written.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(I32, 1)]))
        return context.get_dummy_value()

    return types.void(start, types.int64, Bits), emit


@intrinsic
def prefetch(typing_context: Any, start: Any, index: Any) -> Any:
    """Ask for the cache line of element `index`; harmless past the end of memory."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        target = address(builder, args[0], args[1], I8)
        numbers = [ir.Constant(I32, value) for value in (0, 3, 1)]  # read, keep close, data
        signature = ir.FunctionType(ir.VoidType(), [target.type, I32, I32, I32])
        builder.call(get_or_insert_function(builder.module, signature, "llvm.prefetch.p0"), [target, *numbers])
        return context.get_dummy_value()

    return types.void(start, types.int64), emit


@intrinsic
def load_one(typing_context: Any, start: Any, index: Any) -> Any:
    """One tensor element as binary32 bits."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, scalar, size = memory_types(start.dtype)
        raw = builder.load(address(builder, args[0], args[1], scalar), align=size)
        return widen_elements(builder, raw, start.dtype, vector=False)

    return types.uint32(start, types.int64), emit


@intrinsic
def store_one(typing_context: Any, start: Any, index: Any, value: Any) -> Any:
    """Write one tensor element given as binary32 bits; every NaN is written as the positive quiet NaN."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, scalar, size = memory_types(start.dtype)
        magnitude = builder.and_(args[2], ir.Constant(I32, 0x7FFFFFFF))
        is_nan = builder.icmp_unsigned(">", magnitude, ir.Constant(I32, 0x7F800000))
        bits = builder.select(is_nan, ir.Constant(I32, 0x7FC00000), args[2])
        target = address(builder, args[0], args[1], scalar)
        builder.store(narrow_elements(builder, bits, start.dtype, vector=False), target, align=size)
        return context.get_dummy_value()

    return types.void(start, types.int64, types.uint32), emit


@intrinsic
def narrowed(typing_context: Any, start: Any, value: Any) -> Any:
    """Sixteen binary32 numbers, given and returned as bits (no NaN), rounded to the element type of memory."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return widen_elements(
            builder, narrow_elements(builder, args[1], start.dtype, vector=True), start.dtype, vector=True
        )

    return Bits(start, Bits), emit


@intrinsic
def load_reals(typing_context: Any, start: Any, index: Any) -> Any:
    """Sixteen float32 entries of scratch memory."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(address(builder, args[0], args[1], REALS), align=4)

    return Reals(start, types.int64), emit


@intrinsic
def store_reals(typing_context: Any, start: Any, index: Any, value: Any) -> Any:
    """Write sixteen float32 entries of scratch memory."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], address(builder, args[0], args[1], REALS), align=4)
        return context.get_dummy_value()

    return types.void(start, types.int64, Reals), emit


@intrinsic
def store_codes(typing_context: Any, start: Any, index: Any, value: Any) -> Any:
    """Write sixteen codes to memory of unsigned 8-, 16- or 32-bit integers."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        width = start.dtype.bitwidth
        vector = ir.VectorType(ir.IntType(width), LANES)
        codes = args[2] if width == 32 else builder.trunc(args[2], vector)
        builder.store(codes, address(builder, args[0], args[1], vector), align=width // 8)
        return context.get_dummy_value()

    return types.void(start, types.int64, Bits), emit
