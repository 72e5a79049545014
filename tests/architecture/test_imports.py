"""What an import may pull in, seen from a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "numba", "torch", "scipy", "sklearn", "matplotlib", "pyarrow", "pandas")


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a new interpreter that does not have the working directory on its path."""
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=300)


def loaded_by(statement: str) -> set[str]:
    """The heavy packages that `statement` loads."""
    done = run(f"import sys\n{statement}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import lowbit",
        "import lowbit.formats",
        "import lowbit.reference",
        "import lowbit.errors",
        "import lowbit as lb; lb.format('mxfp4'); lb.list_formats(); dir(lb); lb.__version__",
    ],
)
def test_light_imports_load_nothing_heavy(statement: str) -> None:
    assert loaded_by(statement) == set()


def test_lowering_and_backends_load_no_torch() -> None:
    assert "torch" not in loaded_by("import lowbit.lowering, lowbit.backends")


def test_numpy_path_of_the_front_compiles_nothing_at_import() -> None:
    code = """
import sys
import lowbit.kernels.cpu
import pkgutil
from importlib import import_module
compiled = []
for info in pkgutil.walk_packages(lowbit.kernels.__path__, "lowbit.kernels."):
    for value in vars(import_module(info.name)).values():
        if getattr(value, "signatures", None):
            compiled.append(f"{info.name}.{value.__name__}")
print(*compiled)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["kernels", "kernels.cpu"])
def test_kernels_is_refused_as_a_top_level_package(repository: Path, name: str) -> None:
    done = run(f"import sys; sys.path.insert(0, {str(repository)!r}); import {name}")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and "lowbit.kernels" in last and "PYTHONSAFEPATH" in last


def test_unknown_name_is_an_attribute_error() -> None:
    import lowbit

    with pytest.raises(AttributeError, match="no_such_name"):
        lowbit.no_such_name  # noqa: B018
