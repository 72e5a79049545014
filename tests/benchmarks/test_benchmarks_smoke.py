"""`python -m benchmarks`: every row of its own runs and lands in table and JSON. Nothing here judges a time."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest


def run(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.slow
def test_a_quick_run_measures_every_row(repository: Path, tmp_path: Path) -> None:
    """One run and all its checks in one test: under xdist a shared fixture would run once a worker."""
    file = tmp_path / "quick.json"
    done = run(repository, "--quick", "--no-peers", "--size", "128", "--threads", "1,2", "--json", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["quick.json"]
    document = json.loads(file.read_text(encoding="utf-8"))
    check_numbers(document["rows"])
    check_requirements(document["rows"])
    check_bytes(document["rows"])
    check_machine_and_table(done.stdout, document)


def check_numbers(cells: list[dict[str, Any]]) -> None:
    """A positive number in every cell, and no verdict from a quick run."""
    assert not [cell for cell in cells if cell["failed"] or cell["skipped"]]
    for cell in cells:
        at_least = 0 if cell["key"].startswith("memory/") else sys.float_info.min
        assert math.isfinite(cell["value"]), cell
        assert cell["value"] >= at_least, cell
        assert all(math.isfinite(number) for number in cell["raw"].values()), cell
        assert cell["met"] is None, "a quick run judges nothing"


def check_requirements(cells: list[dict[str, Any]]) -> None:
    """Each row at the thread counts asked for, with what is required there."""
    counts = Counter(cell["key"] for cell in cells)
    once = {cell["key"] for cell in cells if cell["threads"] is None}
    assert {key.partition("/")[0] for key in once} == {"latency", "start"}
    assert all(count == (1 if key in once else 2) for key, count in counts.items())
    required = {(cell["key"], cell["threads"]): cell["required"] for cell in cells}
    assert (required["qdq/mxfp4", 1], required["qdq/mxfp4", 2]) == (0.8, 0.9)
    assert (required["nvfp4/own_pass", 1], required["nvfp4/own_pass", 2]) == (0.4, 0.45)
    assert (required["quantize/nvfp4", 1], required["quantize/nvfp4", 2]) == (0.55, 0.8)
    assert (required["quantize/nvfp4/own_pass", 1], required["quantize/nvfp4/own_pass", 2]) == (None, None)
    assert (required["training/nvfp4", 1], required["training/nvfp4", 2]) == (None, 1.35)
    assert not any(cell["key"].startswith("peer/") for cell in cells)


def check_bytes(cells: list[dict[str, Any]]) -> None:
    """Throughput counts the bytes that move: matrices in and out; of packed results the codes and scales."""
    moved = {
        "qdq/mxfp4": 2 * 4.0,
        "bf16/mxint8": 2 * 2.0,
        "quantize/mxfp4": 4 + 4.25 / 8,
        "dequantize/mxint8": 4 + 8.25 / 8,
    }
    raws = {cell["key"]: cell["raw"] for cell in cells if cell["threads"] == 1}
    for key, bytes_an_element in moved.items():
        raw = raws[key]
        counted = raw["subject_gb_per_s"] * 1e9 * raw["subject_s"] / 128**2
        base = raw["base_gb_per_s"] * 1e9 * raw["base_s"] / 128**2
        assert counted == pytest.approx(bytes_an_element)
        assert base == pytest.approx(4.0 if key.startswith("bf16") else 8.0)


def check_machine_and_table(text: str, document: dict[str, Any]) -> None:
    """The machine is described, and each row of the JSON is a line of the table."""
    machine = document["machine"]
    assert machine["cores_allowed"] >= 1
    assert {"torch", "numpy", "numba", "lowbit"} <= {name for name, version in machine["versions"].items() if version}
    assert document["settings"]["threads"] == [1, 2]
    assert "1 thread" in text
    assert "2 threads" in text
    for cell in document["rows"]:
        assert cell["label"] in text


def test_a_peer_that_is_missing_is_skipped_with_the_reason(repository: Path) -> None:
    done = run(repository, "--quick", "--size", "64", "--threads", "1", "--rows", "peer/microxcaling/mxfp4,qdq/mxfp4")
    assert done.returncode == 0, done.stderr
    try:
        import mx  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        assert "microxcaling is not installed" in done.stdout
    assert "× memcpy" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rows", "no-such-row"), "'no-such-row' selects nothing"),
        (("--threads", "0"), "'0' is not a positive integer"),
        (("--size", "many"), "'many' is not a positive integer"),
        (("--json", "no/such/folder/file.json"), "the folder does not exist"),
    ],
)
def test_bad_usage_is_one_line_and_status_two(repository: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run(repository, *arguments)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_list_prints_unique_keys(repository: Path) -> None:
    done = run(repository, "--list")
    keys = done.stdout.split()
    assert done.returncode == 0
    assert len(keys) == len(set(keys)) > 50
    assert "peer/torchao/mxfp4" in keys
