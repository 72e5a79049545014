"""The contract's random integers as arrays (Philox4x32-10, contract §5), without any kernel of lowbit.

The oracle has them one by one in plain integers; a proof needs millions. Tests hold both against the known answers.
"""

import numpy as np

from lowbit.reference.philox import KEY_STEPS, MULTIPLIERS, ROUNDS

LOW = np.uint64(0xFFFFFFFF)
HIGH = np.uint64(32)


def contract_words(count: int, *, bits: int, seed: int, stream: int = 0, offset: int = 0) -> np.ndarray:
    """The integers of elements offset ... offset + count - 1 as uint64, each of `bits` (8, 16 or 32) random bits."""
    lanes = 128 // bits
    first, skipped = divmod(offset, lanes)
    counters = np.arange(-(-(skipped + count) // lanes), dtype=np.uint64) + np.uint64(first)
    four = _philox(counters, seed, stream)  # (counters, 4)
    if bits < 32:
        parts = np.arange(0, 32, bits, dtype=np.uint64)
        four = (four[:, :, None] >> parts) & np.uint64((1 << bits) - 1)
    return four.reshape(-1)[skipped : skipped + count]


def _philox(counters: np.ndarray, seed: int, stream: int) -> np.ndarray:
    words = [counters & LOW, counters >> HIGH, np.full_like(counters, stream), np.zeros_like(counters)]
    keys = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(ROUNDS):
        product0, product2 = (np.uint64(factor) * words[i] for factor, i in zip(MULTIPLIERS, (0, 2), strict=True))
        words = [
            (product2 >> HIGH) ^ words[1] ^ np.uint64(keys[0]),
            product2 & LOW,
            (product0 >> HIGH) ^ words[3] ^ np.uint64(keys[1]),
            product0 & LOW,
        ]
        keys = [(key + step) & 0xFFFFFFFF for key, step in zip(keys, KEY_STEPS, strict=True)]
    return np.stack(words, axis=1)
