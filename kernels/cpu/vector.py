"""Sixteen lanes as values of numba functions, so that kernels read like arithmetic.

With `memory` the only file that knows LLVM. Three types: `Bits` (unsigned 32-bit lanes), `Reals` (binary32 lanes) and
`Longs` (unsigned 64-bit lanes). LLVM splits the lanes on machines with narrower registers, so results are the same
everywhere.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import models, register_model

from lowbit.kernels.cpu.jit import intrinsic

LANES = 16
I8, I16, I32, I64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
F16, F32 = ir.HalfType(), ir.FloatType()
BITS, REALS, LONGS = ir.VectorType(I32, LANES), ir.VectorType(F32, LANES), ir.VectorType(I64, LANES)
SHORT_PAIRS = ir.VectorType(I16, 2 * LANES)


class LanesType(types.Type):
    """Sixteen lanes of one kind."""

    def __init__(self, name: str, lanes: Any) -> None:
        super().__init__(name=name)
        self.lanes = lanes


class BitsType(LanesType):
    """Sixteen unsigned 32-bit lanes."""


class RealsType(LanesType):
    """Sixteen binary32 lanes."""


class LongsType(LanesType):
    """Sixteen unsigned 64-bit lanes."""


Bits, Reals, Longs = BitsType("Bits16", BITS), RealsType("Reals16", REALS), LongsType("Longs16", LONGS)


@register_model(BitsType)
@register_model(RealsType)
@register_model(LongsType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.lanes)


def _define_operator(function: Callable[..., Any], kind: types.Type, instruction: str) -> None:
    """Give `function` (an operator) the meaning of one LLVM instruction on two vectors of `kind`."""

    class Template(ConcreteTemplate):
        cases = [signature(kind, kind, kind)]  # noqa: RUF012 (numba's protocol)

    infer_global(function)(Template)  # pyright: ignore[reportOptionalCall]

    @lower_builtin(function, kind, kind)
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


for _function, _real, _integer in (
    (operator.add, "fadd", "add"),
    (operator.sub, "fsub", "sub"),
    (operator.mul, "fmul", "mul"),
    (operator.truediv, "fdiv", None),
    (operator.and_, None, "and_"),
    (operator.or_, None, "or_"),
    (operator.xor, None, "xor"),
    (operator.rshift, None, "lshr"),
    (operator.lshift, None, "shl"),
):
    for _kind, _instruction in ((Reals, _real), (Bits, _integer), (Longs, _integer)):
        if _instruction:
            _define_operator(_function, _kind, _instruction)


def constant(value: int, kind: Any = BITS) -> ir.Constant:
    """The same constant in every lane."""
    return ir.Constant(kind, [value] * kind.count)


def shuffle(builder: Any, left: Any, right: Any, lanes: list[int]) -> Any:
    """Lanes of two vectors in the given order."""
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(I32, len(lanes)), lanes))


def _unary(result: Any, argument: Any, emit: Callable[[Any, Any], Any]) -> Any:
    """An intrinsic of one vector or scalar."""

    @intrinsic
    def function(typing_context: Any, value: Any) -> Any:
        return result(argument), lambda context, builder, sig, args: emit(builder, args[0])

    return function


def _splat(kind: Any) -> Callable[[Any, Any], Any]:
    def emit(builder: Any, value: Any) -> Any:
        first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
        return shuffle(builder, first, first, [0] * LANES)

    return emit


def _largest_lane(builder: Any, value: Any) -> Any:
    for width in (8, 4, 2, 1):
        turned = shuffle(builder, value, value, [(lane + width) % LANES for lane in range(LANES)])
        value = builder.select(builder.icmp_unsigned(">", value, turned), value, turned)
    return builder.extract_element(value, ir.Constant(I32, 0))


def _added_lanes(builder: Any, value: Any) -> Any:
    for width in (8, 4, 2, 1):
        value = builder.fadd(value, shuffle(builder, value, value, [(lane + width) % LANES for lane in range(LANES)]))
    return value


def _any_lane(builder: Any, value: Any) -> Any:
    set_lanes = builder.icmp_unsigned("!=", value, constant(0))
    return builder.icmp_unsigned("!=", builder.bitcast(set_lanes, I16), ir.Constant(I16, 0))


def _butterfly(stride: int) -> Callable[[Any, Any], Any]:
    """Lanes i and i + stride become their sum and their difference (first minus second)."""
    lanes = range(LANES)
    negate = ir.Constant(BITS, [0x80000000 if lane & stride else 0 for lane in lanes])

    def emit(builder: Any, value: Any) -> Any:
        partner = shuffle(builder, value, value, [lane ^ stride for lane in lanes])
        signed = builder.bitcast(builder.xor(builder.bitcast(value, BITS), negate), REALS)
        return builder.fadd(partner, signed)

    return emit


def _quiet(builder: Any, value: Any) -> Any:
    is_nan = builder.fcmp_unordered("uno", value, value)
    return builder.select(is_nan, constant(0x7FC00000), builder.bitcast(value, BITS))


def _trunc(builder: Any, value: Any) -> Any:
    function = get_or_insert_function(builder.module, ir.FunctionType(REALS, [REALS]), f"llvm.trunc.v{LANES}f32")
    return builder.call(function, [value])


splat_bits = _unary(Bits, types.uint32, _splat(BITS))
splat_long = _unary(Longs, types.uint64, _splat(LONGS))
splat_real = _unary(Reals, types.float32, _splat(REALS))
as_real = _unary(Reals, Bits, lambda builder, value: builder.bitcast(value, REALS))
as_bits = _unary(Bits, Reals, lambda builder, value: builder.bitcast(value, BITS))
truncated = _unary(Bits, Reals, lambda builder, value: builder.fptoui(value, BITS))  #: of reals from 0 to 2^32 - 1
whole_part = _unary(Reals, Reals, _trunc)
truncated_small = _unary(Bits, Reals, lambda builder, value: builder.fptosi(value, BITS))  #: below 2^31: cheaper
small_number = _unary(Reals, Bits, lambda builder, value: builder.sitofp(value, REALS))  #: below 2^31: cheaper
butterfly_1, butterfly_2, butterfly_4, butterfly_8 = (_unary(Reals, Reals, _butterfly(s)) for s in (1, 2, 4, 8))
quiet_bits = _unary(Bits, Reals, _quiet)  #: bits, every NaN the positive quiet one
largest = _unary(types.uint32, Bits, _largest_lane)  #: largest lane
added_lanes = _unary(Reals, Reals, _added_lanes)  #: in every lane the sum of all: i and i + 8 first, then i and i + 4
any_set = _unary(types.boolean, Bits, _any_lane)  #: whether some lane is not zero
real_of = _unary(types.float32, types.uint32, lambda builder, value: builder.bitcast(value, F32))
bits_of = _unary(types.uint32, types.float32, lambda builder, value: builder.bitcast(value, I32))


@intrinsic
def lane_numbers(typing_context: Any) -> Any:
    """0, 1, ... 15."""
    return Longs(), lambda context, builder, sig, args: ir.Constant(LONGS, list(range(LANES)))


@intrinsic
def first_lane(typing_context: Any, value: Any) -> Any:
    """The first lane in every lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return shuffle(builder, args[0], args[0], [0] * LANES)

    return value(value), emit


@intrinsic
def halves_in_turn(typing_context: Any, value: Any) -> Any:
    """The first two quarters lane by lane in turn, then the last two."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = [half + 4 * side + lane for half in (0, 8) for lane in range(4) for side in (0, 1)]
        return shuffle(builder, args[0], args[0], lanes)

    return value(value), emit


@intrinsic
def larger(typing_context: Any, left: Any, right: Any) -> Any:
    """Lane-wise unsigned maximum."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.icmp_unsigned(">", *args), *args)

    return Bits(Bits, Bits), emit


@intrinsic
def smaller(typing_context: Any, left: Any, right: Any) -> Any:
    """Lane-wise minimum of reals; the right lane where either is NaN."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return Reals(Reals, Reals), emit


@intrinsic
def where_less(typing_context: Any, left: Any, right: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes where left < right (reals), else `no`; both are Bits or both Reals."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return yes(Reals, Reals, yes, yes), emit


@intrinsic
def where_below(typing_context: Any, left: Any, right: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes where left < right (unsigned bits), else `no`; both are Bits or both Reals."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.icmp_unsigned("<", args[0], args[1]), args[2], args[3])

    return yes(Bits, Bits, yes, yes), emit


@intrinsic
def where_zero(typing_context: Any, tested: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes where `tested` is zero, else `no`; both are of one type, whose lanes have tested's width."""
    zero = ir.Constant(tested.lanes, None)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.icmp_unsigned("==", args[0], zero), args[1], args[2])

    return yes(tested, yes, yes), emit


def _fold(low: list[int], high: list[int], kind: Any = BITS) -> Any:
    """Lane-wise unsigned maximum of two selections among the lanes of two vectors (the second's are 16 to 31).

    kind: the lanes that are compared, 32 bits wide, or two of 16 bits in each.
    """

    @intrinsic
    def function(typing_context: Any, left: Any, right: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            chosen = (shuffle(builder, args[0], args[1], lanes) for lanes in (low, high))
            first, second = (builder.bitcast(lanes, kind) for lanes in chosen)
            return builder.bitcast(builder.select(builder.icmp_unsigned(">", first, second), first, second), BITS)

        return Bits(Bits, Bits), emit

    return function


def _in_quarters(lanes: list[int]) -> list[int]:
    """The same selection in each quarter of a vector, where shuffles are cheapest; 4 to 7 are the second vector's."""
    return [quarter + lane % 4 + lane // 4 * LANES for quarter in range(0, LANES, 4) for lane in lanes]


def _quarters(quarters: list[int]) -> list[int]:
    """Whole quarters, 4 to 7 being the second vector's."""
    return [4 * quarter + lane for quarter in quarters for lane in range(4)]


_ROUNDS = (
    (_in_quarters([0, 1, 4, 5]), _in_quarters([2, 3, 6, 7])),
    (_in_quarters([0, 2, 4, 6]), _in_quarters([1, 3, 5, 7])),
    (_quarters([0, 1, 4, 5]), _quarters([2, 3, 6, 7])),
    (_quarters([0, 2, 4, 6]), _quarters([1, 3, 5, 7])),
)
# Folding 16 vectors in four rounds leaves the largest lane of vector i in lane i.
fold_first, fold_second, fold_third, fold_last = (_fold(*lanes) for lanes in _ROUNDS)
# The same for lanes of two 16-bit numbers, each the larger one of its half.
fold_words_first, fold_words_second, fold_words_third, fold_words_last = (
    _fold(*lanes, SHORT_PAIRS) for lanes in _ROUNDS
)


ABSOLUTE = np.uint32(0x7FFFFFFF)
SIGN = np.uint32(0x80000000)
EXPONENT = np.uint32(0x7F800000)
