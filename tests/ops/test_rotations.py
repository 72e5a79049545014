"""`rotate` and `unrotate`: the kernels against the oracle bit for bit, whatever the input, layout and threads."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from oracle_arrays import DTYPES, assert_same, narrow
from rotations import SIZES, hostile, rotated, unrotated

import lowbit as lb
from lowbit.errors import ArgumentError, DtypeError, ShapeError


@pytest.fixture
def threads() -> Any:
    """Puts the number of threads back."""
    before = lb.get_num_threads()
    yield None
    lb.set_num_threads(before)


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("n", SIZES)
def test_kernels_are_the_oracle(n: int, dtype: str, rng: np.random.Generator) -> None:
    """Along rows and columns, with ragged ends; NaN is the positive quiet one."""
    t = lb.Hadamard(n, signs=int(rng.integers(0, 1 << 60)))
    rows, columns = max(1, 100 // n), 19 if n < 50 else 3
    for shape, axis in (((rows, 2 * n + n // 2 + 1), -1), ((n + n // 3 + 1, columns), 0), ((2, n, 2), 1), ((3, n), 1)):
        if n > 100 and shape[0] > 1 and dtype != "float32":
            continue
        x = hostile(shape, DTYPES[dtype], rng)
        got = lb.rotate(x, t, axis)
        assert_same(got, rotated(x, t, axis), got, f"rotate {t} {shape} {axis}")
        back = lb.unrotate(got, t, axis, length=shape[axis])
        assert_same(back, unrotated(got, t, axis, shape[axis]), back, f"unrotate {t} {shape} {axis}")
        integers = np.uint32 if dtype == "float32" else np.uint16
        quiet = {"float32": 0x7FC00000, "bfloat16": 0x7FC0, "float16": 0x7E00}[dtype]
        assert (np.ascontiguousarray(got)[np.isnan(got)].view(integers) == quiet).all()


@pytest.mark.slow
@pytest.mark.parametrize("n", [384, 512, 640, 768, 1024, 1280, 1536, 2048, 2560, 3072, 4096])
def test_large_groups_are_the_oracle(n: int, rng: np.random.Generator) -> None:
    t = lb.Hadamard(n, signs=1)
    for shape, axis in (((1, n + 1), -1), ((n, 3), 0)):
        x = hostile(shape, DTYPES["float32"], rng)
        assert_same(lb.rotate(x, t, axis), rotated(x, t, axis), lb.rotate(x, t, axis), f"{t} {axis}")


@pytest.mark.parametrize("n", [8, 12, 16, 40, 256])
def test_large_results_are_written_as_small_ones(n: int, rng: np.random.Generator) -> None:
    """From 4 MiB on results go past the caches, which needs aligned vectors: rows of 1020 and 1024 elements."""
    t = lb.Hadamard(n, signs=8)
    for columns in (1020, 1024, 1040):
        x = rng.standard_normal((1200, columns)).astype(np.float32)
        for axis in (-1, 0):
            whole = lb.rotate(x, t, axis)
            pieces = np.array_split(x, 8, axis=0 if axis else 1)
            parts = [lb.rotate(np.ascontiguousarray(piece), t, axis) for piece in pieces]
            assert np.array_equal(whole, np.concatenate(parts, axis=0 if axis else 1))
            inside = np.ascontiguousarray(whole)
            assert np.array_equal(lb.unrotate(inside, t, axis), lb.unrotate(whole, t, axis))
        fused = lb.qdq(x, "mxfp4", transform=t)
        assert np.array_equal(fused, lb.qdq(lb.rotate(x, t), "mxfp4"))


def test_every_axis_stride_and_out(rng: np.random.Generator) -> None:
    x = hostile((5, 6, 24), DTYPES["float32"], rng)
    views = {
        "fortran": np.asfortranarray(x),
        "reversed": x[::-1, :, ::-1],
        "sliced": np.repeat(x, 2, axis=1)[:, ::2],
        "swapped": np.ascontiguousarray(x.swapaxes(0, 2)).swapaxes(0, 2),
    }
    for n in (2, 12, 16):
        t = lb.Hadamard(n, signs=4)
        for axis in (-3, -2, -1, 0, 1, 2):
            for name, view in {**views, "plain": x}.items():
                dense = np.array(view, order="C")
                expected = lb.rotate(dense, t, axis)
                before = view.copy()
                assert_same(lb.rotate(view, t, axis), expected, expected, f"{name} {axis}")
                for out in (np.empty(expected.shape, np.float32), np.empty(expected.T.shape, np.float32).T):
                    assert lb.rotate(view, t, axis, out=out) is out
                    assert_same(out, expected, expected, f"{name} {axis} out")
                assert_same(view, before, before, "the input is left alone")
            if expected.shape == x.shape:
                inside = x.copy()
                assert lb.rotate(inside, t, axis, out=inside) is inside
                assert_same(inside, lb.rotate(x, t, axis), inside, f"in place {axis}")


@pytest.mark.parametrize("n", [8, 16, 48, 128, 256])
def test_threads_do_not_matter(n: int, rng: np.random.Generator, threads: None) -> None:
    x, t = rng.standard_normal((300, 1000)).astype(np.float32), lb.Hadamard(n, signs=2)
    results: list[list[np.ndarray]] = []
    for count in (1, 2, 7):
        lb.set_num_threads(count)
        results.append([lb.rotate(x, t), lb.rotate(x, t, 0), lb.qdq(x, "nvfp4", transform=t)])
    for one, *others in zip(*results, strict=True):
        assert all(np.array_equal(one, other) for other in others)


@pytest.mark.parametrize("n", SIZES)
def test_energy_and_the_way_back(n: int, rng: np.random.Generator) -> None:
    """Each of k + base + 1 roundings changes a group by at most 2^-24 of its 2-norm times sqrt(n), there and back."""
    t = lb.Hadamard(n, signs=11)
    x = rng.standard_normal((50, n)).astype(np.float32)
    y = lb.rotate(x, t)
    norm = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    bound = (t.power.bit_length() + t.base + 1) * 2.0**-24 * np.sqrt(n) * norm
    assert (np.abs(np.linalg.norm(y.astype(np.float64), axis=1, keepdims=True) - norm) <= bound).all()
    assert (np.abs(lb.unrotate(y, t).astype(np.float64) - x) <= 2.01 * bound).all()
    if t.base == 1:
        plain = lb.Hadamard(n)
        assert (np.abs(lb.rotate(lb.rotate(x, plain), plain).astype(np.float64) - x) <= 2.01 * bound).all()


@pytest.mark.parametrize("n", [12, 16, 32])
def test_a_contraction_of_two_rotated_operands(n: int, rng: np.random.Generator) -> None:
    """Padding is zeros for both operands, so the product is that of the originals up to rounding."""
    t, length = lb.Hadamard(n, signs=6), 5 * n + 3
    a, b = rng.standard_normal((7, length)).astype(np.float32), rng.standard_normal((9, length)).astype(np.float32)
    exact = a.astype(np.float64) @ b.T.astype(np.float64)
    turned = lb.rotate(a, t).astype(np.float64) @ lb.rotate(b, t).T.astype(np.float64)
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
    steps = 2 * (t.power.bit_length() + t.base + 1)
    assert (np.abs(turned - exact) <= 1.01 * steps * 2.0**-24 * np.sqrt(n) * norms).all()
    assert lb.rotate(a, t).shape == (7, 6 * n)


def test_signs_matter(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 16)).astype(np.float32)
    plain = lb.rotate(x, lb.Hadamard(16))
    for place in range(16):
        signs = tuple(-1 if i == place else 1 for i in range(16))
        turned = lb.rotate(x, lb.Hadamard(16, signs=signs))
        assert (np.abs(turned) != np.abs(plain)).mean() > 0.9
    assert not np.array_equal(lb.rotate(x, lb.Hadamard(16, signs=0)), lb.rotate(x, lb.Hadamard(16, signs=1)))


def test_seeded_signs_as_a_known_answer() -> None:
    """Philox4x32-10 with key 0 and counters (i, 0, 0xFFFF0001, 0): bit 0 of its words, by the oracle."""
    words = [word for i in range(8) for word in lb.reference.philox4x32((i, 0, 0xFFFF0001, 0), (0, 0))]
    drawn = lb.Hadamard(32, signs=tuple(-1 if word & 1 else 1 for word in words))
    x = np.arange(64, dtype=np.float32).reshape(2, 32)
    assert np.array_equal(lb.rotate(x, lb.Hadamard(32, signs=0)), lb.rotate(x, drawn))
    one = np.zeros((32, 32), np.float32)
    np.fill_diagonal(one, 1.0)
    column_signs = np.sign(lb.rotate(one, lb.Hadamard(32, signs=0))[:, 0])  # the first row of H is all +1
    assert column_signs.tolist() == [-1.0 if word & 1 else 1.0 for word in words]


def test_empty_tensors() -> None:
    t = lb.Hadamard(16)
    for shape, axis, expected in (((0, 5), -1, (0, 16)), ((4, 0), -1, (4, 0)), ((0, 5), 0, (0, 5)), ((0,), 0, (0,))):
        x = np.zeros(shape, np.float32)
        assert lb.rotate(x, t, axis).shape == expected
        assert lb.unrotate(lb.rotate(x, t, axis), t, axis, length=shape[axis]).shape == shape
        assert lb.qdq(x, "mxfp4", transform=t, axis=axis).shape == expected
        assert lb.quantize(x, "nvfp4", transform=t, axis=axis).dequantize(rotate_back=True).shape == shape


def test_errors(rng: np.random.Generator) -> None:
    x, t = rng.standard_normal((4, 32)).astype(np.float32), lb.Hadamard(16)
    bad: list[tuple[type[Exception], str, Any]] = [
        (DtypeError, "float64", lambda: lb.rotate(x.astype(np.float64), t)),
        (DtypeError, "list", lambda: lb.rotate([1.0], t)),
        (DtypeError, "int32", lambda: lb.unrotate(x.astype(np.int32), t)),
        (ShapeError, "axis 2", lambda: lb.rotate(x, t, 2)),
        (ShapeError, "scalar", lambda: lb.rotate(np.ones((), np.float32)[...], t)),
        (ArgumentError, "axis=", lambda: lb.rotate(x, t, 1.0)),  # type: ignore[arg-type]
        (ArgumentError, "transform=16", lambda: lb.rotate(x, 16)),  # type: ignore[arg-type]
        (ArgumentError, "transform='hadamard16'", lambda: lb.qdq(x, "mxfp4", transform="hadamard16")),  # type: ignore[arg-type]
        (ShapeError, "20", lambda: lb.unrotate(x[:, :20], t)),
        (ShapeError, "17..32", lambda: lb.unrotate(x, t, length=16)),
        (ShapeError, "17..32", lambda: lb.unrotate(x, t, length=33)),
        (ShapeError, "17..32", lambda: lb.unrotate(x, t, length=20.0)),  # type: ignore[arg-type]
        (ShapeError, r"\(4, 32\)", lambda: lb.rotate(x[:, :30], t, out=np.empty((4, 30), np.float32))),
        (DtypeError, "float16", lambda: lb.rotate(x, t, out=np.empty((4, 32), np.float16))),
        (DtypeError, "list", lambda: lb.rotate(x, t, out=[])),
        (ArgumentError, "overlap", lambda: lb.rotate(x[:3], t, out=x[1:])),
        (ArgumentError, "overlap", lambda: lb.rotate(x.reshape(-1)[:30], t, out=x.reshape(-1)[:32])),
        (ArgumentError, "rotate_back", lambda: lb.qdq(x, "mxfp4", rotate_back=True)),
        (ArgumentError, "rotate_back", lambda: lb.quantize(x, "mxfp4").dequantize(rotate_back=True)),
        (ShapeError, "scalar", lambda: lb.qdq(np.ones((), np.float32)[...], "mxfp4", transform=t)),
    ]
    for error, text, call in bad:
        with pytest.raises(error, match=text):
            call()


def test_narrow_dtypes_are_rounded_once(rng: np.random.Generator) -> None:
    wide = rng.standard_normal((6, 64)).astype(np.float32)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        x = narrow(wide, np.dtype(dtype))
        expected = narrow(lb.rotate(x.astype(np.float32), lb.Hadamard(64)), x.dtype)
        assert_same(lb.rotate(x, lb.Hadamard(64)), expected, expected, str(dtype))
