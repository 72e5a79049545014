"""Dequantize blockwise formats: codes, and block words that hold side bits above the scale code (§12)."""

import numpy as np

from lowbit.kernels.cpu.band import locate, scratch_size
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import keep, memory, store_one
from lowbit.kernels.cpu.packing import unpack_run
from lowbit.kernels.cpu.scalar import NAN_BITS, fl, round_bits, widen
from lowbit.kernels.cpu.side_bits import doublings


@kernel
def dequantize_word_items(packed, words, out, decoded, scales, block, bits, tensor_scale, grid_record, first, last):
    """Decode the work items first..last: fl(fl(element * scale) * tensor scale), elements as their side bits say.

    words: uint64, row-major over (band, block). decoded: binary32 bits of every code of every candidate, one row each.
    scales: binary32 bits of every scale code, or empty where the code is itself a binary32 pattern.
    """
    b, grid = block[0], grid_record[0]
    source, target = memory(packed), memory(out)
    scratch = np.empty(scratch_size(grid), np.uint32)
    row_codes = memory(scratch)
    row_bytes = (grid.columns * bits + 7) // 8
    blocks = (grid.columns + grid.width - 1) // grid.width
    mask = (np.uint64(1) << np.uint64(b.scale_bits)) - np.uint64(1)
    for item in range(first, last):
        band, column, start, rows, columns = locate(grid, item)
        width = min(grid.width, columns)
        for row in range(rows):
            base = start + row * grid.columns
            at = base // grid.columns * row_bytes + column * bits // 8
            unpack_run(source, at, len(packed), columns, bits, row_codes)
            for i in range(columns):
                word = words[band * blocks + (column + i) // grid.width]
                code = np.uint32(word & mask)
                scale = widen(scales[code] if len(scales) else code)
                if scale == scale:
                    position = row * min(width, columns - i // width * width) + i % width
                    element = _element(b, decoded, row_codes[i], position, word >> np.uint64(b.scale_bits), bits)
                    store_one(target, base + i, round_bits(fl(element * scale) * tensor_scale))
                else:
                    store_one(target, base + i, NAN_BITS)
    keep(scratch)


@stage
def _element(b, decoded, code, position, side, bits):
    """The value of a code where these side bits apply."""
    if b.peak and side == np.uint64(position + 1):
        sign = np.uint32(1) << np.uint32(bits - 1)
        magnitude = b.peak_low * (1.0 + np.float64(code & (sign - np.uint32(1))) / b.peak_steps)
        return -magnitude if code & sign else magnitude
    if b.zero_point:
        return np.float64(code) - np.float64(side)
    element = widen(decoded[np.int64(side) if b.selects else 0, code])
    return element * 2.0 ** doublings(b, side, position, b.levels) if b.levels else element
