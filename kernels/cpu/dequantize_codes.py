"""Dequantize packed codes: element × block scale × tensor scale, each product rounded once (contract §2)."""

import numpy as np

from lowbit.kernels.cpu.band import locate, scratch_size
from lowbit.kernels.cpu.jit import kernel, stage
from lowbit.kernels.cpu.memory import keep, memory, store_one
from lowbit.kernels.cpu.packing import unpack_run
from lowbit.kernels.cpu.scalar import fl, round_bits, widen
from lowbit.kernels.cpu.vector import bits_of, real_of


@kernel
def dequantize_items(packed, scale_bits, out, decoded, bits, narrow, tensor_scale, grid_record, first, last):
    """Decode the work items first..last: fl(fl(element * scale) * tensor scale), contract §2.

    scale_bits: binary32 bits of every block's scale, row-major over (band, block), or empty for a plain cast.
    decoded: binary32 bits of every element code. narrow: whether elements keep products normal inside the bounds of
    `_decode_run`.
    """
    grid = grid_record[0]
    source, target, values = memory(packed), memory(out), memory(decoded)
    scratch = np.empty(scratch_size(grid), np.uint32)
    row_codes = memory(scratch)
    row_bytes = (grid.columns * bits + 7) // 8
    blocks = (grid.columns + grid.width - 1) // grid.width
    for item in range(first, last):
        band, column, start, rows, columns = locate(grid, item)
        for row in range(rows):
            base = start + row * grid.columns
            unpack_run(source, base // grid.columns * row_bytes + column * bits // 8, columns, bits, row_codes)
            for i in range(0, columns, grid.width):
                count = min(grid.width, columns - i)
                if len(scale_bits):
                    scale = scale_bits[band * blocks + (column + i) // grid.width]
                    _decode_run(values, row_codes, i, count, scale, narrow, tensor_scale, target, base)
                else:
                    for j in range(i, i + count):
                        store_one(target, base + j, values[row_codes[j]])
    keep(scratch)


@stage
def _decode_run(values, codes, first, count, scale_bits, narrow, tensor_scale, out, base):
    """One block's part of a row. Inside generous bounds no product is subnormal, and binary32 arithmetic is exact."""
    scale, level = widen(scale_bits), np.float32(tensor_scale)
    if narrow and 2.0**-60 <= abs(scale) <= 2.0**60 and 2.0**-30 <= tensor_scale <= 2.0**30:
        for i in range(first, first + count):
            element = real_of(values[codes[i]])
            store_one(out, base + i, bits_of(element * np.float32(scale) * level))
    else:
        for i in range(first, first + count):
            product = fl(widen(values[codes[i]]) * scale)
            store_one(out, base + i, round_bits(product * tensor_scale))
