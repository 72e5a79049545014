"""The build: every folder is packaged, kernels/ becomes lowbit.kernels, and the link is not needed."""

import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest


def python_folders(root: Path) -> set[str]:
    """Package names of all folders below lowbit/ and kernels/ that hold a Python file, with or without
    `__init__.py`; the link lowbit/kernels is not followed."""
    names: set[str] = set()
    for folder, prefix in ((root / "lowbit", "lowbit"), (root / "kernels", "lowbit.kernels")):
        for path in folder.rglob("*.py"):
            parts = path.parent.relative_to(folder).parts
            if prefix == "lowbit" and parts[:1] == ("kernels",):
                continue
            names.add(".".join((prefix, *parts)))
    return names


def shipped_files(root: Path) -> set[str]:
    """What a wheel should hold, as paths inside it: every file of both trees save caches."""
    files: set[str] = set()
    for folder, prefix in ((root / "lowbit", "lowbit"), (root / "kernels", "lowbit/kernels")):
        for path in folder.rglob("*"):
            inside = path.relative_to(folder)
            if path.is_dir() or "__pycache__" in inside.parts or path.suffix in {".pyc", ".nbi", ".nbc"}:
                continue
            if prefix != "lowbit" or inside.parts[0] != "kernels":
                files.add(f"{prefix}/{inside.as_posix()}")
    return files


def copy_without_link(root: Path, target: Path) -> None:
    """Copy what a build reads, leaving out the link lowbit/kernels."""

    def skip(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name == "__pycache__" or (Path(folder) / name).is_symlink()}

    for folder in ("lowbit", "kernels"):
        shutil.copytree(root / folder, target / folder, ignore=skip)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(root / name, target / name)


def test_listed_packages_are_the_folders_present(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import setuptools

    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(repository)
    runpy.run_path(str(repository / "setup.py"))
    assert set(given["packages"]) == python_folders(repository)
    assert given["package_dir"] == {"lowbit.kernels": "kernels"}


def test_link_points_at_kernels_where_it_exists(repository: Path) -> None:
    link = repository / "lowbit" / "kernels"
    if not link.is_symlink():
        pytest.skip("this tree was checked out without the link lowbit/kernels")
    assert link.readlink() == Path("../kernels")


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built, with the tools already installed, from a copy that lacks the link."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    copy_without_link(repository, tree)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    done = subprocess.run([*command, "--wheel-dir", str(out), str(tree)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(out.glob("lowbit-*.whl"))


def test_wheel_holds_every_file_and_nothing_else(repository: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == shipped_files(repository)


def test_wheel_works_without_the_link(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "import lowbit, lowbit.kernels.cpu, lowbit.formats; print(lowbit.__version__, lowbit.kernels.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    version, file = done.stdout.split(maxsplit=1)
    assert wheel.name.startswith(f"lowbit-{version}-")
    assert Path(file.strip()) == tmp_path / "lowbit" / "kernels" / "__init__.py"
