"""Blockwise formats on numpy arrays: what `engine` and `storage` run where blocks need more than an amax (§12)."""

import numpy as np

from lowbit import backends
from lowbit.block_plans import blockwise_plan
from lowbit.decoding import decoded_bits, decoded_scale_bits
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Rounding
from lowbit.geometry import Geometry
from lowbit.ops.preparation import Job, Path
from lowbit.ops.running import run

NO_BYTES, NO_BITS = np.zeros(0, np.uint8), np.zeros(0, np.uint32)


def exact_blocks(job: Job, target: np.ndarray, packed: np.ndarray, words: np.ndarray) -> Path:
    """The exact path over a dense tensor's items: values into `target`, or packed codes and block words where there is
    room for words (of any unsigned type, row-major over the block grid)."""
    kernel, plan, draws, codes_wanted = backends.load().blockwise_items, job.blocks, job.draws, len(words) > 0
    assert plan is not None
    asked, nearest = (plan.plans, plan.tables), (plan.nearest, plan.nearest_tables)
    common = (plan.block, *asked, *nearest, plan.factors, plan.sizes, job.layout.record, draws.elements, draws.blocks)

    def path(pending: np.ndarray, first: int, last: int) -> None:
        kernel(job.flat, target, packed, words, *common, codes_wanted, pending, first, last)

    return path


def vector_blocks(job: Job, target: np.ndarray, packed: np.ndarray, words: np.ndarray) -> Path | None:
    """The vector path where blocks choose between small grids, arguments as for `exact_blocks`; else None."""
    if job.blocks is None or job.blocks.grids is None:
        return None
    kernel, blocks, codes_wanted = backends.load().chosen_grid_items, job.blocks, len(words) > 0
    common = (job.plan.record, job.layout.record, job.given, blocks.chosen, blocks.grids, codes_wanted)
    return lambda pending, first, last: kernel(job.flat, target, packed, words, *common, pending, first, last)


def dequantize_words(
    packed: np.ndarray, words: np.ndarray, flat: np.ndarray, tensor_scale: float, fmt: BlockFormat, layout: Geometry
) -> None:
    """Decode codes and block words (any unsigned type, or float32 scales) into a dense tensor."""
    assert fmt.scale is not None
    kernel, block = backends.load().dequantize_word_items, blockwise_plan(fmt, Rounding.NEAREST_EVEN, 0.0, None).block
    decoded = np.stack([decoded_bits(candidate.element) for candidate in fmt.candidates])
    scales = NO_BITS if fmt.is_float32_scale else decoded_scale_bits(fmt)
    wide, bits = words.astype(np.uint64).reshape(-1), fmt.element.bits

    def work(first: int, last: int) -> None:
        kernel(packed, wide, flat, decoded, scales, block, bits, tensor_scale, layout.record, first, last)

    run(work, layout)
