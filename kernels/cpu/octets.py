"""Codes of at most 8 bits, one a byte, as packed bytes: 64 codes at a time, in 64-bit words.

Eight codes of b bits fill b whole bytes, so one form serves all widths: neighbours are joined until they fill bytes,
and a selection leaves these bytes alone. Words are little-endian, as on every machine that numba compiles for.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

from lowbit.kernels.cpu.jit import intrinsic
from lowbit.kernels.cpu.memory import address
from lowbit.kernels.cpu.vector import I8, I32, I64, constant, shuffle

GROUP = 64
"""Codes that are packed at a time; one a byte they fill a cache line."""

OCTETS, WORDS = ir.VectorType(I8, GROUP), ir.VectorType(I64, GROUP // 8)

EVEN_FIELDS = {8: 0x00FF00FF00FF00FF, 16: 0x0000FFFF0000FFFF, 32: 0x00000000FFFFFFFF}
"""Every other field of a word, by the bits of a field."""


def _packed(builder: Any, octets: Any, bits: int) -> Any:
    """Packed codes of `bits` < 8 bits; what follows them is of no meaning."""
    words, field, used = builder.bitcast(octets, WORDS), 8, bits
    while used % 8:
        even, apart = constant(EVEN_FIELDS[field], WORDS), constant(field - used, WORDS)
        odd = builder.lshr(builder.and_(words, constant(EVEN_FIELDS[field] << field, WORDS)), apart)
        words, field, used = builder.or_(builder.and_(words, even), odd), 2 * field, 2 * used
    kept = [byte for byte in range(GROUP) if byte % (field // 8) < used // 8]
    octets = builder.bitcast(words, OCTETS)
    return shuffle(builder, octets, octets, kept + [0] * (GROUP - len(kept)))


@intrinsic
def pack_group(typing_context: Any, codes: Any, index: Any, bits: Any, position: Any) -> Any:
    """Pack 64 codes of `bits` < 8 bits from `index` on to codes[position:], where 64 bytes are written."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        octets = builder.load(address(builder, args[0], args[1], OCTETS), align=1)
        end = builder.append_basic_block("end")
        switch, chosen = builder.switch(args[2], end), [(octets, builder.block)]
        for width in range(1, 8):
            block = builder.append_basic_block(f"width{width}")
            switch.add_case(ir.Constant(I64, width), block)
            builder.position_at_end(block)
            chosen.append((_packed(builder, octets, width), block))
            builder.branch(end)
        builder.position_at_end(end)
        packed = builder.phi(OCTETS)
        for value, block in chosen:
            packed.add_incoming(value, block)
        builder.store(packed, address(builder, args[0], args[3], OCTETS), align=1)
        return context.get_dummy_value()

    return types.void(codes, types.int64, types.int64, types.int64), emit


@intrinsic
def clear_group(typing_context: Any, codes: Any, index: Any) -> Any:
    """Write 64 zeros from `index` on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(ir.Constant(OCTETS, None), address(builder, args[0], args[1], OCTETS), align=1)
        return context.get_dummy_value()

    return types.void(codes, types.int64), emit


def _copy(stream: bool) -> Any:
    """An intrinsic that copies 64 bytes."""

    @intrinsic
    def function(typing_context: Any, source: Any, position: Any, out: Any, start: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            line = builder.load(address(builder, args[0], args[1], OCTETS), align=1)
            target = address(builder, args[2], args[3], OCTETS)
            written = builder.store(line, target, align=GROUP if stream else 1)
            if stream:
                written.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(I32, 1)]))
            return context.get_dummy_value()

        return types.void(source, types.int64, out, types.int64), emit

    return function


copy_line = _copy(stream=False)
stream_line = _copy(stream=True)  #: past the caches; the address must be a multiple of 64
