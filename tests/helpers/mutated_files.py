"""Damaged variants of real files and texts: what a disk, a careless tool or an attacker could make of them."""

import json
import random
import struct
from collections.abc import Sequence
from typing import Any

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
WORDS = (
    *("-1", "0", "1e999", "NaN", "Infinity", "null", "true", "{}", "[]", '""', "9" * 400, "1" * 5000, "0x1p99999"),
    *("[" * 3000, '{"a":' * 3000, "\x00", "\ud800", "e2m1", "/", ":", "=", "k", "k0", "k99999999999999999999", "ts"),
    *(
        "../../etc/passwd",
        "int",
        "1_000",
        "'<f4'",
        "'O'",
        "(-1,)",
        "(1<<60,)",
        "4611686018427387904",
        "nan",
        "hadamard",
    ),
)
"""Numbers and words that readers stumble over, as text."""


def mutated(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """One to four changes of `data`; some splice in a piece of another file."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice((_flip, _overwrite, _cut, _drop, _repeat, _number, _word, _splice))(changed, rng, others)
    return bytes(changed)


def mutated_header(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """A safetensors file whose JSON header was changed as text and given its right length again.

    Random changes of the file alone hardly get past the length field.
    """
    (length,) = struct.unpack("<Q", data[:8])
    header = mutated(data[8 : 8 + length], rng, others)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def mutated_json(text: str, rng: random.Random) -> str:
    """JSON with one value somewhere replaced by a hostile one; still JSON but where that value is not."""
    root = json.loads(text)
    holder, key = rng.choice(list(_places({"": root})))
    mark = "\x01here\x01"
    whole = holder[key] is root
    if not whole:
        holder[key] = mark
    hostile = rng.choice((*WORDS, json.dumps(rng.choice(WORDS))))
    return hostile if whole else json.dumps(root).replace(json.dumps(mark), hostile)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value in nested dictionaries and lists."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        found.append((value, key))
        found += _places(child)
    return found


def _at(data: bytearray, rng: random.Random) -> int:
    """A position, half of the time near the start, where headers are."""
    return rng.randrange(min(len(data), 96) if rng.random() < 0.5 else len(data)) if data else 0


def _flip(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    if data:
        data[_at(data, rng)] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    if data:
        data[_at(data, rng)] = rng.randrange(256)


def _cut(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    del data[_at(data, rng) :]


def _drop(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    at = _at(data, rng)
    del data[at : at + rng.choice((1, 2, 8, 64))]


def _repeat(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    at = _at(data, rng)
    data[at:at] = data[at : at + rng.choice((1, 4, 32, 256))] * rng.choice((1, 2, 50))


def _number(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """An extreme number in place of a field of 2, 4 or 8 bytes."""
    size, at = rng.choice((2, 4, 8)), _at(data, rng)
    data[at : at + size] = (rng.choice(EXTREMES) & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def _word(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    at = _at(data, rng)
    data[at : at + rng.choice((0, 1, 3))] = rng.choice(WORDS).encode("utf-8", "surrogatepass")


def _splice(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    other = rng.choice(others) if others else b""
    begin, at = rng.randrange(len(other) + 1), _at(data, rng)
    data[at : at + 32] = other[begin : begin + rng.choice((8, 64, 512))]
