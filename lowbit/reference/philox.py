"""Philox4x32-10 and the mapping from an element's index to its random bits (contract §5), in plain integers.

Source: Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x32, ten rounds).
"""

from lowbit.errors import ArgumentError

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
"""Round multipliers of words 0 and 2 (table 2 of the paper)."""

KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
"""Added to the key after every round: the fractional bits of the golden ratio and of the square root of 3."""

ROUNDS = 10
WORD = 0xFFFFFFFF

Words = tuple[int, int, int, int]


def philox4x32(counter: Words, key: tuple[int, int]) -> Words:
    """Four random 32-bit words for a 128-bit counter and a 64-bit key, low words first."""
    word0, word1, word2, word3 = counter
    key0, key1 = key
    for _ in range(ROUNDS):
        product0, product2 = MULTIPLIERS[0] * word0, MULTIPLIERS[1] * word2
        word0, word1, word2, word3 = (
            (product2 >> 32) ^ word1 ^ key0,
            product2 & WORD,
            (product0 >> 32) ^ word3 ^ key1,
            product0 & WORD,
        )
        key0, key1 = (key0 + KEY_STEPS[0]) & WORD, (key1 + KEY_STEPS[1]) & WORD
    return word0, word1, word2, word3


def random_bits(index: int, *, bits: int, seed: int, stream: int = 0) -> int:
    """The `bits` random bits (8, 16 or 32) of the element with this row-major index in the whole logical tensor.

    A function of (seed, stream, index) alone: not of chunks, axis, layout or order of evaluation.
    Raises ArgumentError for a seed outside 0..2^64-1, a stream outside 0..2^32-1 or a negative index.
    Source: contract §5, "Random bits".
    """
    check_integer("seed", seed, 1 << 64)
    check_integer("stream", stream, 1 << 32)
    check_integer("offset", index, 1 << 64)
    per_counter = 128 // bits
    group, lane = divmod(index, per_counter)
    words = philox4x32((group & WORD, group >> 32, stream, 0), (seed & WORD, seed >> 32))
    word, position = divmod(lane, 32 // bits)
    return (words[word] >> (bits * position)) & ((1 << bits) - 1)


def check_integer(name: str, value: int, limit: int) -> None:
    """ArgumentError unless `value` is an integer in 0..limit-1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < limit:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(f"{name}={value!r} is not allowed; use an integer from 0 to {limit - 1}")
