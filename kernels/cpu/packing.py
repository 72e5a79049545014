"""Codes to bytes and back: element i of a run at bit i * bits, low bits first, zero padding (contract §9)."""

import numpy as np

from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import keep, memory


@stage
def pack_run(codes, count, bits, out, start):
    """Pack codes[:count] into out[start:], a whole number of bytes."""
    if bits == 8:
        for i in range(count):
            out[start + i] = np.uint8(codes[i])
    elif bits == 4:
        for i in range(count // 2):
            out[start + i] = np.uint8(codes[2 * i] | (codes[2 * i + 1] << np.uint32(4)))
        if count % 2:
            out[start + count // 2] = np.uint8(codes[count - 1])
    else:
        _pack_any(codes, count, bits, out, start)


@stage
def _pack_any(codes, count, bits, out, start):
    held, filled, position = np.uint64(0), 0, start
    for i in range(count):
        held |= np.uint64(codes[i]) << np.uint64(filled)
        filled += bits
        while filled >= 8:
            out[position] = np.uint8(held & np.uint64(0xFF))
            held >>= np.uint64(8)
            filled -= 8
            position += 1
    if filled > 0:
        out[position] = np.uint8(held & np.uint64(0xFF))


@stage
def unpack_run(packed, start, count, bits, codes):
    """Unpack `count` codes from packed[start:] into codes[:count]."""
    if bits == 8:
        for i in range(count):
            codes[i] = packed[start + i]
    elif bits == 4:
        for i in range(count):
            codes[i] = (np.uint32(packed[start + (i >> 1)]) >> np.uint32(4 * (i & 1))) & np.uint32(15)
    else:
        _unpack_any(packed, start, count, bits, codes)


@stage
def _unpack_any(packed, start, count, bits, codes):
    held, filled, position = np.uint64(0), 0, start
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    for i in range(count):
        while filled < bits:
            held |= np.uint64(packed[position]) << np.uint64(filled)
            filled += 8
            position += 1
        codes[i] = np.uint32(held & mask)
        held >>= np.uint64(bits)
        filled -= bits


@kernel
def unpack_rows(packed, codes, columns, bits, first, last):
    """Unpack rows first..last of a packed matrix into `codes` (one-dimensional, row-major, one code an entry)."""
    source, target = memory(packed), memory(codes)
    row_bytes = (columns * bits + 7) // 8
    scratch = np.empty(columns, np.uint32)
    row_codes = memory(scratch)
    for row in range(first, last):
        unpack_run(source, row * row_bytes, columns, bits, row_codes)
        for i in range(columns):
            target[row * columns + i] = row_codes[i]
    keep(scratch)
