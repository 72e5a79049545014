"""Sixteen runs of sixteen elements as columns: LLVM turns the shuffles into the cheapest instructions there are."""

from typing import Any

from llvmlite import ir
from numba.core import types

from lowbit.kernels.cpu.jit import intrinsic
from lowbit.kernels.cpu.memory import address, memory_types, widen_elements
from lowbit.kernels.cpu.vector import BITS, LANES, shuffle


def _exchanged(builder: Any, lanes: list[Any], width: int) -> list[Any]:
    """Exchange the off-diagonal blocks of `width` vectors and lanes in every block of twice that size."""
    low = [lane if not lane & width else LANES + lane - width for lane in range(LANES)]
    high = [lane + width if not lane & width else LANES + lane for lane in range(LANES)]
    result = list(lanes)
    for i in range(LANES):
        if not i & width:
            left, right = lanes[i], lanes[i + width]
            result[i], result[i + width] = shuffle(builder, left, right, low), shuffle(builder, left, right, high)
    return result


@intrinsic
def transpose(typing_context: Any, start: Any, index: Any, stride: Any, target: Any, position: Any) -> Any:
    """Sixteen runs of sixteen tensor elements, from `index` on and `stride` apart, as binary32 bits in scratch memory:
    element j of run i goes to target[position + 16 * j + i]."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, _, size = memory_types(start.dtype)
        lanes, at = list[Any](), args[1]
        for _ in range(LANES):
            raw = builder.load(address(builder, args[0], at, vector), align=size)
            lanes.append(widen_elements(builder, raw, start.dtype, vector=True))
            at = builder.add(at, args[2])
        for width in (8, 4, 2, 1):
            lanes = _exchanged(builder, lanes, width)
        for j, lane in enumerate(lanes):
            place = builder.add(args[4], ir.Constant(args[4].type, LANES * j))
            builder.store(lane, address(builder, args[3], place, BITS), align=4)
        return context.get_dummy_value()

    return types.void(start, types.int64, types.int64, target, types.int64), emit
