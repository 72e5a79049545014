"""Blockwise formats on numpy arrays: what `engine` and `storage` run where blocks need more than an amax (§12)."""

import numpy as np

from lowbit import backends
from lowbit.block_plans import BlockwisePlan, blockwise_plan
from lowbit.decoding import decoded_bits, decoded_scale_bits
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Rounding
from lowbit.geometry import Geometry
from lowbit.ops.draws import Draws
from lowbit.ops.running import run

NO_BYTES, NO_WORDS, NO_BITS = np.zeros(0, np.uint8), np.zeros(0, np.uint64), np.zeros(0, np.uint32)


def qdq_blocks(flat: np.ndarray, target: np.ndarray, plan: BlockwisePlan, layout: Geometry, draws: Draws) -> None:
    """Fake-quantize a dense tensor."""
    _run(flat, target, NO_BYTES, NO_WORDS, plan, layout, draws)


def quantize_blocks(
    flat: np.ndarray,
    packed: np.ndarray,
    words: np.ndarray,
    plan: BlockwisePlan,
    layout: Geometry,
    draws: Draws,
) -> None:
    """Fill packed codes and block words (uint64, row-major over the block grid)."""
    _run(flat, flat[:0].copy(), packed, words, plan, layout, draws)


def _run(
    flat: np.ndarray,
    target: np.ndarray,
    packed: np.ndarray,
    words: np.ndarray,
    plan: BlockwisePlan,
    layout: Geometry,
    draws: Draws,
) -> None:
    kernel, grid, codes_wanted = backends.load().blockwise_items, layout.record, len(words) > 0

    def work(first: int, last: int) -> None:
        kernel(
            flat, target, packed, words, plan.block, plan.plans, plan.tables, plan.nearest, plan.nearest_tables,
            plan.factors, plan.sizes, grid, draws.elements, draws.blocks, codes_wanted, first, last,
        )  # fmt: skip

    run(work, layout)


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
