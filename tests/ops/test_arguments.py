"""`out=`, refused inputs, tensor-wide arguments, `nonfinite=`: what is allowed works, what is not says what to do."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from format_cases import REGISTERED
from oracle_arrays import assert_same, bit_patterns

import lowbit as lb
from lowbit.errors import ArgumentError, DtypeError, LowbitError, NonfiniteError, ShapeError

TWO_LEVELS = ("nvfp4", "nvint4", "ue5m3_ieee_fp4", "e2m1/k16/ue4m3/ts/arithmetic=divide")

BLOCKS_WITH_NAN = [name for name in REGISTERED if lb.format(name).scale is not None and lb.format(name).has_nan]


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """Float32 (6, 70): rows end in a ragged block."""
    return rng.standard_normal((6, 70)).astype(np.float32)


@pytest.mark.parametrize("fmt", REGISTERED)
def test_in_place(fmt: str, x: np.ndarray) -> None:
    expected = lb.qdq(x, fmt)
    for target in (x.copy(), np.asfortranarray(x)):
        assert lb.qdq(target, fmt, out=target) is target
        assert_same(target, expected, x, fmt)


def test_out_of_other_strides(x: np.ndarray) -> None:
    expected = lb.qdq(x, "mxfp4")
    wide = np.full((12, 140), 7, np.float32)
    for out in (
        np.empty_like(x),
        np.empty((70, 6), np.float32).T,
        wide[::2, ::2],
        np.empty((6, 70), np.float32)[:, ::-1],
    ):
        assert lb.qdq(x, "mxfp4", out=out) is out
        assert_same(out, expected, x, "out")
    assert (wide[1::2] == 7).all() and (wide[:, 1::2] == 7).all()
    sliced = np.zeros((6, 140), np.float32)[:, ::2]
    sliced[...] = x
    assert lb.qdq(sliced, "mxfp4", out=sliced) is sliced
    assert_same(sliced, expected, x, "in place, strided")


def test_large_out_that_is_written_past_the_caches(rng: np.random.Generator) -> None:
    big = rng.standard_normal((1200, 1024)).astype(np.float32)
    expected = np.concatenate([lb.qdq(np.ascontiguousarray(part), "mxfp4") for part in np.split(big, 12)])
    for start in (0, 1, 3):  # aligned to cache lines, and not
        memory = np.zeros(big.size + 64, np.float32)
        out = memory[start : start + big.size].reshape(big.shape)
        lb.qdq(big, "mxfp4", out=out)
        assert np.array_equal(bit_patterns(out), bit_patterns(expected))
        assert not memory[:start].any() and not memory[start + big.size :].any()
    lb.qdq(big, "mxfp4", out=big)
    assert np.array_equal(bit_patterns(big), bit_patterns(expected))


def test_out_that_does_not_fit(x: np.ndarray) -> None:
    memory = np.zeros(500, np.float32)
    source = memory[:420].reshape(6, 70)
    read_only = np.empty_like(x)
    read_only.flags.writeable = False
    square = np.zeros((6, 6), np.float32)
    cases: list[tuple[np.ndarray, Any, type[LowbitError], str]] = [
        (source, memory[1:421].reshape(6, 70), ArgumentError, "overlap"),
        (source, memory[80:].reshape(6, 70), ArgumentError, "overlap"),
        (square, square.T, ArgumentError, "overlap"),
        (source, source[::-1], ArgumentError, "overlap"),
        (x, read_only, ArgumentError, "read-only"),
        (x, np.empty((6, 71), np.float32), ShapeError, "71"),
        (x, np.empty((420,), np.float32), ShapeError, "420"),
        (x, np.empty((6, 70), np.float16), DtypeError, "float16"),
        (x, np.empty((6, 70), np.float64), DtypeError, "float64"),
        (x.astype(ml_dtypes.bfloat16), np.empty((6, 70), np.float16), DtypeError, "float16"),
    ]
    for source_, out, error, text in cases:
        before = np.array(out)
        with pytest.raises(error, match=text):
            lb.qdq(source_, "mxfp4", out=out)
        assert np.array_equal(before, out, equal_nan=True), "a refused call writes nothing"


def test_out_that_is_no_array(x: np.ndarray) -> None:
    for out in ([0.0] * 420, "out", 3):
        with pytest.raises(LowbitError):
            lb.qdq(x, "mxfp4", out=out)


@pytest.mark.parametrize(
    ("bad", "fix"),
    [
        (np.ones(4), "astype(np.float32)"),
        (np.ones(4, np.int32), "float32"),
        (np.ones(4, bool), "float32"),
        (np.ones(4, np.complex64), "float32"),
        (np.array([1.0, None], object), "float32"),
        (np.array(["a"]), "float32"),
        (np.ones(4, ">f4"), "byte order"),
        (np.ones(4, ml_dtypes.float8_e4m3fn), "float32"),
        ([1.0, 2.0], "numpy array"),
        (1.5, "numpy array"),
        (None, "numpy array"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(getattr(value, "dtype", value)),
)
def test_inputs_that_are_refused_say_what_to_do(bad: Any, fix: str) -> None:
    for call in (lb.qdq, lb.quantize):
        with pytest.raises(DtypeError) as caught:
            call(bad, "mxfp4")
        assert fix in str(caught.value) and "\n" not in str(caught.value)


def test_the_float64_advice_works() -> None:
    x = np.linspace(-3, 3, 40)
    assert lb.qdq(x.astype(np.float32), "mxfp4").dtype == np.float32


def test_unknown_roundings_are_refused(x: np.ndarray) -> None:
    for call in (lb.qdq, lb.quantize):
        for name in ("nearest", "stochastic:8", "stochastic:7:midpoint", "stochastic:8:even", "stochastic:x:biased"):
            with pytest.raises(ArgumentError, match=r"choose one of|8, 16 or 32"):
                call(x, "mxfp4", rounding=name, seed=1)


@pytest.mark.parametrize("fmt", TWO_LEVELS)
def test_pieces_of_a_tensor_quantize_as_the_whole(fmt: str, rng: np.random.Generator) -> None:
    x = (rng.standard_normal((12, 96)) * np.exp(rng.standard_normal((12, 1)) * 3)).astype(np.float32)
    amax = np.abs(x).max()
    whole, codes = lb.qdq(x, fmt), lb.quantize(x, fmt)
    assert lb.quantize(x, fmt, tensor_amax=float(amax)).tensor_scale == codes.tensor_scale
    for pieces in (np.split(x, 4, axis=0), np.split(x, 3, axis=1)):
        axis = 0 if pieces[0].shape[1] == 96 else 1
        kinds: list[Any] = [float(amax), amax, np.array([amax])]
        for given in kinds:
            parts = [lb.qdq(piece, fmt, tensor_amax=given) for piece in pieces]
            assert np.array_equal(bit_patterns(np.concatenate(parts, axis)), bit_patterns(whole))
        stored = [lb.quantize(piece, fmt, tensor_amax=float(amax)) for piece in pieces]
        assert np.array_equal(np.concatenate([q.codes for q in stored], axis), codes.codes)
        assert np.array_equal(np.concatenate([q.scales for q in stored], axis), codes.scales)
        assert {q.tensor_scale for q in stored} == {codes.tensor_scale}
    assert not np.array_equal(lb.qdq(x[-1:], fmt), whole[-1:]) or np.abs(x[-1]).max() == amax


def test_whole_tensor_blocks_in_pieces(x: np.ndarray) -> None:
    for fmt in ("fp8_e4m3", "int8_tensor"):
        amax = float(np.abs(x).max())
        parts = [lb.qdq(piece, fmt, tensor_amax=amax) for piece in np.split(x, 3)]
        assert np.array_equal(bit_patterns(np.concatenate(parts)), bit_patterns(lb.qdq(x, fmt)))


@pytest.mark.parametrize("fmt", TWO_LEVELS)
def test_static_tensor_scales(fmt: str, x: np.ndarray) -> None:
    q = lb.quantize(x, fmt, tensor_scale=0.25)
    assert q.tensor_scale == 0.25
    assert np.array_equal(bit_patterns(q.dequantize()), bit_patterns(lb.qdq(x, fmt, tensor_scale=0.25)))
    given: Any = np.float32(0.25)
    assert np.array_equal(lb.qdq(x, fmt, tensor_scale=given), lb.qdq(x, fmt, tensor_scale=0.25))


@pytest.mark.parametrize(
    ("fmt", "arguments", "text"),
    [
        ("nvfp4", {"tensor_amax": -1.0}, "tensor_amax"),
        ("nvfp4", {"tensor_amax": np.inf}, "tensor_amax"),
        ("nvfp4", {"tensor_amax": np.nan}, "tensor_amax"),
        ("nvfp4", {"tensor_amax": "big"}, "tensor_amax"),
        ("nvfp4", {"tensor_amax": np.ones(3)}, "tensor_amax"),
        ("nvfp4", {"tensor_scale": 0.0}, "tensor_scale"),
        ("nvfp4", {"tensor_scale": -2.0}, "tensor_scale"),
        ("nvfp4", {"tensor_scale": np.inf}, "tensor_scale"),
        ("nvfp4", {"tensor_scale": np.nan}, "tensor_scale"),
        ("nvfp4", {"tensor_scale": 1e-60}, "tensor_scale"),
        ("nvfp4", {"tensor_amax": 1.0, "tensor_scale": 1.0}, "exclude"),
        ("nvfp4", {"tensor_amax": 1e300}, "tensor_amax"),
        ("mxfp4", {"tensor_amax": 1.0}, "tensor_amax"),
        ("mxfp4", {"tensor_scale": 1.0}, "/ts"),
        ("bf16", {"tensor_amax": 1.0}, "tensor_amax"),
        ("fp8_e4m3", {"tensor_scale": 1.0}, "tensor_scale"),
        ("fp8_e4m3", {"tensor_amax": -1.0}, "tensor_amax"),
        ("mxfp4", {"nonfinite": "ignore"}, "nonfinite"),
        ("e2m1", {"nonfinite": "propagate"}, "NaN"),
    ],
)
def test_arguments_that_would_be_ignored_or_make_no_sense(
    fmt: str, arguments: dict[str, Any], text: str, x: np.ndarray
) -> None:
    for call in (lb.qdq, lb.quantize):
        for array in (x, x[:0]):
            with pytest.raises(ArgumentError, match=text):
                call(array, fmt, **arguments)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_nonfinite_raise_names_the_first_position(dtype: Any) -> None:
    x = np.ones((3, 4, 40), dtype)
    x[2, 0, 0], x[1, 3, 7], x[1, 3, 8] = np.nan, np.inf, -np.inf
    for fmt in ("mxfp4", "nvfp4", "bf16"):
        for view in (x, np.asfortranarray(x)):
            for call in (lb.qdq, lb.quantize):
                with pytest.raises(NonfiniteError, match=r"3 .*\(1, 3, 7\)"):
                    call(view, fmt, nonfinite="raise")
        assert np.isnan(lb.qdq(x, fmt).astype(np.float32)).any()
        finite = np.ones((3, 40), dtype)
        assert np.array_equal(lb.qdq(finite, fmt, nonfinite="raise"), lb.qdq(finite, fmt))


@pytest.mark.parametrize("fmt", ["e2m1", "int8", "uint4", "e2m1/k16/ue4m3finite"])
def test_formats_without_nan_raise_unasked(fmt: str) -> None:
    for bad in (np.nan, np.inf, -np.inf):
        x = np.array([1.0, 2.0, bad], np.float32)
        for call in (lb.qdq, lb.quantize):
            with pytest.raises(NonfiniteError, match=r"\(2,\)"):
                call(x, fmt)


@pytest.mark.parametrize("fmt", BLOCKS_WITH_NAN)
def test_bad_blocks_do_not_touch_their_neighbours(fmt: str, rng: np.random.Generator) -> None:
    """A NaN or infinity makes its own block NaN, and does not enter the tensor's amax (contract §8)."""
    found = lb.format(fmt)
    assert found.block is not None
    x = rng.standard_normal((300, 300)).astype(np.float32)
    x[200, 200] = 9.0
    clean = lb.qdq(x, fmt)
    for bad in (np.nan, np.inf, -np.inf):
        dirty = x.copy()
        dirty[0, 0] = bad
        got, q = lb.qdq(dirty, fmt), lb.quantize(dirty, fmt)
        hit = np.isnan(got)
        sizes = [300 if n is None else n for n in found.block.sizes] or [300, 300]
        height, width = sizes if len(sizes) == 2 else (1, sizes[0])
        expected = np.zeros_like(hit)
        expected[:height, :width] = True
        assert np.array_equal(hit, expected) and not q.codes[hit].any()
        if not found.block.is_tensor:
            assert np.array_equal(bit_patterns(got[~hit]), bit_patterns(clean[~hit]))
        assert q.tensor_scale is None or q.tensor_scale == lb.quantize(x, fmt).tensor_scale
