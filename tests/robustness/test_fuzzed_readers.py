"""No damaged file or text makes lowbit crash, hang, fill memory or run code; see `fuzz_readers.py`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lowbit

COUNTS = {"texts": 40_000, "tensors": 25_000, "qtensors": 20_000, "studies": 20_000}
"""Inputs of the whole check: 105,000."""

resource = pytest.importorskip("resource", reason="limits of memory and time need POSIX")


def outcomes(reader: str, count: int, seed: int) -> dict[str, int]:
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here.parent / "helpers"), str(Path(lowbit.__file__).resolve().parents[1])])
    command = [sys.executable, str(here / "fuzz_readers.py"), reader, str(count), str(seed)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    counts: dict[str, int] = json.loads(done.stdout)
    assert sum(counts.values()) == count and counts["read"] < count
    return counts


@pytest.mark.parametrize("reader", COUNTS)
def test_damaged_input_gives_one_clear_error(reader: str) -> None:
    outcomes(reader, 1000, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("reader", COUNTS)
def test_a_hundred_thousand_damaged_inputs(reader: str) -> None:
    outcomes(reader, COUNTS[reader], seed=1)
