"""`lowbit conformance peers`: the page, a line for each library, exit codes, and one-line complaints."""

from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from lowbit.cli import run_command
from lowbit.testing import Adapter, peers
from lowbit.testing.peers import model
from lowbit.testing.peers.libraries import numpy_


def run(*arguments: str) -> int:
    return run_command(["conformance", "peers", *arguments])


@pytest.fixture
def without_qtorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has numpy, and no qtorch."""

    def version(name: str) -> str:
        if name == "qtorch":
            raise PackageNotFoundError(name)
        return "1.2.3+cpu"

    monkeypatch.setattr(model, "version", version)
    monkeypatch.setattr(peers, "list_peers", lambda: ["numpy", "qtorch"])


def test_the_page_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("numpy", "numpy") == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("# What other libraries do differently") and "`x.astype(numpy.float16)`" in shown.out
    assert shown.err.startswith("numpy ") and shown.err.endswith(" compared, as on record\n")
    assert shown.err.count("\n") == 1


def test_or_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("numpy", "--out", str(tmp_path / "page.md")) == 0
    assert capsys.readouterr().out == ""
    assert "| numpy |" in (tmp_path / "page.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


@pytest.mark.usefixtures("without_qtorch")
def test_libraries_that_are_not_installed_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    shown = capsys.readouterr()
    assert "| numpy | 1.2.3 | 1 |" in shown.out and "Not checked: qtorch is not installed" in shown.out
    assert "pip install qtorch" in shown.err


@pytest.mark.usefixtures("without_qtorch")
def test_asking_for_one_that_is_not_installed_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("qtorch") == 2
    shown = capsys.readouterr()
    assert (
        shown.err == ("lowbit: error: qtorch is not installed, so it cannot be checked: pip install qtorch ninja\n")
        and not shown.out
    )


def test_a_library_that_changed_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = Adapter(format="bf16", call="x.astype(numpy.float16)", quantizer=lambda x: x.astype("float16"))
    monkeypatch.setattr(numpy_, "PEER", replace(numpy_.PEER, make=lambda: [changed]))
    assert run("numpy") == 1
    shown = capsys.readouterr()
    assert "not as on record" in shown.err and "bf16: 5.saturation" in shown.err
    assert "### 5.saturation" in shown.out and "not on record" in shown.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tensorflow"], "no adapter for 'tensorflow'; choose from: brevitas, "),
        (["numpy", "--out", "no/where.md"], "cannot write no/where.md"),
        (["numpy", "--to", "page.md"], "No such option"),
    ],
)
def test_bad_usage_is_one_line_and_exits_with_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err and shown.err.count("\n") == 1 and not shown.out
