"""`lowbit study ...` and the command itself: exit codes, one-line errors, and help that loads nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

from lowbit.cli import run_command
from lowbit.studies import Arm, LanguageSettings, Mode, Study, TaskPlan, run
from lowbit.studies.spec import BASELINE
from lowbit.version import __version__


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "study"
    settings = LanguageSettings(
        steps=2, batch=2, context=16, warmup=1, width=32, hidden=32, layers=1, heads=1, eval_windows=2
    )
    arm = Arm(format="mxfp4", mode=Mode.GEMMS, recipe="gemms:mxfp4")
    plan = TaskPlan(task="language", settings=settings)
    run(Study(name="t", description="", tasks=(plan,), arms=(BASELINE, arm), seeds=(0, 1)), out=folder, workers=1)
    return folder


def test_show_and_plot_read_back(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command(["study", "show", str(finished)]) == 0
    shown = capsys.readouterr().out
    assert "all three GEMMs" in shown
    assert "mxfp4" in shown
    assert "4.25" in shown
    assert run_command(["study", "plot", str(finished), "--out", str(tmp_path / "p.svg")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "p.svg")
    assert (tmp_path / "p.svg").read_text().rstrip().endswith("</svg>")


def test_run_on_a_finished_folder_prints_tables_and_places(finished: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command(["study", "run", str(finished / "study.json"), "--out", str(finished)]) == 0
    printed = capsys.readouterr().out
    assert "4 of 4 trials are already done" in printed
    for part in ("gap to fp32", "results.parquet", "plot.png", "time"):
        assert part in printed


def test_list_names_quick(capsys: pytest.CaptureFixture[str]):
    assert run_command(["study", "list"]) == 0
    printed = capsys.readouterr().out
    assert "quick" in printed
    assert "150 trials" in printed


def test_version(capsys: pytest.CaptureFixture[str]):
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out == f"lowbit {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["study", "run", "quick"], "--out"),
        (["study", "run", "nope", "--out", "{new}"], "no study named 'nope'"),
        (["study", "run", "nope.json", "--out", "{new}"], "cannot read study file"),
        (["study", "run", "quick", "--out", "{new}", "--workers", "0"], "workers"),
        (["study", "run", "quick", "--out", "{new}", "--workers", "two"], "--workers"),
        (["study", "run", "quick", "--out", "{new}", "--engine", "ray"], "no engine named 'ray'"),
        (["study", "run", "quick", "--out", "{new}", "--seeds", "0"], "seeds"),
        (["study", "run", "quick", "--out", "{new}", "--text", "{new}"], "cannot read text file"),
        (["study", "run", "quick", "--out", "{file}"], "is a file"),
        (["study", "run", "quick", "--out", "{file}/below"], "cannot"),
        (["study", "run", "quick", "--out", "{full}"], "not a study folder"),
        (["study", "show", "{full}"], "not a study folder"),
        (["study", "plot", "{full}"], "not a study folder"),
        (["study", "plot", "{done}", "--out", "{new}.exe"], ".png, .svg, .pdf"),
        (["study", "plot", "{done}", "--out", "{new}/sub/plot.png"], "cannot write"),
        (["study", "dance"], "dance"),
        (["dance"], "dance"),
        (["--frobnicate"], "frobnicate"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(
    arguments: list[str], said: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    names = {"new": tmp_path / "new", "file": tmp_path / "full" / "file", "full": tmp_path / "full", "done": finished}
    assert run_command([argument.format(**names) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("lowbit: error: ")
    assert said in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_failed_work_exits_with_one(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the sky\nfell")

    monkeypatch.setattr("lowbit.studies.tables.render", broken)
    assert run_command(["study", "show", str(finished)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "RuntimeError: the sky fell" in error


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from lowbit.cli import run_command\n"
        "assert run_command(['study', 'run', '--help']) == 0\n"
        "heavy = {'torch', 'numpy', 'numba', 'scipy', 'matplotlib', 'pyarrow', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in ("--out", "--workers", "--engine", "--seeds", "--text"):
        assert option in done.stdout


def test_installed_command_exits_with_the_code():
    done = subprocess.run(
        [sys.executable, "-m", "lowbit.cli", "study", "show", "/nowhere"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
