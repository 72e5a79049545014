"""One-way imports, read from the syntax trees of every file, so that no tool and no import is needed.

The same contract stands in pyproject.toml for import-linter; this one also knows which packages from
outside each layer may use, and that everything imported is a declared dependency.
"""

import ast
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

# Low to high. A file imports its own layer or lower ones; layers on one line are independent of each other.
LAYERS = (
    ("version",),
    ("errors",),
    ("atomic_files", "collection", "interrupts"),
    ("formats",),
    ("reference",),
    ("rounding_rules",),
    ("table_cells",),
    ("lowering", "decoding"),
    ("second_level",),
    ("block_plans", "geometry", "rotation"),
    ("kernels",),
    ("backends",),
    ("ops",),
    ("recipes",),
    ("autograd",),
    ("nn", "analysis", "explanations"),
    ("testing",),
    ("reports", "studies"),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
STDLIB_ONLY = {"version", "errors", "atomic_files", "collection", "interrupts", "formats", "reference"}
NO_TORCH = STDLIB_ONLY | {
    "rounding_rules",
    "table_cells",
    "lowering",
    "decoding",
    "second_level",
    "block_plans",
    "geometry",
    "rotation",
    "kernels",
    "backends",
}
REFERENCE_MAY_USE = {"reference", "formats", "errors"}
# Import name -> name of the distribution that brings it, where the two differ.
DISTRIBUTION = {"sklearn": "scikit-learn", "llvmlite": "numba"}
EXTRA = {"testing": "test"}
"""Layers that may use the packages of an extra of the installation too, and say so where they are missing."""


def source_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Every source file as (dotted name within lowbit, path); the link lowbit/kernels is not followed."""
    for folder, prefix in ((root / "lowbit", ""), (root / "kernels", "kernels")):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if prefix == "" and parts[0] == "kernels":
                continue
            yield ".".join(part for part in (prefix, *parts) if part and part != "__init__"), path


def is_type_checking(node: ast.AST) -> bool:
    """Whether the node is `if TYPE_CHECKING:`, whose imports never run."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(node: ast.AST) -> Iterator[str]:
    """Absolute dotted names a file imports at any depth; a relative import is given with its dots."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            # `from lowbit import formats` names a layer in the alias, not in the module
            yield from (f"lowbit.{alias.name}" for alias in child.names) if module == "lowbit" else (module,)
        elif not is_type_checking(child):
            yield from imports(child)


def own_violation(layer: str, target: str) -> str | None:
    """Why a file of `layer` may not import `target`, a name inside lowbit; None where it may."""
    other = target.partition(".")[2].partition(".")[0]
    if other not in RANK:
        return f"imports {target} through the package's front; import it from the module that defines it"
    if layer == "reference" and other not in REFERENCE_MAY_USE:
        return f"the oracle imports {target}"
    if other != layer and RANK[other] >= RANK[layer]:
        return f"layer {layer} imports {target}, which is not below it"
    return None


def outside_violation(layer: str, target: str, declared: set[str]) -> str | None:
    """Why a file of `layer` may not import `target`, a name outside lowbit; None where it may."""
    package = target.partition(".")[0]
    if package in sys.stdlib_module_names:
        return None
    if layer in STDLIB_ONLY:
        return f"layer {layer} imports {target}; it may use the standard library only"
    if package == "torch" and layer in NO_TORCH:
        return f"layer {layer} imports torch, which starts at ops"
    if DISTRIBUTION.get(package, package) not in declared:
        return f"imports {target}, which is no declared dependency"
    return None


def declared_dependencies(root: Path, extra: str | None = None) -> set[str]:
    """Distribution names of the plain install, and of one with this extra."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    requirements = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    return {requirement.partition(">")[0].strip() for requirement in requirements}


def violations(root: Path) -> list[str]:
    """Every import in lowbit/ and kernels/ that breaks a rule, one line each."""
    declared = {layer: declared_dependencies(root, EXTRA.get(layer)) for layer in RANK}
    found: list[str] = []
    for name, path in source_files(root):
        if name == "":
            continue  # lowbit/__init__.py, the front: its imports are lazy and it is above every layer
        layer = name.partition(".")[0]
        if layer not in RANK:
            found.append(f"{path.relative_to(root)}: belongs to no layer; add {layer!r} to the table")
            continue
        for target in imports(ast.parse(path.read_text(), str(path))):
            if target.startswith("."):
                reason: str | None = f"relative import {target}; write it absolutely"
            elif target.partition(".")[0] == "lowbit":
                reason = own_violation(layer, target)
            elif target.partition(".")[0] == "kernels":
                reason = "imports kernels, another distribution's name; write lowbit.kernels"
            else:
                reason = outside_violation(layer, target, declared[layer])
            if reason:
                found.append(f"{path.relative_to(root)}: {reason}")
    return found


def test_every_import_points_down(repository: Path) -> None:
    assert violations(repository) == []


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("lowbit/formats/planted.py", "from lowbit.ops.qtensor import QTensor", "not below it"),
        ("lowbit/formats/planted.py", "import numpy as np", "standard library only"),
        ("lowbit/reference/planted.py", "def f():\n    from lowbit import lowering", "the oracle imports"),
        ("kernels/cpu/planted.py", "import torch", "starts at ops"),
        ("kernels/cpu/planted.py", "from kernels.cpu import qdq", "another distribution's name"),
        ("lowbit/nn/planted.py", "import lowbit.analysis.metrics", "not below it"),
        ("lowbit/cli/planted.py", "from . import app", "relative import"),
        ("lowbit/cli/planted.py", "from lowbit import qdq", "through the package's front"),
        ("lowbit/cli/planted.py", "import requests", "no declared dependency"),
        ("lowbit/misc/planted.py", "import math", "belongs to no layer"),
    ],
)
def test_a_planted_violation_is_caught(repository: Path, tmp_path: Path, file: str, line: str, message: str) -> None:
    for folder in ("lowbit", "kernels"):
        shutil.copytree(
            repository / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
        )
    shutil.copy(repository / "pyproject.toml", tmp_path)
    planted = tmp_path / file
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(line + "\n")
    caught = [text for text in violations(tmp_path) if text.startswith(file)]
    assert len(caught) == 1 and message in caught[0]


def test_imports_for_type_checkers_only_do_not_count() -> None:
    tree = ast.parse("if TYPE_CHECKING:\n    import torch\nelse:\n    import math\n")
    assert "torch" not in list(imports(tree))
