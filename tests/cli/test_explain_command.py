"""`lowbit explain`: files and numbers, text and JSON, and one-line complaints with exit code 2."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import lowbit as lb
from lowbit.cli import run_command


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((8, 48)).astype(np.float32)


def test_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["explain", "--values", "0.1,1.3,-2.6,5", "--format", "mxfp4", "--index", "2"]) == 0
    expected = lb.explain(np.array([0.1, 1.3, -2.6, 5], np.float32), "mxfp4", 2)
    assert capsys.readouterr().out == f"{expected}\n"


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors", "pt"])
def test_files(suffix: str, x: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"x.{suffix}"
    half = torch.from_numpy(x).bfloat16()
    match suffix:
        case "npy":
            np.save(path, x)
        case "npz":
            np.savez_compressed(path, w=x, other=x[:1])
        case "safetensors":
            save_file({"w": half, "b": half[0].clone()}, path)
        case _:
            torch.save({"w": half, "b": half[0].clone()}, path)
    arguments = ["explain", str(path), "--format", "nvfp4", "--index", "-1,17", "--json"]
    arguments += [] if suffix == "npy" else ["--tensor", "w"]
    assert run_command(arguments) == 0
    got = json.loads(capsys.readouterr().out)
    source = x if suffix in ("npy", "npz") else x.astype(ml_dtypes.bfloat16)
    assert got == lb.explain(source, "nvfp4", (7, 17)).to_dict()


def test_float64_is_rounded_and_arguments_are_passed_on(
    x: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", x.astype(np.float64))
    command = f"explain {tmp_path / 'x.npy'} --format nvfp4_2d --index 3,5 --axis 1,0 --seed 9 --stream 2 --offset 7"
    assert run_command([*command.split(), "--rounding", "stochastic:8:biased", "--tensor-amax", "5", "--json"]) == 0
    stochastic = lb.Stochastic(bits=8, rule=lb.StochasticRule.BIASED)
    arguments = {"axis": (1, 0), "rounding": stochastic, "seed": 9, "stream": 2, "offset": 7, "tensor_amax": 5.0}
    expected = lb.explain(x, "nvfp4_2d", (3, 5), **arguments)  # type: ignore[arg-type]
    assert json.loads(capsys.readouterr().out) == expected.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "FILE or --values"),
        (["x.npz", "--values", "1"], "FILE or --values"),
        (["--values", "1,two"], "numbers separated by commas"),
        (["--values", "1,2", "--index", "2"], "outside"),
        (["--values", "1,2", "--index", "a"], "integers separated by commas"),
        (["--values", "1,2", "--axis", "0,1,2"], "one axis, or two"),
        (["--values", "1,2", "--format", "mxfp5"], "mxfp5"),
        (["--values", "1,2", "--tensor", "w"], "FILE"),
        (["--values", "1,2", "--seed", "1"], "seed=1 has no effect"),
        (["x.npz"], "name one of them"),
        (["x.npz", "--tensor", "c"], "a, b"),
        (["missing.npz"], "cannot be read"),
    ],
)
def test_complaints(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "x.npz", a=np.ones(3, np.float32), b=np.ones(3, np.float32))
    assert run_command(["explain", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err
