"""Seeded sampling against the published figures of `published_figures`, at the tolerances that they state.

The default run draws 2^20 to 2^22 numbers a figure; the slow one 2^25 in eight parts, and prints (with -s) what it
found with its standard error.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from published_figures import DATA, FIGURES, OCTAVE, QSNR_TOLERANCE, SINGLE, Draw, Figure, NormalError

import lowbit as lb
from lowbit import analysis
from lowbit.analysis import Sums

ROW = 4096
SAMPLES = {"normal": 1 << 20, "uniform": 1 << 20, "laplace": 1 << 20, "t5": 1 << 20, "t3": 1 << 22, "outliers": 1 << 22}
MSE_TOLERANCE, MISALIGNMENT_TOLERANCE = 0.02, 0.001


def drawn(data: str, samples: int, part: int = 0) -> np.ndarray:
    """Seeded data of shape (rows, 4096)."""
    draw: Draw = DATA[data]
    return draw(np.random.default_rng([2025, part]), samples).astype(np.float32).reshape(-1, ROW)


@pytest.mark.parametrize("data", DATA)
def test_qsnr(data: str) -> None:
    x = drawn(data, SAMPLES[data])
    for figure in (figure for figure in FIGURES if figure.data == data):
        found = analysis.qsnr_db(x, lb.qdq(x, figure.spec))
        assert found == pytest.approx(figure.qsnr_db, abs=QSNR_TOLERANCE[data]), figure.label


@pytest.mark.slow
@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: f"{figure.label}-{figure.data}")
def test_qsnr_of_many_samples(figure: Figure) -> None:
    total, parts = Sums(), []
    for part in range(8):
        sums = analysis.measure(drawn(figure.data, 1 << 22, part), figure.spec)
        total += sums
        parts.append(sums.summary("").qsnr_db)
    found, deviation = total.summary("").qsnr_db, float(np.std(parts, ddof=1)) / np.sqrt(8)
    print(f"{figure.label} {figure.data}: {found:.3f} ± {deviation:.3f} dB, published {figure.qsnr_db}")
    assert found == pytest.approx(figure.qsnr_db, abs=QSNR_TOLERANCE[figure.data])


def test_the_published_data_is_not_of_unit_variance() -> None:
    x = drawn("uniform", SAMPLES["uniform"])
    unit = x * np.float32(np.sqrt(3))
    spec = "int4f2/k32/e8m0:rceil"
    assert analysis.qsnr_db(x, lb.qdq(x, spec)) == pytest.approx(18.11, abs=0.1)
    assert analysis.qsnr_db(unit, lb.qdq(unit, spec)) == pytest.approx(22.78, abs=0.1)


def errors(x: np.ndarray, row: NormalError) -> tuple[float, float, float]:
    """Relative MSE, misalignment of blocks and fraction of clipped elements."""
    fmt = lb.format(row.spec)
    assert fmt.block is not None
    if row.prescale == 1.0:
        found = analysis.summary(x, fmt)
        return found.relative_mse, found.misalignment, found.saturated
    size = fmt.block.elements
    assert size is not None
    blocks = x.reshape(-1, size)
    amax = np.abs(blocks).max(axis=1, keepdims=True)  # one element more sets the scale of what is prescaled
    longer = np.hstack([blocks * np.float32(row.prescale), amax])
    wide = fmt.replace(block=lb.BlockShape((size + 1,)))
    y = lb.qdq(longer, wide)[:, :-1] / np.float32(row.prescale)
    return analysis.relative_mse(blocks, y), analysis.misalignment(blocks, y), _clipped(longer, wide)


def _clipped(longer: np.ndarray, fmt: lb.BlockFormat) -> float:
    """Fraction of clipped elements but for the last of each block."""
    q = lb.quantize(longer, fmt)
    assert fmt.scale is not None
    scales = np.exp2(np.asarray(q.scales, np.float64) - fmt.scale.bias)
    return float(np.mean(np.abs(longer[:, :-1]) > fmt.element.max * scales))


def check(found: tuple[float, float, float], row: NormalError) -> None:
    """Every figure that the row states."""
    mse, misalignment, clipped = found
    assert mse == pytest.approx(row.mse, rel=MSE_TOLERANCE), row.label
    if row.misalignment is not None:
        assert misalignment == pytest.approx(row.misalignment, abs=MISALIGNMENT_TOLERANCE), row.label
    if row.clipped is not None:
        assert clipped == pytest.approx(row.clipped, abs=0.001), row.label


@pytest.mark.parametrize("row", SINGLE, ids=lambda row: row.label)
def test_errors_on_normal_data(row: NormalError) -> None:
    check(errors(drawn("normal", 1 << 20), row), row)


def octave(samples: int, steps: int) -> Iterator[np.ndarray]:
    """Normal data of standard deviations that divide an octave evenly."""
    for step in range(steps):
        yield drawn("normal", samples, step) * np.float32(2 ** (step / steps))


def averaged(row: NormalError, samples: int, steps: int) -> tuple[float, float, float]:
    mse, misalignment, clipped = np.mean([errors(x, row) for x in octave(samples, steps)], axis=0)
    return float(mse), float(misalignment), float(clipped)


@pytest.mark.parametrize("row", OCTAVE, ids=lambda row: row.label)
def test_errors_over_an_octave(row: NormalError) -> None:
    check(averaged(row, 1 << 17, 16), row)


@pytest.mark.slow
@pytest.mark.parametrize("row", OCTAVE, ids=lambda row: row.label)
def test_errors_over_an_octave_of_many_samples(row: NormalError) -> None:
    found = averaged(row, 1 << 21, 32)
    print(row.label, *(f"{value:.3e}" for value in found))
    check(found, row)


def test_orders_that_the_papers_state() -> None:
    x = drawn("normal", 1 << 20)
    qsnr = {figure.label: analysis.qsnr_db(x, lb.qdq(x, figure.spec)) for figure in FIGURES if figure.data == "normal"}
    assert qsnr["MXINT8"] > qsnr["MXFP8"]
    assert qsnr["MXFP6"] > qsnr["MXINT6"]
    assert qsnr["MXFP4"] > qsnr["MXINT4"]
    assert qsnr["NVINT4"] > qsnr["NVFP4"]
    assert qsnr["UE5M3 without tensor scale"] == pytest.approx(qsnr["NVFP4"], abs=0.01)


def test_alignment_kills_the_misalignment_of_prescaled_rounding() -> None:
    """Quartet's factor 1.009276 for RTN of 3/4."""
    row = SINGLE[-1]
    assert row.prescale == 0.75
    _, misalignment, _ = errors(drawn("normal", 1 << 20), row)
    assert abs(1 - 1.009276 * (1 - misalignment)) < MISALIGNMENT_TOLERANCE


def _quest(blocks: np.ndarray, deviation: np.ndarray, snap: np.ufunc) -> np.ndarray:
    """E2M1 with power-of-two scales for which 2.92247856 deviations map to about 6."""
    scale = np.exp2(snap(np.log2(deviation * 2.92247856 / 6))).astype(np.float32)
    return lb.qdq(blocks / scale, "e2m1") * scale


def test_the_published_figures_of_quest_remove_the_mean_of_blocks() -> None:
    """Its scale comes from the standard deviation of a block, the format's from the root mean square; they differ by
    the mean of 32 numbers, which the floored scale notices: 22.4e-3 published, 21.3e-3 with the root mean square.
    """
    found = []
    for x in octave(1 << 17, 16):
        blocks = x.reshape(-1, 32)
        std, rms = blocks.std(axis=1, keepdims=True), np.sqrt(np.square(blocks).mean(axis=1, keepdims=True))
        nearest, floor, ours = (_quest(blocks, *by) for by in ((std, np.rint), (std, np.floor), (rms, np.floor)))
        np.testing.assert_array_equal(ours, lb.qdq(blocks, "e2m1/k32/e8m0/statistic=rms"))
        mses = [analysis.relative_mse(blocks, y) for y in (nearest, floor, ours)]
        found.append([*mses, analysis.misalignment(blocks, nearest, 32)])
    nearest, floor, ours, misalignment = np.mean(found, axis=0)
    assert nearest == pytest.approx(13.39e-3, rel=MSE_TOLERANCE)
    assert misalignment == pytest.approx(1.5e-2, abs=MISALIGNMENT_TOLERANCE)
    assert floor == pytest.approx(22.4e-3, rel=MSE_TOLERANCE)
    assert ours == pytest.approx(21.28e-3, rel=MSE_TOLERANCE)
