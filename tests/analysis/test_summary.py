"""The summary of one array in one format: counts and ratios by hand, and independence of how it is cut."""

from dataclasses import asdict, fields
from math import inf, isnan, log10, sqrt

import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit import analysis
from lowbit.analysis import FloatView, Sums, views
from lowbit.errors import DtypeError, NonfiniteError, ShapeError

KINDS = ["mxfp4", "nvfp4", "nvfp4_2d", "int8_row", "fp8_e4m3", "fp8_e4m3_128x128", "nf4", "e2m1", "bf16", "mxint8"]


def assert_same(actual: analysis.Summary, expected: analysis.Summary) -> None:
    """Equal counts, and equal ratios up to the order of float64 additions."""
    for name, value in asdict(expected).items():
        other = getattr(actual, name)
        assert other == value or other == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), name


def test_mxfp4_by_hand() -> None:
    # amax 7.9 and the floor rule give the scale 1: 7.9 is clamped to 6, 0.2 becomes 0.
    found = analysis.summary(np.array([7.9, -1.0, 0.2, 0.0], np.float32), "mxfp4")
    signal, noise = 7.9**2 + 1 + 0.04, 1.9**2 + 0.04
    assert found.format == "mxfp4"
    assert found.elements == 4
    assert found.qsnr_db == pytest.approx(10 * log10(signal / noise), rel=1e-6)
    assert found.relative_mse == pytest.approx(noise / signal, rel=1e-6)
    assert found.bias == pytest.approx(-2.1 / 9.1, rel=1e-6)
    assert found.magnitude_bias == pytest.approx(-2.1 / 9.1, rel=1e-6)
    assert found.cosine == pytest.approx((6 * 7.9 + 1) / sqrt(signal * 37), rel=1e-6)
    assert found.crest_mean == found.crest_max == pytest.approx(7.9 * 2 / sqrt(signal), rel=1e-6)
    assert (found.saturated, found.underflowed, found.flushed) == (0.25, 0.25, 0)
    assert found.bits_per_element == (4 * 4 + 8) / 4


@pytest.mark.parametrize("name", ["int8_row", "int8_tensor", "nf4", "fp8_e4m3", "int4_g32"])
def test_the_largest_value_of_a_float32_scale_is_not_saturated(name: str, rng: np.random.Generator) -> None:
    assert analysis.summary(rng.standard_normal((40, 100)).astype(np.float32), name).saturated == 0


def test_both_ends_saturate_and_unsigned_elements_clamp_negatives() -> None:
    x = np.array([7.0, -7.0, 6.0, -6.0, 0.5], np.float32)
    assert analysis.summary(x, "e2m1").saturated == 0.4
    asymmetric = lb.BlockFormat(element=lb.IntElement(name="a", bits=4, asymmetric=True))
    assert analysis.summary(np.array([-8.0, -9.0, 7.0, 8.0], np.float32), asymmetric).saturated == 0.5
    unsigned = lb.BlockFormat(element=lb.IntElement(name="u", bits=4, signed=False))
    assert analysis.summary(np.array([-1.0, 0.25, 3.0, 0.0], np.float32), unsigned).saturated == 0.25


def test_a_block_whose_scale_is_zero_is_flushed() -> None:
    x = np.concatenate([np.full(16, 1.0), np.full(15, 1e-7), [0.0]]).astype(np.float32)
    found = analysis.summary(x, "nvfp4")
    assert found.flushed == found.underflowed == 15 / 32
    assert found.bits_per_element == (32 * 4 + 2 * 8 + 32) / 32
    alone = analysis.summary(x[16:], "nvfp4")
    assert (alone.flushed, alone.underflowed) == (0, 0)


def test_plain_casts_have_no_blocks_to_flush() -> None:
    found = analysis.summary(np.array([1e-9, 1e-8, 0.0], np.float32), "fp16")
    assert (found.underflowed, found.flushed) == (2 / 3, 0)


def test_nan_and_infinity_are_counted_and_left_out() -> None:
    x = np.ones((2, 64), np.float32)
    x[0, 3], x[1, 40], x[1, 41] = np.nan, np.inf, -np.inf
    found = analysis.summary(x, "mxfp4")
    assert (found.nonfinite, found.poisoned) == (3, 31 + 30)
    assert (found.qsnr_db, found.saturated, found.crest_mean) == (inf, 0, 1)
    with pytest.raises(NonfiniteError, match="3 of 128 elements"):
        analysis.summary(x, "e2m1")
    assert isnan(analysis.summary(np.full((2, 2), np.nan, np.float32), "mxfp4").qsnr_db)


def test_overflow_to_infinity_is_an_infinite_error() -> None:
    found = analysis.summary(np.array([1.0, 70000.0], np.float32), "fp16")
    assert (found.qsnr_db, found.saturated, found.nonfinite) == (-inf, 0.5, 0)


def test_zero_empty_and_scalar() -> None:
    zero = analysis.summary(np.zeros((3, 40), np.float32), "nvfp4")
    assert (zero.qsnr_db, zero.relative_mse, zero.underflowed, zero.flushed) == (inf, 0, 0, 0)
    assert isnan(zero.crest_mean)
    empty = analysis.summary(np.zeros((3, 0), np.float32), "mxfp4")
    assert empty.elements == 0
    assert isnan(empty.qsnr_db)
    assert isnan(empty.bits_per_element)
    scalar = analysis.summary(np.array(3.0, np.float32), "mxfp4")
    assert (scalar.elements, scalar.qsnr_db, scalar.bits_per_element) == (1, inf, 12)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("bad", [False, True])
def test_pieces_do_not_matter(name: str, bad: bool, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    x = (rng.standard_normal((37, 300)) * np.exp(rng.standard_normal((37, 1)) * 3)).astype(np.float32)
    x[5] *= 1e-12
    if bad and name != "e2m1":
        x[7, 250] = np.nan
    whole = analysis.summary(x, name)
    monkeypatch.setattr(views, "PIECE_ELEMENTS", 100)
    assert_same(analysis.summary(x, name), whole)


@pytest.mark.parametrize("name", KINDS)
def test_error_is_that_of_qdq(name: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 20, 50)).astype(np.float32)
    found = analysis.summary(x, name)
    y = lb.qdq(x, name)
    assert found.qsnr_db == pytest.approx(analysis.qsnr_db(x, y), rel=1e-12)
    assert found.cosine == pytest.approx(analysis.cosine(x, y), rel=1e-12)
    assert found.underflowed == np.mean((y == 0) & (x != 0))


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "int8_row", "fp8_e4m3"])
@pytest.mark.parametrize("axis", [0, 1, -2])
def test_axis(name: str, axis: int, rng: np.random.Generator) -> None:
    x = rng.standard_normal((70, 6, 50)).astype(np.float32)
    found = analysis.summary(x, name, axis=axis)
    assert_same(found, analysis.summary(np.ascontiguousarray(np.moveaxis(x, axis, -1)), name))
    assert found.qsnr_db == pytest.approx(analysis.qsnr_db(x, lb.qdq(x, name, axis=axis)), rel=1e-12)


def test_tiles_over_any_two_axes(rng: np.random.Generator) -> None:
    x = rng.standard_normal((40, 3, 50)).astype(np.float32)
    moved = np.ascontiguousarray(np.moveaxis(x, 1, 0))
    assert_same(analysis.summary(x, "nvfp4_2d", axis=(0, 2)), analysis.summary(moved, "nvfp4_2d"))
    for wrong, axis in ((x[0, 0], -1), (x, 0), (x, 5)):
        with pytest.raises(ShapeError):
            analysis.summary(wrong, "nvfp4_2d", axis=axis)
    with pytest.raises(ShapeError, match="single integer"):
        analysis.summary(x, "mxfp4", axis=(0, 1))


def test_bits_are_those_of_the_stored_tensor(rng: np.random.Generator) -> None:
    x = rng.standard_normal((6, 96)).astype(np.float32)
    for name in ("mxfp4", "nvfp4", "int8_row", "fp8_e4m3", "mxfp6_e2m3"):
        assert analysis.summary(x, name).bits_per_element == pytest.approx(lb.quantize(x, name).bits_per_element)


def test_narrow_inputs_are_widened_exactly(rng: np.random.Generator) -> None:
    x = torch.tensor(rng.standard_normal((8, 64)), dtype=torch.bfloat16)
    assert_same(analysis.summary(x, "nvfp4"), analysis.summary(x.float().numpy(), "nvfp4"))
    half = x.half()
    assert_same(analysis.summary(half, "mxfp8_e4m3"), analysis.summary(half.float(), "mxfp8_e4m3"))


def test_float64_is_refused() -> None:
    with pytest.raises(DtypeError, match="float32"):
        analysis.summary(np.zeros(3), "mxfp4")


def test_sums_merge(rng: np.random.Generator) -> None:
    x = rng.standard_normal((10, 64)).astype(np.float32)
    x[0, 0] = np.nan
    fmt = lb.format("mxfp4")
    parts = [analysis.measure(FloatView(raw=part), fmt) for part in (x[:3], x[3:4], x[4:])]
    merged, whole = sum(parts, Sums()), analysis.measure(FloatView(raw=x), fmt)
    for field in fields(Sums):
        if field.name == "lost":
            continue
        assert getattr(merged, field.name) == pytest.approx(getattr(whole, field.name), rel=1e-12)
    assert merged + Sums() == merged


def test_progress_counts_every_element_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PIECE_ELEMENTS", 64)
    for name in KINDS:
        done: list[int] = []
        analysis.measure(FloatView(raw=np.ones((30, 70), np.float32)), lb.format(name), progress=done.append)
        assert sum(done) == 2100
        assert len(done) > 1 or name == "fp8_e4m3_128x128"
