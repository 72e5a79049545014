"""Published errors on normal data, within four standard errors of a small sample (the oracle is slow).

The figures are relative mean square errors on normal numbers; standard errors are those of the ratio of two sums over
blocks. Errors of power-of-two scales are averaged over an octave of the standard deviation, since they are periodic in
its logarithm.
"""

from typing import Any

import numpy as np
import pytest

from lowbit import reference

TENSOR_AMAX = 5.0
"""About the largest of 2^20 normal numbers: the tensor scale is that of a large tensor, not of the sample."""

MS_EDEN = f"e2m1/k16/ue4m3/ts255.99/target_max={6 * 16 / 17 / 0.93}/correction=eden"
IF4_INTEGERS = "{" + ",".join(f"{6 * k / 7:.9g}" for k in range(-7, 8)) + "}"

NVFP4_FAMILY = (
    ("e2m1/k16/ue4m3/ts448", {}, 9.04e-3),
    ("e2m1/k16/ue4m3/ts256/alternatives=e2m1@4", {}, 7.56e-3),  # four over six, arXiv 2512.02010
    (MS_EDEN, {"seed": 1}, 9.31e-3),  # Quartet II, arXiv 2601.22813; groups of 16, 32 and 128
    (f"{MS_EDEN}/correction_group=32", {"seed": 1}, 9.69e-3),
    (f"{MS_EDEN}/correction_group=128", {"seed": 1}, 9.72e-3),
    (f"e2m1/k16/ue4m3/ts448/alternatives={IF4_INTEGERS}", {}, 10**-2.210),  # IF4, arXiv 2603.28765: 22.10 dB
)
OVER_AN_OCTAVE = (
    ("e2m1/k32/e8m0", 32, 13.36e-3),
    ("e2m1/k32/e8m0:nearest", 32, 14.63e-3),
    ("e2m1/k32/e8m0:nearest/statistic=rms", 32, 13.39e-3),  # QuEST, arXiv 2502.05003
    ("e2m1/k32/e8m0:floor/statistic=rms", 32, 22.4e-3),
    ("e2m1/k32/e8m0:mse", 32, 12.51e-3),
    ("e2m1/k32/e8m0/peak=extra_mantissa", 32, 10**-1.987),  # MX+, arXiv 2510.14557: 19.87 dB
    ("e1m2/k64/ue6m2/micro_exponents=8+4", 64, 10**-2.161),  # HiF4, arXiv 2602.11287: 21.61 dB
)


def relative_error(x: np.ndarray, unit: np.ndarray, spec: str, size: int, **arguments: Any) -> tuple[float, float]:
    """Squared errors over squares, both in units of `unit`, and the standard error of that over runs of `size`."""
    values = np.array(reference.qdq(x.tolist(), spec, **arguments), np.float64)
    errors, energies = (((part / unit) ** 2).reshape(-1, size).sum(axis=1) for part in (values - x, x))
    ratio = errors.sum() / energies.sum()
    return float(ratio), float(np.sqrt(((errors - ratio * energies) ** 2).sum()) / energies.sum())


def check(estimate: float, error: float, published: float) -> None:
    """Within four standard errors, of a sample large enough to mean something."""
    assert abs(estimate - published) < 4 * error
    assert error < 0.08 * published


@pytest.mark.parametrize(("spec", "arguments", "published"), NVFP4_FAMILY)
def test_two_levels(spec: str, arguments: dict[str, int], published: float) -> None:
    x = np.random.default_rng(2).standard_normal((16, 256)).astype(np.float32)
    check(*relative_error(x, np.ones(()), spec, 128, tensor_amax=TENSOR_AMAX, **arguments), published)


@pytest.mark.parametrize(("spec", "size", "published"), OVER_AN_OCTAVE)
def test_powers_of_two_over_an_octave(spec: str, size: int, published: float) -> None:
    rng = np.random.default_rng(4)
    unit = 2.0 ** np.repeat(rng.random((192, 1)), size, axis=1)
    x = (rng.standard_normal((192, size)) * unit).astype(np.float32)
    check(*relative_error(x, unit, spec, size), published)
