"""Any axis, any strides, any number of dimensions, any dtype: the bits depend on values alone, not on how they lie."""

import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from format_cases import REGISTERED
from oracle_arrays import DTYPES, assert_same, bit_patterns, narrow, oracle, widen

import lowbit as lb
from lowbit.errors import ArgumentError, ShapeError

RUNS = ("mxfp4", "nvfp4", "int4/k5/f32", "fp8_e4m3_row", "nf4")
TILES = ("nvfp4_2d", "e2m1/k3x5/e8m0")
WHOLE = ("fp8_e4m3", "bf16", "e4m3")
SHAPES = ((), (1,), (45,), (5, 37), (37, 5), (3, 4, 18), (2, 3, 4, 17), (1, 1, 33, 1), (3, 1, 20))


def sample(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Normal numbers of mixed size, some zeros of both signs."""
    x = (rng.standard_normal(shape) * 2.0 ** rng.integers(-6, 6, shape)).astype(np.float32)
    return np.where(rng.random(shape) < 0.1, np.copysign(np.float32(0), x), x)


def both(x: np.ndarray, fmt: str, expected: np.ndarray, **arguments: Any) -> None:
    """qdq and quantize-dequantize of x give `expected` (float32)."""
    assert_same(lb.qdq(x, fmt, **arguments), narrow(expected, x.dtype), x, f"qdq {fmt} {arguments}")
    assert_same(
        lb.quantize(x, fmt, **arguments).dequantize(), narrow(expected, x.dtype), x, f"dequantize {fmt} {arguments}"
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_axis_of_every_shape(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = sample(shape, rng)
    for fmt in RUNS:
        for axis in range(-max(x.ndim, 1), max(x.ndim, 1)):
            expected = oracle(x, fmt, axis=axis).values if x.ndim else oracle(x.reshape(1), fmt).values.reshape(())
            both(x, fmt, expected, axis=axis)
    for fmt in WHOLE:
        both(x, fmt, oracle(x.reshape(-1), fmt).values.reshape(shape))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if len(shape) >= 2], ids=str)
def test_every_pair_of_axes(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = sample(shape, rng)
    for fmt in TILES:
        both(x, fmt, oracle(x, fmt).values)
        for axes in itertools.permutations(range(len(shape)), 2):
            both(x, fmt, oracle(x, fmt, axis=axes).values, axis=axes)
        negative = (-1, -2)
        both(x, fmt, oracle(x, fmt, axis=negative).values, axis=negative)


def views(x: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays with x's values and other memory."""
    spread = np.full((*(2 * n + 1 for n in x.shape[:-1]), 3 * x.shape[-1] + 2), np.nan, x.dtype)
    sliced = spread[(*(slice(1, 2 * n + 1, 2) for n in x.shape[:-1]), slice(2, None, 3))]
    sliced[...] = x
    misaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    misaligned[...] = x
    odd = np.zeros(x.size + 1, x.dtype)[1:].reshape(x.shape)
    odd[...] = x
    swapped = np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1)
    read_only = x.copy()
    read_only.flags.writeable = False
    return {
        "contiguous": x.copy(),
        "fortran": np.asfortranarray(x),
        "sliced": sliced,
        "reversed": np.ascontiguousarray(x[::-1, ..., ::-1])[::-1, ..., ::-1],
        "swapped": swapped,
        "offset by one element": odd,
        "offset by one byte": misaligned,
        "read only": read_only,
    }


@pytest.mark.parametrize("fmt", [*RUNS, *TILES, *WHOLE])
@pytest.mark.parametrize("dtype", list(DTYPES))
def test_strides(fmt: str, dtype: str, rng: np.random.Generator) -> None:
    x = narrow(sample((3, 7, 41), rng), DTYPES[dtype])
    axes: list[Any] = [-1, 0, 1] if fmt in RUNS else [-1, (0, 1), (2, 0)] if fmt in TILES else [-1]
    for axis in axes:
        expected = lb.qdq(x, fmt, axis=axis)
        q = lb.quantize(x, fmt, axis=axis)
        for name, view in views(x).items():
            before = view.copy()
            assert_same(lb.qdq(view, fmt, axis=axis), expected, x, f"{name} {axis}")
            other = lb.quantize(view, fmt, axis=axis)
            assert np.array_equal(other.codes, q.codes) and np.array_equal(other.packed, q.packed), name
            assert_same(other.dequantize(), expected, x, f"dequantize {name} {axis}")
            assert np.array_equal(bit_patterns(view), bit_patterns(before)), "the input is left alone"


@pytest.mark.parametrize("fmt", [*RUNS, *TILES, *WHOLE])
def test_broadcast_views(fmt: str, rng: np.random.Generator) -> None:
    """Zero strides: one row repeated, one column repeated, one number everywhere."""
    for part in (sample((1, 40), rng), sample((6, 1), rng), np.array([[2.7]], np.float32)):
        view = np.broadcast_to(part, (6, 40))
        assert_same(lb.qdq(view, fmt), lb.qdq(np.array(view), fmt), view, fmt)


@pytest.mark.parametrize("shape", [(4, 6, 40), (40, 6), (6, 40, 1)], ids=str)
def test_the_result_keeps_the_memory_order(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = sample(shape, rng)
    for order in itertools.permutations(range(len(shape))):
        view = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        result = lb.qdq(view, "mxfp4", axis=0)
        assert result.transpose(order).flags.c_contiguous
    assert lb.qdq(x[:, ::2], "mxfp4").flags.c_contiguous
    assert not np.may_share_memory(lb.qdq(x, "mxfp4"), x)


@pytest.mark.parametrize("dtype", list(DTYPES))
def test_two_dtypes_of_the_same_numbers_agree(dtype: str, rng: np.random.Generator) -> None:
    """A narrow tensor and its widened copy have the same codes and scales; values differ by one rounding."""
    x = narrow(sample((6, 70), rng), DTYPES[dtype])
    for fmt in REGISTERED:
        q, wide = lb.quantize(x, fmt), lb.quantize(widen(x), fmt)
        assert np.array_equal(q.codes, wide.codes) and q.tensor_scale == wide.tensor_scale
        assert np.array_equal(np.asarray(q.scales), np.asarray(wide.scales))
        assert lb.qdq(x, fmt).dtype == x.dtype == q.dequantize().dtype
        assert_same(lb.qdq(x, fmt), narrow(lb.qdq(widen(x), fmt), x.dtype), x, fmt)
        assert_same(q.dequantize(np.float32), lb.qdq(widen(x), fmt), x, fmt)


def test_torch_and_numpy_agree(rng: np.random.Generator) -> None:
    x = sample((6, 70), rng)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        tensor = torch.from_numpy(x.copy()).to(dtype)
        array = narrow(
            x,
            {torch.float32: np.dtype(np.float32), torch.bfloat16: np.dtype(ml_dtypes.bfloat16)}.get(
                dtype, np.dtype(np.float16)
            ),
        )
        for fmt in ("mxfp4", "nvfp4", "mxint8", "fp8_e4m3_row", "bf16"):
            expected = widen(lb.qdq(array, fmt))
            for axis in (-1, 0):
                assert torch.equal(lb.qdq(tensor.t(), fmt, axis=-1 - axis).t(), lb.qdq(tensor, fmt, axis=axis))
            got = lb.qdq(tensor, fmt)
            assert got.dtype is dtype
            assert np.array_equal(bit_patterns(got.float().numpy()), bit_patterns(expected))
            q = lb.quantize(tensor, fmt)
            assert isinstance(q.packed, torch.Tensor) and q.dequantize().dtype is dtype
            assert torch.equal(q.dequantize(), got)
            assert np.array_equal(q.codes.numpy(), lb.quantize(array, fmt).codes)


@pytest.mark.parametrize("fmt", REGISTERED)
def test_empty_tensors(fmt: str) -> None:
    for shape in ((0,), (0, 32), (4, 0), (2, 0, 5)):
        if len(shape) < 2 and (block := lb.format(fmt).block) is not None and block.is_tile:
            continue
        x = np.zeros(shape, np.float32)
        assert lb.qdq(x, fmt).shape == shape
        q = lb.quantize(x, fmt)
        assert q.codes.shape == shape and q.dequantize().shape == shape
        assert q.packed.size == 0 and np.isnan(q.bits_per_element) and repr(q)
        assert q.scales is None or (q.scales.size == 0 and q.scales.ndim == len(shape))  # no blocks, no scales
        assert lb.qdq(x, fmt, out=x) is x


@pytest.mark.parametrize(
    ("fmt", "shape", "axis", "error"),
    [
        ("mxfp4", (4, 32), 2, ShapeError),
        ("mxfp4", (4, 32), -3, ShapeError),
        ("mxfp4", (), 1, ShapeError),
        ("mxfp4", (4, 32), (0, 1), ArgumentError),
        ("mxfp4", (4, 32), 1.0, ArgumentError),
        ("mxfp4", (4, 32), None, ArgumentError),
        ("nvfp4_2d", (4, 32), 0, ArgumentError),
        ("nvfp4_2d", (4, 32), (0, 0), ShapeError),
        ("nvfp4_2d", (4, 32), (0, -2), ShapeError),
        ("nvfp4_2d", (4, 32), (0, 1, 2), ArgumentError),
        ("nvfp4_2d", (32,), -1, ShapeError),
        ("fp8_e4m3", (4, 32), 5, ShapeError),
        ("bf16", (4, 32), 5, ShapeError),
    ],
)
def test_axes_that_do_not_fit(fmt: str, shape: tuple[int, ...], axis: Any, error: type[Exception]) -> None:
    x = np.ones(shape, np.float32)
    for call in (lb.qdq, lb.quantize):
        with pytest.raises(error, match="ax"):
            call(x, fmt, axis=axis)


def test_offsets_are_computed_in_64_bits() -> None:
    """Every field of a geometry is int64: positions do not wrap beyond 2^31 elements."""
    from lowbit.geometry import GRID, geometry

    assert {GRID[name] for name in GRID.names or ()} == {np.dtype(np.int64)}
    layout = geometry((3, 1 << 31), (1,), lb.format("mxfp4"))
    assert layout is not None and layout.items * layout.item_elements >= 3 << 31
