"""The table of defects fits the tree, and the check tells caught from survived from unclear."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mutation_check import Defect, Verdict, copied_tree, judge, planted
from planted_defects import DEFECTS

PROGRAM = "def double(x):\n    return 2 * x\n"
TEST = "from program import double\n\n\ndef test_double():\n    assert double(3) == 6\n"
SMALL = Defect("wrong factor", "program.py", "2 * x", "3 * x", ("tests/test_first.py",))


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_every_defect_changes_one_place_and_names_tests(defect: Defect, repository: Path) -> None:
    text = (repository / defect.file).read_text(encoding="utf-8")
    assert text.count(defect.before) == 1 and defect.before != defect.after
    if defect.file.endswith(".py"):
        compile(text.replace(defect.before, defect.after), defect.file, "exec")
    assert defect.tests and all((repository / test).exists() for test in defect.tests)


def test_there_are_enough_of_them() -> None:
    assert len(DEFECTS) >= 25 and len({defect.name for defect in DEFECTS}) == len(DEFECTS)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A tree of its own with one function and two test files, of which only the second looks at numbers."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib']\n")
    (tmp_path / "tests" / "test_first.py").write_text("import program\n\n\ndef test_import():\n    assert program\n")
    (tmp_path / "tests" / "test_second.py").write_text(TEST)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def test_a_defect_is_caught_by_the_whole_suite_where_its_own_tests_pass(project: Path) -> None:
    with copied_tree(project) as tree:
        outcome = judge(tree, SMALL, workers=1)
        assert outcome.verdict is Verdict.CAUGHT and outcome.evidence == "tests/test_second.py::test_double"
        assert (tree / "program.py").read_text() == PROGRAM
    assert (project / "program.py").read_text() == PROGRAM and not tree.exists()


def test_a_defect_that_nothing_notices_survives(project: Path) -> None:
    (project / "tests" / "test_second.py").unlink()
    with copied_tree(project) as tree:
        assert judge(tree, SMALL, workers=1).verdict is Verdict.SURVIVED


def test_a_tree_that_does_not_import_proves_nothing(project: Path) -> None:
    with copied_tree(project) as tree:
        assert judge(tree, replace(SMALL, after="2 *"), workers=1).verdict is Verdict.UNCLEAR


def test_text_that_is_not_there_is_an_error(project: Path) -> None:
    with (
        copied_tree(project) as tree,
        pytest.raises(ValueError, match="0 places"),
        planted(tree, replace(SMALL, before="9")),
    ):
        pass


def test_usage(repository: Path) -> None:
    command = [sys.executable, str(repository / "tests" / "mutations")]
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines() == [defect.name for defect in DEFECTS]
    for wrong in (["no such defect"], ["--workers", "0"]):
        refused = subprocess.run([*command, *wrong], capture_output=True, text=True, check=False)
        assert refused.returncode == 2 and "Traceback" not in refused.stderr
