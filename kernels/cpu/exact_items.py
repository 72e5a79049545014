"""The exact path over work items: irregular grids, and the segments that the vector path left pending.

Compiled at its first use only. It writes the same memory as the vector kernels and takes the same arguments.
"""

import numpy as np

from lowbit.kernels.cpu.amax import segment_amaxes
from lowbit.kernels.cpu.band import locate, scratch_size
from lowbit.kernels.cpu.exact import exact_code, exact_element, exact_scale
from lowbit.kernels.cpu.jit import kernel
from lowbit.kernels.cpu.memory import advance, keep, load_one, memory, store_one
from lowbit.kernels.cpu.packing import pack_run
from lowbit.kernels.cpu.random import SLACK, draw_run, load_random_one
from lowbit.kernels.cpu.rotated_segments import segment_cells, segment_scratch
from lowbit.kernels.cpu.scratch import octets


@kernel
def exact_qdq_items(x, out, plan, table, grid_record, given, rotation, draw, pending, first, last):
    """Fake-quantize those of the work items first..last that are pending."""
    p, grid = plan[0], grid_record[0]
    source, target, known = memory(x), memory(out), memory(given)
    size = scratch_size(grid)
    scratch, factors = np.empty(3 * size + SLACK, np.uint32), np.empty(2 * size, np.float64)
    amaxes, maxima, words = memory(scratch), advance(memory(scratch), size), advance(memory(scratch), 2 * size)
    scales, encodes = memory(factors), advance(memory(factors), size)
    turned = segment_scratch(rotation, grid)
    for item in range(first, last):
        if not pending[item]:
            continue
        band, _, start, rows, columns = locate(grid, item)
        cells, stride = segment_cells(source, grid, start, rows, columns, True, rotation, turned)
        width = min(grid.width, columns)
        segment_amaxes(cells, start, stride, rows, columns, width, known, len(given), band, maxima, amaxes)
        for block in range((columns + width - 1) // width):
            scales[block], encodes[block], _ = exact_scale(p, amaxes[block])
        for row in range(rows):
            base = start + row * grid.columns
            lane = draw_run(p, draw, base, columns, words)
            for i in range(columns):
                block, random = i // width, load_random_one(words, lane + i, p.draw_bits)
                bits = exact_element(
                    p, table, load_one(cells, start + row * stride + i), encodes[block], scales[block], random
                )
                store_one(target, base + i, bits)
    keep(scratch)
    keep(turned)
    keep(factors)


@kernel
def exact_quantize_items(x, packed, scale_out, plan, table, grid_record, given, rotation, draw, pending, first, last):
    """Quantize those of the work items first..last that are pending."""
    p, grid = plan[0], grid_record[0]
    source, target, known = memory(x), memory(packed), memory(given)
    size = scratch_size(grid)
    scratch = np.empty(4 * size + SLACK, np.uint32)
    amaxes, maxima = memory(scratch), advance(memory(scratch), size)
    row_codes, words = advance(maxima, size), advance(maxima, 2 * size)
    row_bytes = (grid.columns * p.bits + 7) // 8
    blocks = (grid.columns + grid.width - 1) // grid.width
    turned = segment_scratch(rotation, grid)
    for item in range(first, last):
        if not pending[item]:
            continue
        band, start_column, start, rows, columns = locate(grid, item)
        cells, stride = segment_cells(source, grid, start, rows, columns, True, rotation, turned)
        width = min(grid.width, columns)
        segment_amaxes(cells, start, stride, rows, columns, width, known, len(given), band, maxima, amaxes)
        for row in range(rows):
            base = start + row * grid.columns
            lane = draw_run(p, draw, base, columns, words)
            for column in range(0, columns, width):
                block = column // width
                scale, encode, scale_code = exact_scale(p, amaxes[block])
                if len(scale_out):
                    scale_out[band * blocks + start_column // grid.width + block] = scale_code
                for i in range(column, min(column + width, columns)):
                    random = load_random_one(words, lane + i, p.draw_bits)
                    row_codes[i] = exact_code(
                        p, table, load_one(cells, start + row * stride + i), encode, scale, random
                    )
            at = base // grid.columns * row_bytes + start_column * p.bits // 8
            pack_run(row_codes, columns, p.bits, octets(maxima), target, at)
    keep(scratch)
    keep(turned)
