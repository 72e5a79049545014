"""Packing and unpacking at every width, by a slow packer of numpy's bit arrays (contract §9)."""

from typing import Any

import numpy as np
import pytest
from numba import njit
from packed_arrays import packed_by_hand

from lowbit.kernels.cpu.memory import keep, memory
from lowbit.kernels.cpu.packing import UNPACK_CHUNK, pack_octets, pack_run, unpack_items, unpack_run
from lowbit.ops import storage
from lowbit.ops.dense import new_array
from lowbit.ops.storage_layout import code_dtype

WIDTHS = (*range(1, 17), 19)
COUNTS = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 47, 48, 63, 64, 65, 127, 129, 500)
GUARD = 0xA5
"""What lies around the bytes of a run and must stay there."""


@njit
def pack(codes: Any, count: int, bits: int, out: Any, start: int) -> None:
    scratch = np.empty(count + 64, np.uint8)
    pack_run(memory(codes), count, bits, memory(scratch), memory(out), start)
    keep(scratch)


@njit
def pack_bytes(codes: Any, count: int, bits: int, out: Any, start: int, stream: bool) -> None:
    pack_octets(memory(codes), count, bits, memory(out), start, stream)


@njit
def unpack(packed: Any, start: int, end: int, count: int, bits: int, codes: Any) -> None:
    unpack_run(memory(packed), start, end, count, bits, memory(codes))


@pytest.mark.parametrize("bits", WIDTHS)
def test_a_run_is_packed_without_touching_its_neighbours(bits: int, rng: np.random.Generator) -> None:
    for count in COUNTS:
        codes = rng.integers(0, 1 << bits, count, dtype=np.uint32)
        codes[: count // 3] = (1 << bits) - 1
        beyond = np.full(32, 0xFFFFFFFF, np.uint32)  # garbage after the run, which must not leak into the padding
        expected = packed_by_hand(codes, bits)
        for start in (0, 1, 5, 64):
            out = np.full(start + len(expected) + 20, GUARD, np.uint8)
            pack(np.concatenate([codes, beyond]), count, bits, out, start)
            assert np.array_equal(out[start : start + len(expected)], expected), (count, start)
            assert (out[:start] == GUARD).all() and (out[start + len(expected) :] == GUARD).all(), (count, start)


@pytest.mark.parametrize("bits", range(1, 9))
def test_codes_one_a_byte_are_packed_past_the_caches_or_through_them(bits: int, rng: np.random.Generator) -> None:
    for count in (*COUNTS, 2048, 2100):
        codes = rng.integers(0, 1 << bits, count, dtype=np.uint8)
        expected = packed_by_hand(codes.astype(np.uint32), bits)
        for start, stream in ((0, True), (64, True), (7, True), (0, False), (3, False)):
            out = new_array((1 << 20,), np.dtype(np.uint8))  # starts on a cache line
            out[: start + len(expected) + 70] = GUARD
            held = np.concatenate([codes, np.full(64, 0xFF, np.uint8)])  # garbage that must not leak into the padding
            pack_bytes(held, count, bits, out, start, stream)
            assert np.array_equal(out[start : start + len(expected)], expected), (count, start, stream)
            assert (out[:start] == GUARD).all(), (count, start, stream)
            assert (out[start + len(expected) :][:70] == GUARD).all(), (count, start, stream)


@pytest.mark.parametrize("bits", WIDTHS)
def test_a_run_is_unpacked_from_memory_that_ends_anywhere(bits: int, rng: np.random.Generator) -> None:
    for count in COUNTS:
        codes = rng.integers(0, 1 << bits, count, dtype=np.uint32)
        packed = packed_by_hand(codes, bits)
        for start, behind in ((0, 0), (3, 1), (1, 5), (0, 40)):
            source = np.full(start + len(packed) + behind, GUARD, np.uint8)
            source[start : start + len(packed)] = packed
            found = np.full(count + 32, 77, np.uint32)
            unpack(source, start, len(source), count, bits, found)
            assert np.array_equal(found[:count], codes), (count, start, behind)
            rest = found[count : -(-count // 16) * 16]
            assert (rest < 1 << bits).all(), "lanes past the end hold codes, so that they can be looked up"
            assert (found[-(-count // 16) * 16 :] == 77).all()


@pytest.mark.parametrize("bits", WIDTHS)
def test_rows_and_chunks_are_unpacked_alike(bits: int, rng: np.random.Generator) -> None:
    for rows, columns in ((1, 1), (5, 3), (3, 41), (2, UNPACK_CHUNK), (2, UNPACK_CHUNK + 8), (3, 2 * UNPACK_CHUNK + 5)):
        codes = rng.integers(0, 1 << bits, (rows, columns), dtype=np.uint32)
        packed = packed_by_hand(codes, bits)
        found = storage.unpack(packed, columns, bits)
        assert found.dtype == code_dtype(bits) and np.array_equal(found, codes), (rows, columns)


def test_items_of_unpacking_are_chunks() -> None:
    columns = 2 * UNPACK_CHUNK + 3
    codes = np.arange(2 * columns, dtype=np.uint32).reshape(2, columns) % 32
    found = np.full(2 * columns, 99, np.uint8)
    unpack_items(packed_by_hand(codes, 5).reshape(-1), found, columns, 5, 1, 4)  # a part of row 0, one of row 1
    expected = np.full(2 * columns, 99, np.uint8)
    expected[UNPACK_CHUNK : columns + UNPACK_CHUNK] = codes.reshape(-1)[UNPACK_CHUNK : columns + UNPACK_CHUNK]
    assert np.array_equal(found, expected)
