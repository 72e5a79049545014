"""Decoding: every code with every scale, by products in binary64 that are rounded once each (contract §2)."""

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from format_cases import CASTS, SMALL_ELEMENTS, small_float_elements
from oracle_arrays import DTYPES, assert_same, bit_patterns, narrow
from packed_arrays import packed_by_hand

import lowbit as lb
from lowbit.decoding import decode_plan_for, decoded_bits
from lowbit.errors import ArgumentError
from lowbit.formats import Codebook
from lowbit.formats import format as find_format
from lowbit.ops import arrays
from lowbit.ops.qtensor import QTensor
from lowbit.ops.storage_layout import Stored, row_bytes

SCALES = ("e8m0", "ue4m3", "ue5m3", "f32", "bf16", "fp16", "ue8m7ieee")
LEVELS = (1.0, 0.7, 2.0**-31, 1.5 * 2.0**-126, 2.0**-149, 2.0**31, 3.4e38)


def stored_tensor(fmt: str, codes: np.ndarray, scales: np.ndarray | None, level: float = 1.0) -> QTensor:
    """A QTensor of given codes and scales, blocks along the last axis."""
    found = find_format(fmt)
    stored = Stored(packed_by_hand(codes, found.element.bits), scales, level)
    assert stored.packed.shape[-1] == row_bytes(codes.shape[-1], found)
    axes = () if found.block is None else (codes.ndim - 1,)
    return QTensor(
        format=found, shape=codes.shape, axis=-1, axes=axes, kind="float32", framework=arrays.NUMPY, stored=stored
    )


def products(fmt: str, codes: np.ndarray, scales: np.ndarray, level: float) -> np.ndarray:
    """fl(fl(element * scale) * level), element by element; `scales` holds codes or float32 values, one an element."""
    found = find_format(fmt)
    assert found.scale is not None
    element = np.array([found.element.decode(code) for code in range(1 << found.element.bits)])[codes]
    if scales.dtype != np.float32:
        scales = np.array([found.scale.decode(code) for code in range(1 << found.scale.bits)])[scales]
    with np.errstate(all="ignore"):
        inner = (element * scales.astype(np.float64)).astype(np.float32).astype(np.float64)
        return (inner * level).astype(np.float32)


@pytest.mark.parametrize("element", [*SMALL_ELEMENTS, *small_float_elements()], ids=lambda element: element.name)
def test_every_code_of_small_elements(element: Any) -> None:
    """The arithmetic of a plan gives the table's values; a vector with a special code and one without it agree."""
    codes = np.arange(1 << element.bits, dtype=np.uint32)
    expected = np.array([element.decode(int(code)) for code in codes], np.float32)
    assert np.array_equal(bit_patterns(decoded_bits(element).view(np.float32)), bit_patterns(expected))
    fmt = element.name
    for order in (codes, codes[::-1], np.repeat(codes, 16), np.tile(codes, 3)[:-1]):
        q = stored_tensor(fmt, order[None, :], None)
        assert_same(q.dequantize(), expected[order][None, :], order[None, :].astype(np.float32), fmt)


@pytest.mark.parametrize("fmt", CASTS)
def test_every_code_of_casts(fmt: str) -> None:
    element = find_format(fmt).element
    codes = np.arange(1 << element.bits, dtype=np.uint32)[None, :]
    expected = decoded_bits(element).view(np.float32)[None, :]
    for dtype in DTYPES.values():
        got = stored_tensor(fmt, codes, None).dequantize(dtype)
        assert_same(got, narrow(expected, dtype), codes.astype(np.float32), fmt)


@pytest.mark.parametrize("width", [1, 5, 16, 32, 48])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("element", ["e2m1", "e2m3", "e4m3", "e5m2", "e4m3fnuz", "binary8p4", "int8f6", "int4", "nf4"])
def test_every_scale(element: str, scale: str, width: int, rng: np.random.Generator) -> None:
    fmt = f"{element}/k{width}/{scale}"
    found = find_format(fmt)
    assert found.scale is not None
    if found.is_float32_scale:
        some = 2.0 ** rng.integers(-149, 128, 300).astype(np.float64) * rng.choice((1.0, 1.25, 1.999), 300)
        scales = np.concatenate([some, [0.0, np.nan, np.inf, 3.4e38, 2.0**50, 2.0**-50]]).astype(np.float32)
    else:
        most = 1 << found.scale.bits
        scales = np.arange(most) if most <= 256 else rng.choice(most, 400, replace=False)
        scales = scales.astype(np.uint8 if most <= 256 else np.uint16)
    codes = rng.integers(0, 1 << found.element.bits, (1, len(scales) * width - width // 3), dtype=np.uint32)
    codes[0, : 40 * width] = 0  # blocks of zeros, whatever their scale
    wide = np.repeat(scales, width)[None, : codes.shape[1]]
    for level in LEVELS if found.tensor_target is not None else (1.0,):
        expected = products(fmt, codes, wide, level)
        for dtype in DTYPES.values():
            got = stored_tensor(fmt, codes, scales[None, :], level).dequantize(dtype)
            assert_same(got, narrow(expected, dtype), wide.astype(np.float32), f"{fmt} {level} {dtype}")


@pytest.mark.parametrize("level", LEVELS)
def test_levels_round_once_more(level: float, rng: np.random.Generator) -> None:
    for element in ("e2m1", "int4", "e5m2"):
        fmt = f"{element}/k16/ue4m3/ts"
        scales = np.arange(128, dtype=np.uint8)[None, :]
        codes = rng.integers(0, 1 << find_format(fmt).element.bits, (1, 128 * 16), dtype=np.uint32)
        level = float(np.float32(level))
        expected = products(fmt, codes, np.repeat(scales, 16, axis=1), level)
        assert_same(stored_tensor(fmt, codes, scales, level).dequantize(), expected, expected, f"{fmt} {level}")


def test_elements_that_only_the_table_knows() -> None:
    """Which elements are decoded by arithmetic is a matter of speed; those with values beyond its reach are not."""
    forms = {name: int(decode_plan_for(lb.format(name).element).record[0]["form"]) for name in ("e2m1", "int8", "nf4")}
    assert sorted(forms.values()) == [0, 1, 2] and forms["nf4"] == 0
    tiny = Codebook(name="tiny", entries=(Fraction(-1, 2**100), Fraction(1)))
    assert not decode_plan_for(tiny).record[0]["narrow"], "negative values count"


@pytest.mark.parametrize("fmt", ["mxfp4", "mxfp6_e2m3", "nvfp4", "fp8_e4m3_row", "nf4", "nvfp4_2d", "bf16", "mxint8"])
def test_out_in_every_memory_order(fmt: str, rng: np.random.Generator) -> None:
    """`out` may lie in any order, apart in memory, or off its own boundary: the values are the same."""
    x = rng.standard_normal((6, 5, 70)).astype(np.float32)
    tiles = find_format(fmt).block is not None and fmt == "nvfp4_2d"
    for axis in ((0, 1), (2, 0), -1) if tiles else (0, 1, 2):
        q = lb.quantize(x, fmt, axis=axis if fmt != "bf16" else -1)
        for name in ("float32", "float16", "bfloat16"):
            dtype = DTYPES[name]
            wide = q.dequantize(dtype)
            for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)):
                memory = np.empty([x.shape[k] for k in order], dtype)
                out = memory.transpose(np.argsort(order))
                assert q.dequantize(dtype, out=out) is out
                assert_same(out, wide, x, f"{fmt} {axis} {order}")
            apart = np.zeros((6, 5, 140), dtype)
            q.dequantize(dtype, out=apart[..., ::2])
            assert_same(np.ascontiguousarray(apart[..., ::2]), wide, x, fmt)
            assert not apart[..., 1::2].any()
            shifted = np.zeros(x.size * dtype.itemsize + 1, np.uint8)[1:].view(dtype).reshape(x.shape)
            q.dequantize(dtype, out=shifted)
            assert_same(shifted.copy(), wide, x, fmt)


def test_large_results_are_written_past_the_caches(rng: np.random.Generator) -> None:
    """Rows that start on a cache line and rows that do not, threads and ragged ends: the same bits."""
    for columns in (2048, 2064, 2049, 4096 + 16):
        x = rng.standard_normal((700, columns)).astype(np.float32)
        x[5] = 0
        x[7] *= np.float32(2.0**-120)
        x[9, 3] = np.nan
        for fmt in ("mxfp4", "mxfp6_e2m3", "nvfp4", "int4_g128"):
            q = lb.quantize(x, fmt)
            expected = lb.qdq(x, fmt)
            raw = np.empty(x.size + 32, np.float32)
            line = -raw.ctypes.data % 64 // 4
            for start in (line, line + 1):
                out = raw[start : start + x.size].reshape(x.shape)
                q.dequantize(out=out)
                assert np.array_equal(bit_patterns(out), bit_patterns(expected)), (fmt, columns)
            half = q.dequantize(ml_dtypes.bfloat16)
            assert np.array_equal(bit_patterns(half), bit_patterns(narrow(expected, half.dtype))), (fmt, columns)


def test_torch_results_are_written_in_place(rng: np.random.Generator) -> None:
    x = torch.from_numpy(rng.standard_normal((6, 64)).astype(np.float32))
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        q = lb.quantize(x.to(dtype), "mxfp4", axis=0)
        for out in (torch.empty(6, 64, dtype=dtype), torch.empty(64, 6, dtype=dtype).t()):
            assert q.dequantize(out=out) is out and torch.equal(out, q.dequantize())


def test_out_may_not_be_the_stored_memory(rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, 64)).astype(np.float32)
    memory = np.zeros(4 * 64, np.float32)
    q = lb.quantize(x, "mxint8")
    q.stored.packed.reshape(-1)[:] = 0
    shared = memory.view(np.uint8)[: q.packed.size].reshape(q.packed.shape)
    own = QTensor(
        format=q.format,
        shape=q.shape,
        axis=q.axis,
        axes=q.axes,
        kind=q.kind,
        framework=q.framework,
        stored=Stored(shared, q.stored.scales, 1.0),
    )
    with pytest.raises(ArgumentError, match="overlaps the stored codes"):
        own.dequantize(out=memory.reshape(4, 64))
