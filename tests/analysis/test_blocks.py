"""Statistics of single blocks and use of scale codes: by hand, and in agreement with those of the whole tensor."""

from dataclasses import fields
from fractions import Fraction
from math import inf, isnan, sqrt

import ml_dtypes
import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit import analysis
from lowbit.analysis import BlockStatistics, Sums, views
from lowbit.errors import ArgumentError, DtypeError, NonfiniteError, ShapeError

BLOCKED = ["mxfp4", "nvfp4", "nvfp4_2d", "int8_row", "fp8_e4m3", "fp8_e4m3_128x128", "nf4", "mxint8"]


def assert_equal(found: BlockStatistics, expected: BlockStatistics) -> None:
    for field in fields(BlockStatistics):
        np.testing.assert_allclose(getattr(found, field.name), getattr(expected, field.name), rtol=1e-12, atol=1e-15)


def test_mxfp4_by_hand() -> None:
    x = np.zeros((2, 40), np.float32)
    x[0, :3] = 7.9, -1.0, 0.2  # scale 1: 7.9 is clamped to 6 and 0.2 becomes 0
    x[0, 32:] = 4.0  # a shorter block, exact
    x[1, 5] = np.nan
    found = analysis.per_block(x, "mxfp4")
    signal, noise = 7.9**2 + 1 + 0.04, 1.9**2 + 0.04
    assert found.qsnr_db.shape == (2, 2)
    np.testing.assert_allclose(found.relative_mse, [[noise / signal, 0], [np.nan, 0]], rtol=1e-6)
    np.testing.assert_allclose(found.mean_error, [[-2.1 / 32, 0], [np.nan, 0]], rtol=1e-6)
    np.testing.assert_allclose(found.misalignment, [[1 - (6 * 7.9 + 1) / signal, 0], [np.nan] * 2], rtol=1e-5)
    np.testing.assert_allclose(found.cosine[0], [(6 * 7.9 + 1) / sqrt(signal * 37), 1], rtol=1e-6)
    np.testing.assert_allclose(found.crest[0], [7.9 * sqrt(32 / signal), 1], rtol=1e-6)
    np.testing.assert_array_equal(found.saturated, [[1 / 32, 0], [0, 0]])
    np.testing.assert_array_equal(found.underflowed, [[1 / 32, 0], [0, 0]])
    np.testing.assert_array_equal(found.nonfinite, [[0, 0], [1, 0]])
    np.testing.assert_array_equal(found.elements, [[32, 8], [32, 8]])
    assert found.qsnr_db[0, 1] == found.qsnr_db[1, 1] == inf
    assert np.isnan(found.cosine[1]).all()


def test_flushed_blocks_are_named() -> None:
    x = np.concatenate([np.full(16, 1.0), np.full(15, 1e-7), [0.0]]).astype(np.float32)
    found = analysis.per_block(x, "nvfp4")
    assert found.flushed.tolist() == [False, True]
    assert found.underflowed.tolist() == [0, 15 / 16]
    assert found.misalignment[1] == found.relative_mse[1] == 1


@pytest.mark.parametrize("name", BLOCKED)
def test_blocks_add_up_to_the_tensor(name: str, rng: np.random.Generator) -> None:
    x = (rng.standard_normal((37, 300)) * np.exp(3 * rng.standard_normal((37, 1)))).astype(np.float32)
    x[3, 7] = np.inf
    found, whole = analysis.per_block(x, name), analysis.summary(x, name)
    assert found.elements.sum() == x.size
    assert found.nonfinite.sum() == whole.nonfinite == 1
    for fraction in ("saturated", "underflowed"):
        total = (getattr(found, fraction) * found.elements).sum() / x.size
        assert total == pytest.approx(getattr(whole, fraction), abs=1e-12)
    if np.isfinite(found.crest).any():
        assert np.nanmean(found.misalignment) == pytest.approx(whole.misalignment, rel=1e-9, abs=1e-13)
        assert np.nanmean(found.crest) == pytest.approx(whole.crest_mean)
        assert np.nanmax(found.crest) == pytest.approx(whole.crest_max)
    else:
        assert isnan(whole.misalignment)


@pytest.mark.parametrize("name", BLOCKED)
def test_pieces_and_layouts_do_not_matter(name: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    x = rng.standard_normal((40, 3, 70)).astype(np.float32)
    axis = (2, 0) if "2d" in name or "128x128" in name else 0
    found = analysis.per_block(x, name, axis=axis)
    assert found.crest.shape == lb.quantize(x, name, axis=axis).scales.shape
    back = np.moveaxis(x, (2, 0) if isinstance(axis, tuple) else (0,), (-2, -1) if isinstance(axis, tuple) else (-1,))
    monkeypatch.setattr(views, "PIECE_ELEMENTS", 50)
    assert_equal(analysis.per_block(x, name, axis=axis), found)
    assert analysis.summary(back, name).misalignment == pytest.approx(np.nanmean(found.misalignment), rel=1e-9)


def test_kinds_of_arrays_agree(rng: np.random.Generator) -> None:
    x = torch.tensor(rng.standard_normal((4, 64)), dtype=torch.bfloat16)
    expected = analysis.per_block(x.float().numpy(), "nvfp4")
    assert_equal(analysis.per_block(x, "nvfp4"), expected)
    assert_equal(analysis.per_block(x.float().numpy().astype(ml_dtypes.bfloat16), lb.format("nvfp4")), expected)


def test_scalars_and_empty_tensors() -> None:
    scalar = analysis.per_block(np.array(3.0, np.float32), "mxfp4")
    assert scalar.crest.shape == ()
    assert (scalar.crest, scalar.elements, scalar.relative_mse) == (1, 1, 0)
    assert analysis.per_block(np.zeros((3, 0), np.float32), "mxfp4").crest.shape == (3, 0)
    assert analysis.per_block(np.zeros((0, 40), np.float32), "nvfp4").crest.shape == (0, 3)


def test_refusals() -> None:
    x = np.ones((2, 32), np.float32)
    with pytest.raises(ArgumentError, match="plain cast"):
        analysis.per_block(x, "bf16")
    with pytest.raises(ArgumentError, match="plain cast"):
        analysis.scale_use(x, "bf16")
    with pytest.raises(ShapeError):
        analysis.per_block(x, "mxfp4", axis=2)
    with pytest.raises(DtypeError):
        analysis.per_block(x.astype(float), "mxfp4")


def test_use_of_e8m0_scales_by_hand() -> None:
    x = np.ones((4, 32), np.float32)
    x[1], x[2], x[3, 0] = 0, 16.0, np.nan
    found = analysis.scale_use(x, "mxfp4")
    assert found.codes == {0: 1, 125: 1, 129: 1, 255: 1}
    assert (found.smallest, found.largest) == (2.0**-127, 4.0)
    assert (found.blocks, found.at_bottom, found.at_top, found.zero, found.nan) == (4, 0.25, 0, 0, 0.25)
    assert found.used == 3 / 255


def test_use_of_e4m3_scales_sees_both_clamps() -> None:
    x = np.full((4, 16), 1e-7, np.float32)
    x[0] = 6.0
    found = analysis.scale_use(x, "nvfp4")
    assert (found.at_top, found.at_bottom, found.zero) == (0.25, 0.75, 0.75)
    assert (found.smallest, found.largest) == (0, 448)


@pytest.mark.parametrize("name", ["int8_tensor", "int8_row", "int4_g32"])
def test_float32_scales_are_grouped_by_exponent(
    name: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    x = (rng.standard_normal((6, 256)) * 2.0 ** np.arange(6)[:, None]).astype(np.float32)
    scales = np.asarray(lb.quantize(x, name).scales, np.float32)
    exponents = (scales.view(np.uint32) >> 23).ravel()
    monkeypatch.setattr(views, "PIECE_ELEMENTS", 100)  # rows and tensor in parts, each block counted once
    found = analysis.scale_use(x, name)
    assert found.codes == {int(code): int((exponents == code).sum()) for code in np.unique(exponents)}
    assert found.largest == 2.0 ** (int(exponents.max()) - 127)
    assert found.zero == found.nan == 0


def test_counted_codes_merge() -> None:
    x = np.float32(2.0) ** np.arange(8, dtype=np.float32)[:, None] * np.ones((8, 32), np.float32)
    fmt = lb.format("mxfp4")
    assert fmt.scale is not None
    merged = sum((analysis.measure(part, fmt) for part in (x[:3], x[3:])), Sums())
    assert analysis.scale_use_of(merged.scale_codes, fmt.scale) == analysis.scale_use(x, fmt)
    empty = analysis.scale_use(np.zeros((0, 32), np.float32), fmt)
    assert (empty.blocks, empty.codes, empty.used) == (0, {}, 0)
    assert isnan(empty.smallest)


def test_a_format_without_nan_refuses_nonfinite_blocks() -> None:
    scale = lb.FloatElement(name="s", exponent_bits=4, mantissa_bits=3, bias=7, signed=False)
    fmt = lb.format("nvfp4").replace(scale=scale)
    assert analysis.per_block(np.array([[1.0, 6.0]], np.float32), fmt).relative_mse < 1e-13
    with pytest.raises(NonfiniteError):
        analysis.per_block(np.array([[np.nan, 1.0]], np.float32), fmt)


def test_saturation_of_blocks_that_chose_another_element() -> None:
    fmt = lb.format("e2m1/k16/ue4m3/ts448/alternatives=int4")
    x = np.zeros((2, 16), np.float32)
    x[0, :7] = np.arange(1, 8)  # integers: exact with int4
    x[1, :6] = 0.5, -1.0, 1.5, 2.0, 3.0, -6.0  # exact with e2m1
    assert analysis.per_block(x, fmt).saturated.tolist() == [[0], [0]]
    q = lb.quantize(x, fmt)
    assert len({int(word) >> 7 for word in q.scales.ravel()}) == 2  # both elements are in use
    assert analysis.summary(x, fmt).bits_per_element == pytest.approx(q.bits_per_element)
    narrow = fmt.replace(target_max=12, alternatives=[lb.Alternative(lb.element("int4"), Fraction(14))])
    both = analysis.per_block(x, narrow)
    y = lb.qdq(x, narrow)
    beyond = (np.abs(x) > np.abs(y) * (1 + 2e-6)) & (np.abs(y) == np.abs(y).max(axis=1, keepdims=True))
    np.testing.assert_array_equal(both.saturated[:, 0] * 16, beyond.sum(axis=1))
    assert both.saturated.min() > 0
