"""The guarantee of sums: within 2^-48 of Σ|terms| of the exact sum, however a tensor is cut and merged."""

from math import fsum, inf, isnan, nan

import numpy as np
import pytest

import lowbit as lb
from lowbit import analysis
from lowbit.analysis import Sums, views

BOUND = 2.0**-48


def exact(x: np.ndarray, y: np.ndarray) -> dict[str, tuple[float, float]]:
    """Every sum and its Σ|terms|; the terms themselves are exact or rounded once."""
    a, b = x.ravel().astype(float), y.ravel().astype(float)
    terms = {
        "signal": a * a,
        "noise": (b - a) ** 2,
        "output": b * b,
        "product": a * b,
        "shift": b - a,
        "magnitude": np.abs(a),
        "output_magnitude": np.abs(b),
    }
    return {name: (fsum(each), fsum(np.abs(each))) for name, each in terms.items()}


@pytest.mark.parametrize("elements", [7, 100, 4096, 1 << 18])
@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "int8_row", "int8_tensor", "bf16"])
def test_any_cut_is_within_the_bound(
    name: str, elements: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    x = (rng.standard_normal((24, 700)) * np.exp(4 * rng.standard_normal((24, 1)))).astype(np.float32)
    expected = exact(x, lb.qdq(x, name))
    monkeypatch.setattr(views, "PIECE_ELEMENTS", elements)
    sums = analysis.measure(x, name)
    for field, (total, magnitude) in expected.items():
        assert abs(getattr(sums, field) - total) <= BOUND * magnitude, field


def test_merging_many_pieces_loses_nothing() -> None:
    pieces = [Sums(signal=0.1, shift=(-1) ** i * 1e9 + 0.1) for i in range(20_000)]
    total = sum(pieces, Sums())
    assert total.signal == fsum(piece.signal for piece in pieces)
    assert total.shift == fsum(piece.shift for piece in pieces)
    halves = sum(pieces[:7000], Sums()) + sum(pieces[7000:], Sums())
    assert (halves.signal, halves.shift) == (total.signal, total.shift)


def test_cancellation_keeps_what_was_small() -> None:
    total = Sums(shift=1e16) + Sums(shift=1.0) + Sums(shift=-1e16)
    assert total.shift == 1.0


@pytest.mark.parametrize("bad", [inf, nan])
def test_infinities_and_nans_stay(bad: float) -> None:
    total = Sums(noise=1.0) + Sums(noise=bad) + Sums(noise=2.0)
    assert total.noise == bad or (isnan(total.noise) and isnan(bad))


def test_misalignment_and_its_relatives_by_hand() -> None:
    x = np.array([1.0, 1.0, 2.0, 0.0, 0.0, 0.0], np.float32)
    y = np.array([0.5, 1.0, 3.0, 0.0, 0.0, 0.0], np.float32)
    assert analysis.misalignment(x, y, 2) == 1 - (0.75 + 1.5) / 2
    assert analysis.misalignment(x, y) == analysis.shrinkage(x, y) == 1 - 7.5 / 6
    assert analysis.misalignment(x.reshape(3, 2), y.reshape(3, 2), axis=0) == 1 - (6.5 / 5 + 1) / 2
    assert analysis.mean_error(x, y) == 0.5 / 6
    zero = np.zeros(4, np.float32)
    assert isnan(analysis.misalignment(zero, zero))
    assert isnan(analysis.shrinkage(zero, zero))
    assert isnan(analysis.mean_error(zero[:0], zero[:0]))
    x[5] = np.nan  # its group does not count
    assert analysis.misalignment(x, y, 2) == 1 - (0.75 + 1.5) / 2
    with pytest.raises(lb.errors.ShapeError):
        analysis.misalignment(x, y[:4], 2)
