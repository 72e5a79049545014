"""Which elements share a scale: axes, tiles, ragged tails, rows, tensors, empty input, arguments (contract §4, §7)."""

from typing import Any

import numpy as np
import pytest
from format_cases import REGISTERED

from lowbit import reference
from lowbit.errors import ArgumentError, DtypeError, ShapeError
from lowbit.formats import format

RNG = np.random.default_rng(11)
X = (RNG.standard_normal((4, 6, 40)) * np.exp(RNG.standard_normal((4, 6, 1)) * 2)).astype(np.float32)


def qdq(x: np.ndarray, fmt: str, **arguments: Any) -> np.ndarray:
    return np.array(reference.qdq(x.tolist(), fmt, **arguments), np.float32).reshape(x.shape)


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "fp8_e4m3_row", "e2m1/k5/ue5m3"])
@pytest.mark.parametrize("axis", [0, 1, 2, -2])
def test_an_axis_is_as_good_as_another(fmt: str, axis: int) -> None:
    moved = qdq(np.moveaxis(X, axis, -1), fmt)
    assert np.array_equal(qdq(X, fmt, axis=axis), np.moveaxis(moved, -1, axis))


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "e2m1/k7/ue5m3", "int8/k32/f32"])
def test_a_short_last_block_is_as_if_padded_with_zeros(fmt: str) -> None:
    padded = np.concatenate([X, np.zeros((4, 6, 30), np.float32)], axis=2)
    assert np.array_equal(qdq(X, fmt), qdq(padded, fmt)[:, :, :40])


def test_ragged_tiles_are_as_if_padded_with_zeros() -> None:
    padded = np.zeros((4, 16, 48), np.float32)
    padded[:, :6, :40] = X
    assert np.array_equal(qdq(X, "nvfp4_2d"), qdq(padded, "nvfp4_2d")[:, :6, :40])
    quantized = reference.quantize(X.tolist(), "nvfp4_2d")
    assert np.shape(quantized.scales) == (4, 1, 3) and np.shape(quantized.codes) == X.shape


def test_tiles_over_any_two_axes() -> None:
    fmt = "e2m1/k2x5/ue5m3"
    assert np.array_equal(qdq(X, fmt), qdq(X, fmt, axis=(1, 2)))
    swapped = qdq(np.moveaxis(X, (2, 0), (1, 2)), fmt)
    assert np.array_equal(qdq(X, fmt, axis=(2, 0)), np.moveaxis(swapped, (1, 2), (2, 0)))
    assert np.shape(reference.quantize(X.tolist(), fmt, axis=(2, 0)).scales) == (1, 6, 20)


def test_a_tile_has_one_scale() -> None:
    x = np.ones((4, 4), np.float32)
    x[0, 0] = 6 * 2.0**10
    values = qdq(x, "e2m1/k2x2/e8m0")
    assert values[1, 1] == 0.0 and values[0, 2] == 1.0 and values[0, 0] == x[0, 0]


def test_rows_and_tensors() -> None:
    rows = reference.quantize(X.tolist(), "int8_row")
    assert np.shape(rows.scales) == (4, 6, 1)
    assert np.array_equal(np.array(rows.values[2][3], np.float32), qdq(X[2, 3], "int8_tensor"))
    whole = reference.quantize(X.tolist(), "int8_tensor", axis=0)
    assert np.shape(whole.scales) == (1, 1, 1)
    assert np.array_equal(np.array(whole.values, np.float32).ravel(), qdq(X.ravel(), "int8_tensor"))


def test_a_row_is_one_block_however_long() -> None:
    long = np.linspace(-3, 3, 300, dtype=np.float32)
    quantized = reference.quantize([long.tolist()] * 2, "int8_row")
    assert np.shape(quantized.scales) == (2, 1) and quantized.codes[0][-1] == 127 and quantized.codes[0][0] == 129


def test_the_tensor_amax_of_a_piece() -> None:
    amax = float(np.abs(X).max())
    for fmt in ("nvfp4", "fp8_e4m3", "int8_tensor"):
        pieces = [reference.quantize(part.tolist(), fmt, tensor_amax=amax) for part in X]
        whole = reference.quantize(X.tolist(), fmt)
        assert [piece.codes for piece in pieces] == whole.codes, fmt
        assert all(piece.tensor_scale == whole.tensor_scale for piece in pieces)


def test_too_small_an_amax_saturates() -> None:
    assert reference.qdq([100.0, 1.0], "fp8_e4m3", tensor_amax=1.0) == [1.0, 1.0]
    assert reference.qdq([100.0, 1.0], "nvfp4", tensor_amax=1.0) == [1.0, 1.0], "s = 448, t = 1 / 2688"
    assert reference.qdq([3.0, -0.0], "nvfp4", tensor_amax=0.0)[0] == pytest.approx(2688 * 2.0**-128, rel=1e-6)


@pytest.mark.parametrize("name", REGISTERED)
def test_empty_input_and_scalars(name: str) -> None:
    assert reference.qdq([[], []], name) == [[], []]
    block = format(name).block
    if block is None or not block.is_tile:
        assert reference.qdq([], name) == []
    if block is None or block.is_tensor:
        assert reference.qdq(1.0, name) == 1.0
    else:
        with pytest.raises(ShapeError, match="outside a tensor of 0 axes"):
            reference.qdq(1.0, name)


@pytest.mark.parametrize(
    ("x", "fmt", "axis"),
    [
        ([[1.0], [2.0, 3.0]], "mxfp4", -1),
        ([1.0, 2.0], "mxfp4", 1),
        ([1.0, 2.0], "mxfp4", (0, 1)),
        ([1.0, 2.0], "nvfp4_2d", -1),
        ([[1.0, 2.0]], "nvfp4_2d", 0),
        ([[1.0, 2.0]], "nvfp4_2d", (1, -1)),
    ],
)
def test_shapes_and_axes_that_do_not_fit(x: Any, fmt: str, axis: Any) -> None:
    with pytest.raises(ShapeError):
        reference.qdq(x, fmt, axis=axis)


def test_things_that_are_no_numbers() -> None:
    for x in (["1"], np.ones(3), [None]):
        with pytest.raises(DtypeError, match="tolist"):
            reference.qdq(x, "mxfp4")


@pytest.mark.parametrize(
    ("fmt", "arguments"),
    [
        ("nvfp4", {"tensor_scale": 0.0}),
        ("nvfp4", {"tensor_scale": -1.0}),
        ("nvfp4", {"tensor_scale": float("inf")}),
        ("nvfp4", {"tensor_scale": float("nan")}),
        ("nvfp4", {"tensor_scale": 1e-60}),  # zero in binary32
        ("nvfp4", {"tensor_amax": -1.0}),
        ("nvfp4", {"tensor_amax": float("nan")}),
        ("nvfp4", {"tensor_amax": 1e60}),  # infinite in binary32
        ("nvfp4", {"tensor_amax": 1.0, "tensor_scale": 1.0}),
        ("mxfp4", {"tensor_scale": 1.0}),
        ("mxfp4", {"tensor_amax": 1.0}),
        ("bf16", {"tensor_amax": 1.0}),
        ("fp8_e4m3", {"tensor_scale": 1.0}),
        ("mxfp4", {"rounding": "nearest"}),
    ],
)
def test_arguments_that_are_refused(fmt: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        reference.quantize([1.0, 2.0], fmt, **arguments)


def test_dequantize_needs_the_tensor_scale() -> None:
    with pytest.raises(ArgumentError, match="two levels"):
        reference.dequantize([1], [1], "nvfp4")
    with pytest.raises(ArgumentError, match="no tensor scale"):
        reference.dequantize([1], [1], "mxfp4", tensor_scale=1.0)
