"""`lowbit report`: what is printed, what is written, and one-line complaints with exit code 2."""

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lowbit.cli import report_command, run_command
from lowbit.reports import DEFAULT_FORMATS


@pytest.fixture
def file(tmp_path: Path, rng: np.random.Generator) -> Path:
    x = rng.standard_normal((16, 64)).astype(np.float32)
    np.savez(tmp_path / "x.npz", **{"w[bold]": x, "ids": np.arange(3)})
    return tmp_path / "x.npz"


def test_table(file: Path) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    report_command.register(app)
    result = CliRunner().invoke(app, ["report", str(file)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "x.npz: 1 tensor, 1,024 elements" in lines[0]
    assert "w[bold]  16×64 float32" in lines
    names = [line.split()[0] for line in lines if line.startswith("  ")]
    assert names == ["format", *DEFAULT_FORMATS, *DEFAULT_FORMATS]
    assert all(len(line.split()) == 8 for line in lines if line.startswith("  m"))
    assert "Skipped 1 tensor (int64" in result.stdout
    assert "100%" in result.stderr
    assert "%" not in result.stderr.replace("% w[bold]", "")


def test_formats_with_commas_and_spaces(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["report", str(file), "--formats", "mxfp4, {-1,0,1}/k32/e8m0,e3m2/k16/ue5m3:ceil/ts"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert names[1:4] == ["mxfp4", "{-1,0,1}/k32/e8m0", "e3m2/k16/ue5m3:ceil/ts448"]


def test_page_is_written_whole(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r.html"
    assert run_command(["report", str(file), "--formats", "mxfp4,nvfp4", "--out", str(out), "--axis", "0"]) == 0
    assert capsys.readouterr().out.endswith(f"wrote {out}\n")
    text = out.read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>")
    assert "blocks along axis 0" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "x.npz"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.npz"],
        ["."],
        ["x.npz", "--formats", "mxfp5"],
        ["x.npz", "--formats", ""],
        ["x.npz", "--formats", "mxfp4,mxfp4"],
        ["x.npz", "--out", "missing/r.html"],
        ["x.npz", "--out", "."],
        ["x.npz", "--out", "x.npz"],
        ["x.npz", "--axis", "one"],
        ["truncated.npz", "--out", "r.html"],
        ["only_integers.npy", "--out", "r.html"],
        ["objects.npy", "--out", "r.html"],
        [],
    ],
)
def test_complaints(
    file: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = file.parent
    monkeypatch.chdir(folder)
    Path("truncated.npz").write_bytes(file.read_bytes()[:-40])
    np.save("only_integers.npy", np.arange(4))
    np.save("objects.npy", np.array([{}], dtype=object))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert run_command(["report", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("lowbit: error: ")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_an_axis_that_no_tensor_has(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["report", str(file), "--axis", "2"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "axis 2 does not exist in shape (16, 64)" in captured.err.splitlines()[-1]
