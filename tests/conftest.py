"""What every test shares: seeds, hypothesis profiles, and one thread per worker under xdist."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Set before anything imports matplotlib, torch or a BLAS: no display is needed, and under `-n` each worker
# takes one core instead of all of them.
os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# `ci` repeats the same examples in every run and keeps no database, so a red run is red again; `dev` looks
# further and remembers failures; `thorough` has 10,000 examples a property, the same in every run. Choose with
# HYPOTHESIS_PROFILE. No deadlines: the first call of a kernel compiles it.
_SLOW_IS_FINE = [HealthCheck.too_slow]
settings.register_profile("ci", derandomize=True, database=None, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("dev", deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def seed() -> int:
    """One fixed seed, for whatever a test draws."""
    return 20_240_229


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """A numpy generator that starts anew, from the same seed, in every test."""
    return np.random.default_rng(seed)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree the tests lie in (the package under test may be installed elsewhere)."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of stored vectors."""
    return Path(__file__).resolve().parent / "golden"
