"""Philox4x32-10 on vectors of counters in 64-bit lanes (contract §5), written as instructions.

A round is a chain of a multiplication, a shift and two exclusive ors; whole groups of counters go through it side by
side, so that one's instructions fill the other's waits.
Source: Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

from lowbit.kernels.cpu.jit import intrinsic
from lowbit.kernels.cpu.vector import I32, I64, LANES, LONGS, Longs, constant, shuffle

ROUNDS = 10
FIRST_MULTIPLIER, SECOND_MULTIPLIER = 0xD2511F53, 0xCD9E8D57
FIRST_STEP, SECOND_STEP = 0x9E3779B9, 0xBB67AE85
WORD = 0xFFFFFFFF


@intrinsic
def philox(typing_context: Any, counters: Any, stream: Any, seed: Any) -> Any:
    """Words 0 and 1, and 2 and 3 (low words first) of sixteen counters: Longs of n // P in, two Longs out."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        high = builder.lshr(args[0], constant(32, LONGS))
        (pair,) = _words(builder, [args[0]], high, args[1], args[2])
        return context.make_tuple(builder, sig.return_type, pair)

    return types.UniTuple(Longs, 2)(counters, types.uint64, types.uint64), emit


def _run_of(groups: int) -> Any:
    @intrinsic
    def function(typing_context: Any, counter: Any, stream: Any, seed: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            first = _splat(builder, args[0])
            steps = [[LANES * group + lane for lane in range(LANES)] for group in range(groups)]
            counters = [builder.add(first, ir.Constant(LONGS, lanes)) for lanes in steps]
            high = _splat(builder, builder.lshr(args[0], ir.Constant(I64, 32)))
            words = _words(builder, counters, high, args[1], args[2])
            return context.make_tuple(builder, sig.return_type, [half for pair in words for half in pair])

        return types.UniTuple(Longs, 2 * groups)(types.uint64, types.uint64, types.uint64), emit

    return function


# As `philox`, of consecutive counters with the same high word: 16 from `counter` on; 32, as two groups in turn.
philox_16, philox_32 = _run_of(1), _run_of(2)


def _words(builder: Any, counters: list[Any], high: Any, stream: Any, seed: Any) -> list[tuple[Any, Any]]:
    """The two results of each vector of counters. Only the low halves of working words count, until the last round."""
    word, half = ir.Constant(I64, WORD), constant(32, LONGS)
    zero = constant(0, LONGS)
    states = [(group, high, _splat(builder, stream), zero) for group in counters]
    keys = [builder.and_(seed, word), builder.lshr(seed, ir.Constant(I64, 32))]
    for rounds in range(ROUNDS):
        low, top = (_splat(builder, key) for key in keys)
        products = [
            (_product(builder, a, FIRST_MULTIPLIER), _product(builder, c, SECOND_MULTIPLIER)) for a, _, c, _ in states
        ]
        mixed = [(builder.xor(b, low), builder.xor(d, top)) for _, b, _, d in states]
        if rounds == ROUNDS - 1:
            break
        states = [
            (builder.xor(builder.lshr(right, half), b), right, builder.xor(builder.lshr(left, half), d), left)
            for (left, right), (b, d) in zip(products, mixed, strict=True)
        ]
        keys = [
            builder.and_(builder.add(key, ir.Constant(I64, step)), word)
            for key, step in zip(keys, (FIRST_STEP, SECOND_STEP), strict=True)
        ]
    low_words = constant(WORD, LONGS)
    return [
        tuple(
            builder.xor(_swapped(builder, product), builder.and_(other, low_words))
            for product, other in ((right, b), (left, d))
        )
        for (left, right), (b, d) in zip(products, mixed, strict=True)
    ]


def _product(builder: Any, value: Any, multiplier: int) -> Any:
    """64-bit products of low halves."""
    return builder.mul(builder.and_(value, constant(WORD, LONGS)), constant(multiplier, LONGS))


def _swapped(builder: Any, value: Any) -> Any:
    """Upper and lower halves exchanged by a shuffle: shifts would be merged into the multiplication and slow it."""
    words = builder.bitcast(value, ir.VectorType(I32, 2 * LANES))
    return builder.bitcast(shuffle(builder, words, words, [lane ^ 1 for lane in range(2 * LANES)]), LONGS)


def _splat(builder: Any, value: Any) -> Any:
    first = builder.insert_element(ir.Constant(LONGS, ir.Undefined), value, ir.Constant(I32, 0))
    return shuffle(builder, first, first, [0] * LANES)
