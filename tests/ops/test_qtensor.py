"""Stored tensors: fields, the packed layout by an independent computation, sizes, and the way back."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from format_cases import ALL_FORMATS, CASTS, REGISTERED
from oracle_arrays import DTYPES, assert_same, bit_patterns, can_hold_nan, narrow
from packed_arrays import packed_by_hand

import lowbit as lb
from lowbit.errors import ArgumentError, DtypeError, ShapeError
from lowbit.formats import format as find_format

EVERY = (*ALL_FORMATS, *CASTS)


def sample(fmt: str, shape: tuple[int, ...], rng: np.random.Generator, dtype: str = "float32") -> np.ndarray:
    """Numbers over many binades, zeros of both signs, subnormals; NaN and infinities where the format holds them."""
    x = rng.standard_normal(shape) * 2.0 ** rng.integers(-18, 12, shape)
    flat = x.reshape(-1)
    flat[rng.integers(0, flat.size, flat.size // 9)] = -0.0
    flat[:2] = np.array([2.0**-149, -(2.0**-130)])[: flat.size]
    if can_hold_nan(fmt) and flat.size > 600:
        flat[rng.integers(0, flat.size, 3)] = (np.nan, np.inf, -np.inf)
    return narrow(x.astype(np.float32), DTYPES[dtype])


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("fmt", EVERY)
def test_dequantize_of_quantize_is_qdq(fmt: str, dtype: str, rng: np.random.Generator) -> None:
    for shape in ((9, 91), (40, 36)):
        x = sample(fmt, shape, rng, dtype)
        assert_same(lb.quantize(x, fmt).dequantize(), lb.qdq(x, fmt), x, fmt)
        assert_same(lb.dequantize(lb.quantize(x, fmt)), lb.qdq(x, fmt), x, fmt)


@pytest.mark.parametrize("fmt", EVERY)
def test_the_packed_layout(fmt: str, rng: np.random.Generator) -> None:
    found = find_format(fmt)
    bits = found.element.bits
    for shape in ((7, 43), (3, 2, 50), (33,), (1, 1)):
        if found.block is not None and found.block.is_tile and len(shape) < 2:
            continue
        x = sample(fmt, shape, rng)
        q = lb.quantize(x, fmt)
        assert q.codes.dtype == (np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32)
        assert q.codes.shape == x.shape == q.shape and int(q.codes.max()) < 1 << bits
        assert q.packed.dtype == np.uint8 and q.packed.shape == (*shape[:-1], -(-shape[-1] * bits // 8))
        assert np.array_equal(q.packed, packed_by_hand(q.codes, bits)), shape


@pytest.mark.parametrize("fmt", [fmt for fmt in EVERY if find_format(fmt).has_nan and not find_format(fmt).needs_seed])
def test_plain_calls_give_what_other_calls_give(fmt: str, rng: np.random.Generator) -> None:
    for shape in ((6, 91), (3, 8, 64)):  # nonfinite= makes a call that is not plain
        x = sample(fmt, shape, rng)
        plain, other = lb.quantize(x, fmt), lb.quantize(x, fmt, nonfinite="propagate")
        assert plain.tensor_scale == other.tensor_scale and plain.packed.tobytes() == other.packed.tobytes()
        if other.scales is None:
            assert plain.scales is None
        else:
            assert plain.scales.dtype == other.scales.dtype and plain.scales.tobytes() == other.scales.tobytes()


@pytest.mark.parametrize("fmt", ["mxfp4", "mxfp6_e2m3", "mxint8", "int3/k32/f32", "int4_g32", "nvfp4"])
def test_the_quantization_axis_is_packed_last(fmt: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((6, 45, 10)).astype(np.float32)
    for axis in range(3):
        q = lb.quantize(x, fmt, axis=axis)
        moved = np.moveaxis(q.codes, axis, -1)
        assert np.array_equal(q.packed, packed_by_hand(moved, q.format.element.bits))
        assert np.array_equal(q.packed, lb.quantize(np.moveaxis(x, axis, -1), fmt).packed)
        assert q.axis == axis and lb.quantize(x, fmt, axis=axis - 3).axes == q.axes == (axis,)


def test_the_low_nibble_comes_first() -> None:
    """Two e2m1 codes a byte, the even index in the low half: the layout of torch.float4_e2m1fn_x2 (contract §9)."""
    q = lb.quantize(np.array([0.5, -6.0, 1.5], np.float32), "e2m1")
    assert q.codes.tolist() == [1, 15, 3] and q.packed.tolist() == [0xF1, 0x03]
    six = lb.quantize(np.array([-7.5, 0.125, 1.0, 7.5], np.float32), "e2m3")
    assert six.codes.tolist() == [0x3F, 0x01, 0x08, 0x1F]
    assert six.packed.tolist() == [0x7F, 0x80, 0x7C]
    assert lb.quantize(np.array([-1.0], np.float32), "int6").codes.tolist() == [0x3F]


@pytest.mark.parametrize("fmt", ALL_FORMATS)
def test_scales_have_the_shape_of_the_block_grid(fmt: str, rng: np.random.Generator) -> None:
    found = find_format(fmt)
    shape = (5, 33, 70)
    x = rng.standard_normal(shape).astype(np.float32)
    if found.scale is None or found.block is None:
        assert lb.quantize(x, fmt).scales is None
        return
    sizes = found.block.sizes
    places: list[Any] = [-1, 1, 0] if len(sizes) == 1 else [-1, (0, 2), (2, 0)] if len(sizes) == 2 else [-1]
    for axis in places:
        q = lb.quantize(x, fmt, axis=axis)
        expected: list[int] = [1, 1, 1] if found.block.is_tensor else list(shape)
        axes = () if found.block.is_tensor else (-2, -1) if len(sizes) == 2 and axis == -1 else axis
        for place, size in zip((axes,) if isinstance(axes, int) else axes, sizes, strict=True):
            expected[place] = 1 if size is None else -(-shape[place] // size)
        assert q.scales.shape == tuple(expected), axis
        words = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}[found.word_bits]
        plain = found.is_float32_scale and not found.side_bits
        assert q.scales.dtype == (np.float32 if plain else words)
        assert (q.tensor_scale is None) == (found.tensor_target is None)


@pytest.mark.parametrize("fmt", REGISTERED)
def test_sizes_count_everything_that_is_stored(fmt: str, rng: np.random.Generator) -> None:
    found = find_format(fmt)
    x = rng.standard_normal((256, 512)).astype(np.float32)
    q = lb.quantize(x, fmt)
    scales = 0 if q.scales is None else q.scales.nbytes
    assert q.nbytes == q.packed.nbytes + scales + (4 if found.tensor_target is not None else 0)
    assert q.packed.nbytes == x.size * found.element.bits / 8
    assert q.bits_per_element == pytest.approx(q.nbytes * 8 / x.size)
    extra = {"row": found.word_bits / 512, "tensor": found.word_bits / x.size}.get(str(found.block), 0.0)
    tensor = 32 / x.size if found.tensor_target is not None else 0.0
    assert q.bits_per_element == pytest.approx(found.bits_per_element + extra + tensor)
    assert fmt in repr(q) and "(256, 512)" in repr(q) and f"{q.bits_per_element:.4g}" in repr(q)


def test_published_sizes() -> None:
    x = np.ones((128, 1024), np.float32)
    sizes = {fmt: lb.quantize(x, fmt).bits_per_element for fmt in ("mxfp4", "nvfp4", "mxint8", "mxfp6_e3m2")}
    assert sizes["mxfp4"] == 4.25 and sizes["mxint8"] == 8.25 and sizes["mxfp6_e3m2"] == 6.25
    assert sizes["nvfp4"] == 4.5 + 32 / x.size


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "int4_g32", "nvfp4_2d", "fp8_e4m3", "bf16", "mxfp6_e2m3"])
def test_dequantize_to_another_dtype_and_into_out(fmt: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((6, 70)).astype(np.float32)
    q = lb.quantize(x, fmt)
    wide = q.dequantize()
    for dtype in (np.float32, np.float16, ml_dtypes.bfloat16, "float16"):
        assert_same(q.dequantize(dtype), narrow(wide, np.dtype(dtype)), x, fmt)
    for out in (np.empty((6, 70), np.float32), np.empty((70, 6), np.float32).T, np.empty((6, 140), np.float32)[:, ::2]):
        assert q.dequantize(out=out) is out
        assert_same(out, wide, x, fmt)
    half = np.empty((6, 70), np.float16)
    assert q.dequantize(np.float16, out=half) is half
    assert_same(half, narrow(wide, half.dtype), x, fmt)
    with pytest.raises(DtypeError, match="float16"):
        q.dequantize(out=half)
    with pytest.raises(ShapeError, match="71"):
        q.dequantize(out=np.empty((6, 71), np.float32))
    for dtype in (np.float64, np.int8, "nonsense"):
        with pytest.raises(DtypeError):
            q.dequantize(dtype)
    frozen = np.empty((6, 70), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ArgumentError, match="read-only"):
        q.dequantize(out=frozen)


def test_values_beyond_a_narrow_dtype_overflow_to_infinity() -> None:
    """Narrowing rounds once and overflows as IEEE does (contract §2)."""
    x = np.array([3e38, -3e38, 1.0], np.float32)
    q = lb.quantize(x, "e4m3/k32/e8m0:rceil")
    assert q.dequantize(np.float16).tolist()[:2] == [np.inf, -np.inf]
    largest = np.array([np.finfo(np.float32).max], np.float32)
    assert (
        lb.qdq(largest, "e2m1/k32/e8m0:ceil").tolist()
        == lb.quantize(largest, "e2m1/k32/e8m0:ceil").dequantize().tolist()
    )


def test_torch_tensors_come_back_as_torch(rng: np.random.Generator) -> None:
    x = torch.from_numpy(rng.standard_normal((6, 70)).astype(np.float32))
    q = lb.quantize(x.bfloat16(), "mxfp4")
    assert all(isinstance(part, torch.Tensor) for part in (q.codes, q.scales, q.packed))
    assert q.dequantize().dtype is torch.bfloat16 and q.dequantize(torch.float32).dtype is torch.float32
    out = torch.empty(70, 6).t()
    assert q.dequantize(torch.float32, out=out) is out and torch.equal(out, q.dequantize(torch.float32))
    with pytest.raises(DtypeError):
        q.dequantize(torch.float64)


def test_a_stored_tensor_does_not_follow_its_input(rng: np.random.Generator) -> None:
    x = rng.standard_normal((6, 70)).astype(np.float32)
    for fmt in ("mxfp4", "mxint8", "bf16", "int8_row"):
        q = lb.quantize(x.copy(), fmt)
        source = x.copy()
        mine = lb.quantize(source, fmt)
        source[...] = 0
        assert np.array_equal(bit_patterns(mine.dequantize()), bit_patterns(q.dequantize()))
