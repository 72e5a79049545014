"""`lowbit conformance stochastic`: what it prints and writes, and its exit codes."""

import json
import sys
from pathlib import Path

import pytest

from lowbit.cli import run_command

MODULE = """
import lowbit as lb

def right(x, seed):
    return lb.qdq(x, "e2m1", rounding="stochastic:8:biased", seed=seed)

def shared(x, seed):
    y = right(x, seed)
    y[:, 1::2] = y[:, ::2]
    return y
"""

QUICK = ("--elements", str(1 << 18), "--gaps", "1")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder."""
    (tmp_path / "my_draws.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_draws", raising=False)
    return "my_draws"


def test_own_rounding_with_all_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "reports.jsonl"
    assert run_command(["conformance", "stochastic", "mxfp4", *QUICK, "--json", str(out)]) == 0
    reports = [json.loads(line) for line in out.read_text().splitlines()]
    assert [report["rounding"] for report in reports] == [
        *(f"stochastic:8:{rule}" for rule in ("midpoint", "nearest_even", "nearest_odd", "biased")),
        "stochastic:32:midpoint",
    ]
    assert all(report["ok"] and report["error_rate"] == pytest.approx(2e-7) for report in reports)
    assert capsys.readouterr().out.count("nothing speaks against it") == 5


def test_a_quantizer_and_its_mode(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["conformance", "stochastic", "e2m1", *QUICK, "--rounding", "stochastic:8:biased", "--quantizer"]
    assert run_command([*command, f"{module}:right", "--seeds", "2"]) == 0
    assert capsys.readouterr().out.count("exact:") == 2
    assert run_command([*command, f"{module}:shared"]) == 1
    assert "elements at lag 1" in capsys.readouterr().out


def test_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["conformance", "stochastic", "mxfp4", "--rounding", "nearest_even"]) == 2
    assert run_command(["conformance", "stochastic", "no_such_format"]) == 2
    assert "Traceback" not in capsys.readouterr().err
