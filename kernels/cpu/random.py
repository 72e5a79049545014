"""The random bits of elements: Philox4x32-10, by seed, stream and index in the whole logical tensor (contract §5).

Sixteen counters at a time in 64-bit lanes. A run of elements gets its bits in scratch memory, one unsigned integer of
8, 16 or 32 bits an element, before it is rounded. Where elements lie next to each other in the logical tensor too, a
counter serves 128 / b of them; else each element takes its own counter.

The `draw` of a tensor is an array of DRAW: one entry an axis of the memory that the kernel sees, the fastest first,
with its length and its stride in the logical tensor; seed, stream and offset are the same in all.
Source: Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import numpy as np

from lowbit.kernels.cpu.jit import kernel, small_stage, stage
from lowbit.kernels.cpu.memory import keep, memory
from lowbit.kernels.cpu.philox import (
    FIRST_MULTIPLIER,
    FIRST_STEP,
    ROUNDS,
    SECOND_MULTIPLIER,
    SECOND_STEP,
    WORD,
    philox,
    philox_16,
    philox_32,
)
from lowbit.kernels.cpu.scratch import load_integers, octets, shorts, store_interleaved, store_longs
from lowbit.kernels.cpu.vector import LANES, lane_numbers, splat_bits, splat_long, where_zero

HALF = np.uint64(32)

SLACK = 10 * LANES
"""Words of scratch memory beyond one an element: runs are filled with whole vectors of counters."""

CHUNK = 1024
"""Elements whose bits are made at a time: they stay in the first-level cache."""


@stage
def random_word(index, bits, seed, stream):
    """The random bits of a single index, by scalar arithmetic."""
    per_counter = np.uint64(128 // bits)
    counter, lane = np.uint64(index) // per_counter, np.uint64(index) % per_counter
    word = np.uint64(WORD)
    a, b, c, d = counter & word, counter >> HALF, np.uint64(stream), np.uint64(0)
    low, high = seed & word, seed >> HALF
    for _ in range(ROUNDS):
        left, right = a * np.uint64(FIRST_MULTIPLIER), c * np.uint64(SECOND_MULTIPLIER)
        a, b = (right >> HALF) ^ b ^ low, right & word
        c, d = (left >> HALF) ^ d ^ high, left & word
        low, high = (low + np.uint64(FIRST_STEP)) & word, (high + np.uint64(SECOND_STEP)) & word
    shift = np.uint64(bits) * lane
    pair = a | (b << HALF) if shift < np.uint64(64) else c | (d << HALF)
    return np.uint32((pair >> (shift & np.uint64(63))) & ((np.uint64(1) << np.uint64(bits)) - np.uint64(1)))


@stage
def draw_one(draw, bits, position):
    """The random bits of the element at a flat position; zero where none are drawn."""
    if bits == 0:
        return np.uint32(0)
    return random_word(_logical_index(draw, position), np.int64(bits), draw[0].seed, draw[0].stream)


@stage
def fill_random(draw, bits, start, count, words):
    """Put the bits of `count` elements from flat position `start` on into scratch memory.

    Returns where the first element's bits lie, counted in elements: up to 15, since counters are used whole.
    """
    axis = draw[0]
    place = start % axis.length
    if axis.stride == np.uint64(1) and place + count <= axis.length:
        index, per_counter = _logical_index(draw, start), np.uint64(128 // bits)
        counter, last = index // per_counter, (index + np.uint64(count)) // per_counter
        if counter >> HALF == last >> HALF:
            lane = np.int64(index & (per_counter - np.uint64(1)))
            _fill_run(draw, counter, (lane + count) * bits, words)
            return lane
    filled = 0
    while filled < count:
        place = (start + filled) % axis.length
        run = min(axis.length - place, count - filled)
        _fill_strided(draw, bits, _logical_index(draw, start + filled), axis.stride, filled, run, words)
        filled += run
    return 0


@stage
def _logical_index(draw, position):
    """Row-major index in the whole logical tensor of a flat position in memory."""
    index = draw[0].offset
    for axis in range(len(draw)):
        index += np.uint64(position % draw[axis].length) * draw[axis].stride
        position //= draw[axis].length
    return index


@stage
def _fill_run(draw, counter, count, words):
    """At least `count` bits from consecutive counters with the same high word."""
    seed, stream = draw[0].seed, np.uint64(draw[0].stream)
    end = (count + 127) // 128
    for i in range(0, end, 2 * LANES):
        if i + LANES < end:
            pair, other, next_pair, next_other = philox_32(counter + np.uint64(i), stream, seed)
            store_interleaved(words, 4 * (i + LANES), next_pair, next_other)
        else:
            pair, other = philox_16(counter + np.uint64(i), stream, seed)
        store_interleaved(words, 4 * i, pair, other)


@stage
def _fill_strided(draw, bits, index, stride, first, count, words):
    """Bits of indices that are `stride` apart, for elements first..first + count (and up to 15 more)."""
    seed, stream = draw[0].seed, np.uint64(draw[0].stream)
    steps = lane_numbers() * splat_long(stride)
    for i in range(first, first + count, LANES):
        indices = splat_long(index) + steps
        lanes = indices & splat_long(np.uint64(128 // bits - 1))
        pair, other = philox(indices >> splat_long(np.uint64(_log2(128 // bits))), stream, seed)
        shift = lanes * splat_long(np.uint64(bits))
        chosen = where_zero(shift & splat_long(np.uint64(64)), pair, other)
        _store_random(words, i, chosen >> (shift & splat_long(np.uint64(63))), bits)
        index += stride * np.uint64(LANES)


@small_stage
def _log2(power):
    return 2 if power == 4 else 3 if power == 8 else 4


@stage
def _store_random(words, index, value, bits):
    """Write the low `bits` of sixteen lanes."""
    if bits == 8:
        store_longs(octets(words), index, value)
    elif bits == 16:
        store_longs(shorts(words), index, value)
    else:
        store_longs(words, index, value)


@stage
def draw_run(p, draw, start, count, words):
    """`fill_random` for the plan's mode; 0 where it draws nothing."""
    if draw is None:
        return 0
    if p.draw_bits == 0:
        return 0
    return fill_random(draw, np.int64(p.draw_bits), start, count, words)


@stage
def drawn(how, words, index):
    """Sixteen elements' random bits in scratch memory, for the constants of a mode (None to nearest even)."""
    if how is None:
        return None
    bits, _, _, _, _, _, _, _, _, _ = how
    return load_random(words, index, bits)


@stage
def load_random(words, index, bits):
    """Sixteen elements' random bits as `fill_random` left them; zeros where none are drawn."""
    if bits == 8:
        return load_integers(octets(words), index)
    if bits == 16:
        return load_integers(shorts(words), index)
    if bits == 32:
        return load_integers(words, index)
    return splat_bits(np.uint32(0))


@stage
def load_random_one(words, index, bits):
    """One element's random bits; zero where none are drawn."""
    if bits == 8:
        return np.uint32(octets(words)[index])
    if bits == 16:
        return np.uint32(shorts(words)[index])
    return words[index] if bits == 32 else np.uint32(0)


@kernel
def random_items(out, draw, bits, first, last):
    """The bits of elements first..last as bytes of `out`, which holds them all (numpy's order of bytes)."""
    scratch = np.empty(CHUNK + SLACK, np.uint32)
    words, target = memory(scratch), memory(out)
    source, size = octets(words), bits // 8
    for start in range(first, last, CHUNK):
        count = min(CHUNK, last - start)
        lane = fill_random(draw, bits, start, count, words)
        for i in range(count * size):
            target[start * size + i] = source[lane * size + i]
    keep(scratch)
