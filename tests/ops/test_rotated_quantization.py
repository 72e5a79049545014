"""`transform=` and `rotate_back=`: one fused call equals rotate, then quantize, then rotate back, bit for bit."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle_arrays import DTYPES, assert_same, bit_patterns, can_hold_nan, oracle
from rotations import FUSED_FORMATS, hostile, rotated

import lowbit as lb
from lowbit.errors import FileError, NonfiniteError
from lowbit.formats import TE_SIGNS
from lowbit.ops import observers

SHAPES = (((3, 70), -1), ((4, 256), -1), ((70, 5), 0), ((2, 40, 18), 1), ((2, 5000), -1))
"""Ragged and whole rows, other axes, and rows longer than a segment."""


def transforms(rng: np.random.Generator) -> list[lb.Hadamard]:
    return [lb.Hadamard(n, signs=int(rng.integers(0, 100))) for n in (2, 12, 16, 128, 1024)]


def assert_pair(fmt: str, x: np.ndarray, t: lb.Hadamard, axis: Any, **arguments: Any) -> None:
    """The fused calls against the pair of calls."""
    along = axis[1] if isinstance(axis, tuple) else axis
    what = f"{fmt} {t} {x.shape} {x.dtype} {axis}"
    turned = lb.rotate(x, t, along)
    expected = lb.qdq(turned, fmt, axis=axis, **arguments)
    assert_same(lb.qdq(x, fmt, axis=axis, transform=t, **arguments), expected, expected, what)
    q, pair = (
        lb.quantize(x, fmt, axis=axis, transform=t, **arguments),
        lb.quantize(turned, fmt, axis=axis, **arguments),
    )
    assert q.shape == pair.shape == turned.shape and q.tensor_scale == pair.tensor_scale and q.transform == t, what
    assert np.array_equal(q.packed, pair.packed) and np.array_equal(q.codes, pair.codes), what
    assert q.scales is None or np.array_equal(q.scales, pair.scales, equal_nan=q.scales.dtype == np.float32), what
    assert_same(q.dequantize(), expected, expected, what)
    back = lb.unrotate(expected, t, along, length=x.shape[along])
    assert_same(q.dequantize(rotate_back=True), back, back, what)
    assert_same(lb.qdq(x, fmt, axis=axis, transform=t, rotate_back=True, **arguments), back, back, what)
    for result, keep in ((expected, False), (back, True)):
        out = np.empty(result.shape, x.dtype)
        assert lb.qdq(x, fmt, axis=axis, transform=t, rotate_back=keep, out=out, **arguments) is out
        assert_same(out, result, result, what)
        if result.shape == x.shape:
            inside = x.copy()
            lb.qdq(inside, fmt, axis=axis, transform=t, rotate_back=keep, out=inside, **arguments)
            assert_same(inside, result, result, f"in place {what}")


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("fmt", FUSED_FORMATS)
def test_fused_equals_the_pair(fmt: str, dtype: str, rng: np.random.Generator) -> None:
    block = lb.format(fmt).block
    for (shape, axis), t in product(SHAPES, transforms(rng)):
        x = hostile(shape, DTYPES[dtype], rng, finite=True)
        if not np.isfinite(lb.rotate(x, t, axis).astype(np.float32)).all() and not can_hold_nan(fmt):
            x = (x.astype(np.float32) * np.float32(2.0**-12)).astype(x.dtype)
        tile = block is not None and block.is_tile
        assert_pair(
            fmt, x, t, ((-2, -1) if axis == -1 else (-1, -2)) if tile and axis != 1 else axis if not tile else -1
        )


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "e2m1/k5/e8m0", "bf16", "nvfp4_2d", "e4m3/k7x3/f32"])
def test_fused_down_the_rows_in_several_segments(fmt: str, rng: np.random.Generator) -> None:
    """Groups smaller and larger than blocks are high, bands that share groups, ragged edges."""
    block = lb.format(fmt).block
    for shape, n, dtype in (
        ((49, 1300), 16, "float32"),
        ((2, 130, 1040), 128, "bfloat16"),
        ((70, 1100), 12, "float16"),
    ):
        x = hostile(shape, DTYPES[dtype], rng)
        axis: Any = (-1, -2) if block is not None and block.is_tile else -2
        assert_pair(fmt, x, lb.Hadamard(n, signs=4), axis)


@pytest.mark.parametrize("fmt", [name for name in FUSED_FORMATS if name not in ("e2m1", "int3/k32/f32", "nf4")])
def test_nonfinite_members_spread_over_their_group(fmt: str, rng: np.random.Generator) -> None:
    for dtype in DTYPES.values():
        x = hostile((3, 300), dtype, rng)
        assert_pair(fmt, x, lb.Hadamard(16, signs=3), -1)


def test_given_amax_and_static_scale(rng: np.random.Generator) -> None:
    x, t = rng.standard_normal((4, 100)).astype(np.float32), lb.Hadamard(32, signs=9)
    for arguments in ({"tensor_amax": 9.0}, {"tensor_scale": 0.01}):
        assert_pair("nvfp4", x, t, -1, **arguments)
    assert_pair("fp8_e4m3", x, t, -1, tensor_amax=4.0)
    turned = lb.rotate(x, t)
    assert lb.quantize(x, "nvfp4", transform=t).tensor_scale == lb.quantize(turned, "nvfp4").tensor_scale
    assert lb.quantize(x, "nvfp4", transform=t).tensor_scale != lb.quantize(x, "nvfp4").tensor_scale


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "mxint8", "int8_row", "e3m0/k32/e8m0"])
def test_fused_equals_the_oracle(fmt: str, rng: np.random.Generator) -> None:
    for n, dtype in ((16, "float32"), (12, "bfloat16"), (64, "float16")):
        x, t = hostile((2, 150), DTYPES[dtype], rng), lb.Hadamard(n, signs=1)
        expected = oracle(rotated(x, t), fmt)
        got = lb.qdq(x, fmt, transform=t)
        assert_same(got, expected.in_dtype(x.dtype), got, f"{fmt} {n} {dtype}")
        assert np.array_equal(lb.quantize(x, fmt, transform=t).codes, expected.codes)


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "int8_row", "bf16", "e3m0/k32/e8m0", "nvfp4_2d"])
def test_rounding_modes_and_random_bits(fmt: str, rng: np.random.Generator) -> None:
    """Random bits belong to positions in the rotated, padded tensor: those of the pair of calls."""
    x, t = rng.standard_normal((6, 150)).astype(np.float32), lb.Hadamard(16, signs=5)
    for rounding in ("toward_zero", "to_odd", "stochastic", lb.Stochastic(bits=8, rule="biased")):  # type: ignore[arg-type]
        draws = {"seed": 3, "stream": 7} if "toward" not in str(rounding) and rounding != "to_odd" else {}
        for axis in (-1,) if fmt == "nvfp4_2d" else (-1, 0):
            assert_pair(fmt, x, t, axis, rounding=rounding, **draws)
    whole = lb.qdq(x, "mxfp4", transform=t, rounding="stochastic", seed=1)
    half = lb.qdq(x[3:], "mxfp4", transform=t, rounding="stochastic", seed=1, offset=3 * 160)
    assert np.array_equal(half, whole[3:])
    shard = lb.qdq(x[3:], "mxfp4", transform=t, rounding="stochastic", seed=1, origin=(3, 0), global_shape=(6, 160))
    assert np.array_equal(shard, whole[3:])


def test_observers_see_the_rotated_tensor(rng: np.random.Generator) -> None:
    x, t = rng.standard_normal((3, 40)).astype(np.float32), lb.Hadamard(16)
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def watch(observation: observers.Observation) -> None:
        seen.append((observation.x.copy(), observation.y.copy()))

    expected = lb.qdq(x, "mxfp4", transform=t)
    observers.attach(watch)
    try:
        lb.qdq(x, "mxfp4", transform=t, rotate_back=True)
        inside = lb.rotate(x, t)[:, :32].copy()
        lb.qdq(inside, "mxfp4", transform=t, out=inside)
        lb.quantize(x, "mxfp4", transform=t)
    finally:
        observers.detach(watch)
    assert len(seen) == 3
    for before, after in (seen[0], seen[2]):
        assert np.array_equal(before, lb.rotate(x, t)) and np.array_equal(after, expected)


def test_strides_and_broadcasts(rng: np.random.Generator) -> None:
    x, t = rng.standard_normal((6, 48)).astype(np.float32), lb.Hadamard(16, signs=TE_SIGNS)
    for view in (x.T, x[::-1, ::-1], x[:, ::2], np.broadcast_to(x[:1], (6, 48)), np.asfortranarray(x)):
        for axis in (0, 1):
            for fmt in ("mxfp4", "nvfp4"):
                dense = np.array(view, order="C")
                expected = lb.qdq(dense, fmt, axis=axis, transform=t)
                assert_same(lb.qdq(view, fmt, axis=axis, transform=t), expected, expected, fmt)
                assert np.array_equal(lb.quantize(view, fmt, axis=axis, transform=t).dequantize(), expected)


def test_nonfinite_raise_looks_at_the_input_and_at_the_rotation() -> None:
    t = lb.Hadamard(16)
    huge = np.full((2, 32), 3e38, np.float32)
    bad = np.ones((2, 32), np.float32)
    bad[1, 5] = np.nan
    for call in (lb.qdq, lb.quantize):
        with pytest.raises(NonfiniteError, match=r"\(1, 5\)"):
            call(bad, "mxfp4", transform=t, nonfinite="raise")
        with pytest.raises(NonfiniteError, match="overflow"):
            call(huge, "mxfp4", transform=t, nonfinite="raise")
        with pytest.raises(NonfiniteError, match="overflow"):
            call(huge, "e2m1", transform=t)
    assert np.isnan(lb.qdq(huge, "mxfp4", transform=t)).all()
    assert np.isfinite(lb.qdq(np.ones((2, 32), np.float32), "mxfp4", transform=t, nonfinite="raise")).all()


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_saved_tensors_keep_their_transform(framework: str, tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.standard_normal((5, 40)).astype(np.float32)
    for t in (lb.Hadamard(16, signs=TE_SIGNS), lb.Hadamard(12, signs=2**63), lb.Hadamard(8)):
        q = lb.quantize(x, "nvfp4", transform=t)
        q.save(tmp_path / "q.safetensors")
        loaded = lb.QTensor.load(tmp_path / "q.safetensors", framework=framework)
        assert loaded.transform == t and loaded.length == 40 and str(t) in repr(loaded)
        values = np.asarray(loaded.dequantize(rotate_back=True))
        assert np.array_equal(bit_patterns(values), bit_patterns(q.dequantize(rotate_back=True)))
    plain = lb.quantize(x, "nvfp4")
    plain.save(tmp_path / "plain.safetensors")
    assert lb.QTensor.load(tmp_path / "plain.safetensors").transform is None


def test_damaged_transforms_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    q = lb.quantize(rng.standard_normal((2, 30)).astype(np.float32), "mxfp4", transform=lb.Hadamard(16))
    path = tmp_path / "q.safetensors"
    q.save(path)
    content = path.read_bytes()
    for before, after in ((b"hadamard16", b"hadamard17"), (b'\\"length\\": 30', b'\\"length\\": 10')):
        assert before in content
        path.write_bytes(content.replace(before, after))
        with pytest.raises(FileError, match="damaged"):
            lb.QTensor.load(path)
