"""Published figures of randomized methods: stochastic rounding, and random Hadamard rotations."""

import numpy as np
import pytest
from published_figures import DATA, QSNR_TOLERANCE

import lowbit as lb
from lowbit import analysis

ROW, SAMPLES = 4096, 1 << 20
MSE_TOLERANCE, SHRINKAGE_TOLERANCE = 0.02, 0.001
SEED = 2025

# Where candidates are compared by what stochastic rounding made of them, four over six shrinks by a published -7.3e-3;
# here they are compared to nearest even, whatever rounding is asked for (contract §4), and only saturation shrinks.
STOCHASTIC = {  # spec: (relative MSE, shrinkage) of stochastic rounding on normal data
    "nvfp4": (18.9e-3, 3.3e-3),
    "e2m1/k16/ue4m3/ts448/target_max=5.647059": (23.52e-3, 0.0),  # 6 * 16/17: no scale that rounds down clips
    "e2m1/k16/ue4m3/ts256/alternatives=e2m1@4": (17.50e-3, 1.8e-3),
}
OCTAVE = {  # spec: (relative MSE, shrinkage or None), averaged over one octave of the standard deviation
    "mxfp4": (24.98e-3, 1.35e-2),
    "e2m1/k32/e8m0:rceil": (27.80e-3, 0.0),
    "e2m1/k32/e8m0:ceil": (40.2e-3, 0.0),
    "e2m1/k32/e8m0:even": (25.3e-3, None),
}

# QSNR in dB of data with outliers and of Laplace data, rotated by random 32 x 32 Hadamard matrices, also for blocks of
# 16: with matrices of 16 NVFP4 has 19.85 and 20.35, NVINT4 22.21 and 21.60 dB (standard errors up to 0.02).
ROTATED = {
    ("e4m3/k32/e8m0:rceil", 32): (31.54, 31.54),
    ("int8f6/k32/e8m0:rceil", 32): (42.61, 42.36),
    ("e2m3/k32/e8m0:rceil", 32): (31.13, 31.04),
    ("int6f4/k32/e8m0:rceil", 32): (30.40, 30.08),
    ("e2m1/k32/e8m0:rceil", 32): (19.02, 18.68),
    ("int4f2/k32/e8m0:rceil", 32): (17.77, 16.95),
    ("nvfp4", 32): (19.97, 20.40),
    ("nvint4", 32): (22.14, 21.44),
}


def normal(part: int = 0, samples: int = SAMPLES) -> np.ndarray:
    return np.random.default_rng([SEED, part]).standard_normal(samples).astype(np.float32).reshape(-1, ROW)


def stochastic(x: np.ndarray, spec: str) -> tuple[float, float]:
    """(relative MSE, shrinkage) with 32 random bits an element."""
    y = lb.qdq(x, spec, rounding="stochastic", seed=SEED)
    return analysis.relative_mse(x, y), analysis.shrinkage(x, y)


@pytest.mark.parametrize("spec", STOCHASTIC)
def test_stochastic_rounding(spec: str) -> None:
    mse, shrinkage = STOCHASTIC[spec]
    found = stochastic(normal(), spec)
    assert found[0] == pytest.approx(mse, rel=MSE_TOLERANCE)
    assert found[1] == pytest.approx(shrinkage, abs=SHRINKAGE_TOLERANCE)


@pytest.mark.parametrize("spec", OCTAVE)
def test_stochastic_rounding_over_an_octave(spec: str) -> None:
    mse, shrinkage = OCTAVE[spec]
    parts = [stochastic(normal(step, 1 << 17) * np.float32(2 ** (step / 16)), spec) for step in range(16)]
    found = np.mean(parts, axis=0)
    assert found[0] == pytest.approx(mse, rel=MSE_TOLERANCE)
    if shrinkage is not None:
        assert found[1] == pytest.approx(shrinkage, abs=SHRINKAGE_TOLERANCE)


@pytest.mark.parametrize(("spec", "group"), ROTATED)
def test_random_rotations(spec: str, group: int) -> None:
    for data, qsnr in zip(("outliers", "laplace"), ROTATED[spec, group], strict=True):
        x = DATA[data](np.random.default_rng(SEED), SAMPLES).astype(np.float32).reshape(-1, ROW)
        turn = lb.Hadamard(group, signs=SEED)
        found = analysis.qsnr_db(lb.rotate(x, turn), lb.qdq(x, spec, transform=turn))
        assert found == pytest.approx(qsnr, abs=QSNR_TOLERANCE[data]), data


@pytest.mark.parametrize(("data", "qsnr"), [("normal", 21.61), ("laplace", 21.01), ("t5", 21.12)])
def test_hif4(data: str, qsnr: float) -> None:
    x = DATA[data](np.random.default_rng(SEED), SAMPLES).astype(np.float32).reshape(-1, ROW)
    assert analysis.qsnr_db(x, lb.qdq(x, "hif4")) == pytest.approx(qsnr, abs=QSNR_TOLERANCE[data])
