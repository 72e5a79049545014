"""A copy of the tree with one defect in it, and whether its tests fail."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

WHOLE_SUITE = ("tests",)


class Verdict(StrEnum):
    """What became of a defect."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    UNCLEAR = "unclear"  # the tests did not run as tests: nothing was collected, or Python could not import them


@dataclass(frozen=True, slots=True)
class Defect:
    """One change of one file: `before`, which the file has exactly once, becomes `after`.

    tests: where to look first, for the sake of speed; if those pass, the whole suite decides.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, with the first failing test or what went wrong."""

    defect: Defect
    verdict: Verdict
    evidence: str


@contextmanager
def copied_tree(root: Path) -> Iterator[Path]:
    """A temporary copy of what git tracks, and of new files that it does not ignore; links stay links."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        check=True,
    )
    with tempfile.TemporaryDirectory(prefix="mutations-") as name:
        target = Path(name) / "tree"
        for relative in filter(None, listed.stdout.decode().split("\0")):
            source, copy = root / relative, target / relative
            if source.is_symlink() or source.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy, follow_symlinks=False)
        yield target


@contextmanager
def planted(tree: Path, defect: Defect) -> Iterator[None]:
    """The tree with the defect in it. ValueError unless the text to change is there exactly once."""
    file = tree / defect.file
    text = file.read_text(encoding="utf-8")
    if text.count(defect.before) != 1:
        raise ValueError(f"{defect.name}: {defect.file} has {text.count(defect.before)} places like {defect.before!r}")
    file.write_text(text.replace(defect.before, defect.after), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(text, encoding="utf-8")


def judge(tree: Path, defect: Defect, *, workers: int) -> Outcome:
    """Plant a defect and run its tests, then the whole suite if those pass."""
    with planted(tree, defect):
        for tests in (defect.tests, WHOLE_SUITE):
            verdict, evidence = run_tests(tree, tests, workers=workers)
            if verdict is not Verdict.SURVIVED:
                break
        return Outcome(defect, verdict, evidence)


def run_tests(tree: Path, tests: Sequence[str], *, workers: int) -> tuple[Verdict, str]:
    """SURVIVED if all pass; CAUGHT, with its name, if one fails."""
    spread = ["-n", str(workers)] if workers > 1 else []
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *spread, *tests]
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(tree.parent / "numba"),
    }
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if done.returncode == 0:
        return Verdict.SURVIVED, "all tests pass"
    if done.returncode == 1 and failed and failed[0].startswith("FAILED "):
        return Verdict.CAUGHT, failed[0].removeprefix("FAILED ").split(" - ")[0]
    return Verdict.UNCLEAR, (failed or (done.stdout + done.stderr).strip().splitlines() or ["no output"])[-1]
