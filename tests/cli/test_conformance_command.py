"""`lowbit conformance check` and `export`: exit codes, files, and one-line complaints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lowbit.cli import run_command

MODULE = """
import numpy as np
import lowbit as lb

NUMBER = 3

def right(x):
    return lb.qdq(x, "mxfp4")

def away(x):
    return lb.qdq(x, "mxfp4", rounding="nearest_away")

def drawn(x, seed):
    return lb.qdq(x, "mxfp4", rounding="stochastic", seed=seed)

def torch_only(x):
    return lb.qdq(x.float(), "mxfp4")

def needs_rows(x):
    if x.ndim < 2:
        raise ValueError("two axes, please")
    return lb.qdq(x, "mxfp4", axis=0)

class Kernels:
    @staticmethod
    def quantize(x):
        return lb.quantize(x, "nvfp4")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder."""
    (tmp_path / "my_kernels.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("import no_such_thing\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("my_kernels", "broken", "leaves"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "my_kernels"


def check(*arguments: str) -> int:
    return run_command(["conformance", "check", *arguments])


def test_a_right_quantizer_exits_with_0(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"{module}:right", "--format", "mxfp4") == 0
    assert capsys.readouterr().out.startswith("mxfp4, rounding nearest_even, axis -1: conforms to 2")


def test_a_wrong_one_exits_with_1_and_writes_json(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"{module}:away", "--format", "mxfp4", "--json", "report.json") == 1
    out = capsys.readouterr().out
    assert "breaks 1 clause and" in out and "5.ties" in out and "0xC0800000" in out
    data = json.loads(Path("report.json").read_text())
    assert not data["ok"] and data["violations"][0]["clause"] == "5.ties"
    assert data["violations"][0]["expected_bits"].startswith("0x")


def test_options_are_passed_on(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"{module}:drawn", "--format", "mxfp4", "--rounding", "stochastic", "--seed", "9") == 0
    assert check(f"{module}:drawn", "--format", "mxfp4", "--rounding", "stochastic", "--draws", "own") == 0
    assert check(f"{module}:Kernels.quantize", "--format", "nvfp4", "--clauses", "3,4.tensor_amax,5") == 0
    assert check(f"{module}:torch_only", "--format", "mxfp4", "--tensors", "torch", "--skip", "7.strides") == 0
    assert check(f"{module}:away", "--format", "mxfp4", "--skip", "5.ties") == 0
    assert check(f"{module}:needs_rows", "--format", "mxfp4", "--axis", "0", "--ndim", "2") == 0
    assert check(f"{module}:needs_rows", "--format", "mxfp4", "--axis", "0", "--clauses", "1") == 1
    assert "ValueError: two axes, please" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["my_kernels", "--format", "mxfp4"], "MODULE:FUNCTION"),
        (["my_kernels:missing", "--format", "mxfp4"], "missing"),
        (["my_kernels:NUMBER", "--format", "mxfp4"], "give a function"),
        (["nowhere:f", "--format", "mxfp4"], "ModuleNotFoundError"),
        (["broken:f", "--format", "mxfp4"], "no_such_thing"),
        (["leaves:f", "--format", "mxfp4"], "SystemExit"),
        (["my_kernels:right", "--format", "mxfp5"], "unknown format"),
        (["my_kernels:right", "--format", "mxfp4", "--clauses", "5.tie"], "no clause"),
        (["my_kernels:right", "--format", "mxfp4", "--axis", "x"], "integers"),
        (["my_kernels:right", "--format", "mxfp4", "--draws", "own"], "draws nothing"),
        (["my_kernels:right", "--format", "mxfp4", "--tensors", "jax"], "numpy, torch"),
        (["my_kernels:right", "--format", "mxfp4", "--accepts", "sneed"], "choose from"),
        (["my_kernels:right", "--format", "mxfp4", "--json", "no/where.json"], "cannot write"),
        (["my_kernels:right"], "--format"),
    ],
)
def test_bad_usage_is_one_line_and_exits_with_2(
    module: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert check(*arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error


def test_export(module: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for out in ("v.npz", "v.jsonl", "v.hex", "folder"):
        assert run_command(["conformance", "export", "mxfp4", "--out", out, "--clauses", "5.ties,8"]) == 0
        assert (tmp_path / out).exists()
    shown = capsys.readouterr().out
    assert "5.ties" in shown and "of 3 clauses in folder" in shown
    assert run_command(["conformance", "export", "mxfp4", "--out", "v.csv"]) == 2
    assert run_command(["conformance", "export", "mxfp4"]) == 2


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from lowbit.cli import run_command; run_command(['conformance', 'check', '--help'])"
    code += "; assert not {'numpy', 'torch', 'numba'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "MODULE:FUNCTION" in done.stdout
