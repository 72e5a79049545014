"""`Hadamard` as data: which sizes exist, that its matrices are Hadamard's, text and JSON both ways."""

from typing import Any

import numpy as np
import pytest

import lowbit as lb
from lowbit.errors import ArgumentError, LowbitError
from lowbit.formats import TE_SIGNS, Hadamard
from lowbit.formats.hadamard import base_matrix

SIZES = sorted(base << k for base in (2, 12, 20) for k in range(12) if base << k <= 4096)


def test_supported_sizes() -> None:
    assert len(SIZES) == 12 + 9 + 8

    def exists(n: int) -> bool:
        try:
            return Hadamard(n).n == n
        except ArgumentError:
            return False

    assert [n for n in range(-3, 5000) if exists(n)] == SIZES


@pytest.mark.parametrize("n", SIZES)
def test_rows_are_orthogonal(n: int) -> None:
    """H · Hᵀ = n · I in integers: the products below are sums of n numbers +1 or -1, exact in float32."""
    matrix = np.array(Hadamard(n).matrix(), np.float32)
    assert set(np.unique(matrix)) == {-1.0, 1.0} and matrix.shape == (n, n)
    rows = slice(None) if n <= 1024 else slice(0, n, 37)
    assert np.array_equal(matrix[rows] @ matrix.T, n * np.eye(n, dtype=np.float32)[rows])


def test_the_matrix_is_base_times_sylvester() -> None:
    sylvester = np.array(Hadamard(16).matrix())
    assert sylvester.tolist() == [[(-1) ** (i & j).bit_count() for j in range(16)] for i in range(16)]
    for base in (12, 20):
        expected = np.kron(np.array(base_matrix(base)), np.array(Hadamard(8).matrix()))
        assert np.array_equal(np.array(Hadamard(base * 8).matrix()), expected)
        assert Hadamard(base * 8).base == base and Hadamard(base * 8).power == 8


def test_paley_matrices_as_documented() -> None:
    """Written out by hand: the quadratic residues modulo 11 are 1, 3, 4, 5, 9."""
    rows = ["+" * 12] + [
        "+" + "".join("+" if (i - j) % 11 in (1, 3, 4, 5, 9) else "-" for j in range(11)) for i in range(11)
    ]
    assert ["".join("+" if entry > 0 else "-" for entry in row) for row in base_matrix(12)] == rows


@pytest.mark.parametrize(
    ("transform", "text", "json"),
    [
        (Hadamard(16), "hadamard16", '{"hadamard": 16, "signs": null}'),
        (Hadamard(12, signs=7), "hadamard12:seed=7", '{"hadamard": 12, "signs": 7}'),
        (Hadamard(2, signs=2**64 - 1), f"hadamard2:seed={2**64 - 1}", f'{{"hadamard": 2, "signs": {2**64 - 1}}}'),
        (Hadamard(4, signs=(1, 1, -1, 1)), "hadamard4:++-+", '{"hadamard": 4, "signs": [1, 1, -1, 1]}'),
    ],
)
def test_text_and_json(transform: Hadamard, text: str, json: str) -> None:
    assert str(transform) == text and Hadamard.from_text(text) == transform
    assert transform.to_json() == json and Hadamard.from_json(json) == transform
    assert hash(Hadamard.from_text(text)) == hash(transform) and eval(repr(transform)) == transform


def test_transformer_engine_signs() -> None:
    assert str(Hadamard(16, signs=TE_SIGNS)) == "hadamard16:+++-+------+-+--"
    assert lb.Hadamard is Hadamard and Hadamard(16, signs=list(TE_SIGNS)) == Hadamard(16, signs=TE_SIGNS)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [0, 1, 3, 6, 10, 36, 60, 4095, 8192, -16, 16.0, True, "16", None])
def test_sizes_that_do_not_exist(n: Any) -> None:
    with pytest.raises(ArgumentError, match="12\\*2\\^k"):
        Hadamard(n)


@pytest.mark.parametrize(
    "signs", [-1, 2**64, True, 1.5, "+-+-", (1, -1, 1), (1, -1, 0, 1), (1.0, -1.0, 1.0, 1.0), (True, 1, 1, 1)]
)
def test_signs_that_do_not_exist(signs: Any) -> None:
    with pytest.raises(ArgumentError, match="signs="):
        Hadamard(4, signs=signs)


@pytest.mark.parametrize(
    "text", ["", "hadamard", "hadamard16:", "hadamard16:seed=", "hadamard16:7", "hadamard3", "rht16"]
)
def test_texts_that_cannot_be_read(text: str) -> None:
    with pytest.raises(LowbitError):
        Hadamard.from_text(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hadamard": 16}', '{"hadamard": "16", "signs": null}', "16"])
def test_json_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ArgumentError):
        Hadamard.from_json(text)


def test_padded_lengths() -> None:
    assert [Hadamard(12).padded(length) for length in (0, 1, 12, 13, 25)] == [0, 12, 12, 24, 36]
