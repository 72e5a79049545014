"""Codes to bytes and back: element i of a run at bit i * bits, low bits first, zero padding (contract §9).

Codes of at most 8 bits are packed 64 at a time where they lie one a byte (`octets`), and then copied to where they
belong; they are unpacked sixteen at a time through two 64-bit words. Wider ones, which are rare, go one by one.
"""

import numpy as np

from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import advance, keep, load, memory, store_codes
from lowbit.kernels.cpu.octets import GROUP, clear_group, copy_line, pack_group, stream_line
from lowbit.kernels.cpu.packed_lanes import (
    load_codes,
    load_word,
    shorts,
    unpack_lanes,
)
from lowbit.kernels.cpu.vector import LANES, splat_bits

UNPACK_CHUNK = 1024
"""Codes that are unpacked at a time: whole bytes whatever their width."""


@stage
def pack_run(codes, count, bits, scratch, out, start):
    """Pack codes[:count] into out[start:], a whole number of bytes. Nothing beyond them is read or written.

    scratch: bytes, with room for `count` + 64.
    """
    if bits > 8:
        pack_wide(codes, count, bits, out, start)
        return
    for i in range(count):
        scratch[i] = np.uint8(codes[i])
    pack_octets(scratch, count, bits, out, start, False)


@stage
def pack_octets(codes, count, bits, out, start, stream):
    """`pack_run` for codes of at most 8 bits, one a byte; their memory, with 64 bytes behind it, is used up.

    stream: write whole cache lines past the caches; out[0] is then the start of one.
    """
    clear_group(codes, count)
    if bits < 8:
        at, step = 0, np.int64(8 * bits)
        for i in range(0, count, GROUP):
            pack_group(codes, i, np.int64(bits), at)
            at += step
    size = (count * bits + 7) // 8
    lines = size - size % GROUP
    if stream and start % GROUP == 0:
        for i in range(0, lines, GROUP):
            stream_line(codes, i, out, start + i)
    else:
        for i in range(0, lines, GROUP):
            copy_line(codes, i, out, start + i)
    for i in range(lines, size):
        out[start + i] = codes[i]


@stage
def pack_wide(codes, count, bits, out, start):
    """`pack_run` for more than 8 bits."""
    if bits == 16:
        _pack_whole(codes, count, shorts(out, start))
    else:
        _pack_any(codes, count, bits, out, start)


@stage
def _pack_whole(codes, count, out):
    """Codes of whole bytes."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        store_codes(out, i, load(codes, i))
    for i in range(whole, count):
        out[i] = codes[i]


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
def unpack_run(packed, start, end, count, bits, codes):
    """Unpack `count` codes from packed[start:] into codes[:count]; the last vector is filled up with some codes.

    No byte from packed[end] on is read: `end` is where memory ends, not the run.
    """
    if count % LANES:
        store_codes(codes, count - count % LANES, splat_bits(np.uint32(0)))
    if bits == 8:
        _unpack_whole(advance(packed, start), count, codes)
    elif bits < 8:
        _unpack_narrow(packed, start, end, count, bits, codes)
    elif bits == 16:
        _unpack_whole(shorts(packed, start), count, codes)
    else:
        _unpack_any(packed, start, count, bits, codes)


@stage
def _unpack_whole(packed, count, codes):
    """Codes of whole bytes."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        store_codes(codes, i, load_codes(packed, i))
    for i in range(whole, count):
        codes[i] = packed[i]


@stage
def _unpack_narrow(packed, start, end, count, bits, codes):
    """Codes of fewer than 8 bits; whole words are read as far as memory reaches."""
    step = np.int64(bits)
    readable = (end - 8 - step - start) // (2 * step) + 1
    whole = min(max(readable, 0) * LANES, count)
    at = start
    for i in range(0, whole, LANES):
        store_codes(codes, i, unpack_lanes(load_word(packed, at), load_word(packed, at + step), step))
        at += 2 * step
    for i in range((whole + LANES - 1) // LANES * LANES, count, LANES):
        low, high = _load_bytes(packed, at, end), _load_bytes(packed, at + step, end)
        store_codes(codes, i, unpack_lanes(low, high, step))
        at += 2 * step


@stage
def _load_bytes(packed, at, end):
    """The bytes from `at` on that lie below `end`, at most eight, as a word."""
    word = np.uint64(0)
    for byte in range(min(np.int64(8), end - at)):
        word |= np.uint64(packed[at + byte]) << np.uint64(8 * byte)
    return word


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
def unpack_items(packed, codes, columns, bits, first, last):
    """Unpack chunks first..last of the rows of a packed matrix into `codes` (row-major, one code an entry).

    A chunk is UNPACK_CHUNK codes of a row, the last one of a row maybe fewer.
    """
    source, target = memory(packed), memory(codes)
    row_bytes = (columns * bits + 7) // 8
    chunks = (columns + UNPACK_CHUNK - 1) // UNPACK_CHUNK
    scratch = np.empty(UNPACK_CHUNK, np.uint32)
    found = memory(scratch)
    for item in range(first, last):
        row, column = item // chunks, item % chunks * UNPACK_CHUNK
        count = min(UNPACK_CHUNK, columns - column)
        unpack_run(source, row * row_bytes + column * bits // 8, len(packed), count, bits, found)
        out = advance(target, row * columns + column)
        for i in range(count):
            out[i] = found[i]
    keep(scratch)
