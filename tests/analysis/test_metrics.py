"""The metrics of a pair of arrays, against values computed by hand."""

from math import inf, isnan, log10, nan, sqrt

import ml_dtypes
import numpy as np
import pytest
import torch

from lowbit import analysis
from lowbit.analysis import views
from lowbit.errors import ArgumentError, DtypeError, ShapeError

X = np.array([3.0, -4.0, 0.0], np.float32)
Y = np.array([3.0, -3.0, 1.0], np.float32)


def test_by_hand() -> None:
    assert analysis.qsnr_db(X, Y) == pytest.approx(10 * log10(25 / 2))
    assert analysis.relative_mse(X, Y) == 2 / 25
    assert analysis.bias(X, Y) == 2 / 7
    assert analysis.magnitude_bias(X, Y) == 0
    assert analysis.magnitude_bias(X, Y / 2) == -0.5
    assert analysis.cosine(X, Y) == pytest.approx(21 / sqrt(25 * 19))


def test_equal_zero_and_empty() -> None:
    zero, empty = np.zeros(3, np.float32), np.zeros((0, 4), np.float32)
    assert analysis.qsnr_db(X, X) == inf
    assert analysis.qsnr_db(zero, zero) == inf
    assert analysis.qsnr_db(empty, empty) == inf
    assert analysis.relative_mse(zero, X) == inf
    assert analysis.qsnr_db(zero, X) == -inf
    assert isnan(analysis.bias(zero, X))
    assert isnan(analysis.cosine(X, zero))


@pytest.mark.parametrize("bad", [nan, inf])
def test_nonfinite_is_not_left_out(bad: float) -> None:
    broken = np.array([3.0, bad, 0.0], np.float32)
    assert isnan(analysis.relative_mse(broken, broken))
    assert isnan(analysis.qsnr_db(broken, X))


def test_infinite_error_of_finite_input() -> None:
    assert analysis.qsnr_db(X, np.array([3.0, -inf, 0.0], np.float32)) == -inf


def test_kinds_of_arrays_agree() -> None:
    expected = analysis.qsnr_db(X, Y)
    pairs = [
        (torch.from_numpy(X), torch.from_numpy(Y)),
        (torch.from_numpy(X).bfloat16(), Y.astype(np.float64)),
        (X.astype(ml_dtypes.bfloat16), torch.tensor(Y, dtype=torch.float16, requires_grad=True)),
        (X.astype(">f4"), Y.astype(np.float16)),
    ]
    assert [analysis.qsnr_db(x, y) for x, y in pairs] == [expected] * len(pairs)


def test_strides_and_pieces(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    x = rng.standard_normal((7, 11, 5)).astype(np.float32)
    y = (x + 0.1 * rng.standard_normal(x.shape)).astype(np.float32)
    expected = 10 * log10(np.square(x, dtype=float).sum() / np.square(x.astype(float) - y).sum())
    monkeypatch.setattr(views, "PIECE_ELEMENTS", 8)
    assert analysis.qsnr_db(x, y) == pytest.approx(expected, rel=1e-12)
    assert analysis.qsnr_db(x.T, y.T) == pytest.approx(expected, rel=1e-12)
    assert analysis.qsnr_db(x[::-1, ::2], y[::-1, ::2]) == pytest.approx(
        analysis.qsnr_db(x[::-1, ::2].copy(), y[::-1, ::2].copy()), rel=1e-12
    )


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"\(3,\) and \(1, 3\)"):
        analysis.qsnr_db(X, Y[None])
    with pytest.raises(DtypeError, match="list"):
        analysis.qsnr_db([1.0], [1.0])
    with pytest.raises(DtypeError, match="int64"):
        analysis.qsnr_db(np.arange(3), X)
    with pytest.raises(DtypeError, match=r"astype\(numpy.float32\)"):
        analysis.crest_factor(X.astype(np.float64))
    with pytest.raises(ArgumentError, match="block=0"):
        analysis.crest_factor(X, 0)
    with pytest.raises(ShapeError, match="axis 1"):
        analysis.crest_factor(X, 2, axis=1)


def test_crest_factor_by_hand() -> None:
    x = np.array([[3, 4, 0, 0, 5], [1, 1, 0, -2, nan]], np.float32)
    crest = analysis.crest_factor(x, 2)
    assert crest.shape == (2, 3)
    np.testing.assert_allclose(crest, [[4 / sqrt(12.5), nan, 1], [1, 2 / sqrt(2), nan]])
    np.testing.assert_allclose(analysis.crest_factor(x[:, :2], axis=0), [[3 / sqrt(5)], [4 / sqrt(8.5)]])
    assert analysis.crest_factor(np.zeros((2, 0), np.float32), 4).shape == (2, 0)


def test_crest_factor_in_pieces(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    x = rng.standard_normal((9, 70)).astype(np.float32)
    whole = analysis.crest_factor(x, 8)
    monkeypatch.setattr(views, "PIECE_ELEMENTS", 20)
    np.testing.assert_array_equal(analysis.crest_factor(x, 8), whole)
    np.testing.assert_array_equal(analysis.crest_factor(x.T, 8, axis=0), whole)


@pytest.mark.parametrize(
    ("shape", "grains"),
    [((), ()), ((5,), (2,)), ((3, 70), (32,)), ((2, 3, 40, 50), (16, 16)), ((4, 0), (2,)), ((300, 3, 3), (2,))],
)
def test_pieces_cover_once_at_block_borders(
    shape: tuple[int, ...], grains: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PIECE_ELEMENTS", 64)
    seen = np.zeros(shape, int)
    for index in views.pieces(shape, grains):
        seen[index] += 1
        assert seen[index].size <= max(64, int(np.prod(grains)))
        for part, side in zip(index[len(index) - len(grains) :], grains, strict=True):
            assert part.start % side == 0
    assert (seen == 1).all()
