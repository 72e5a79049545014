"""Public names: they resolve to the right thing whatever was imported before, and explain themselves."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lowbit

FUNCTIONS = {
    "dequantize",
    "element",
    "explain",
    "format",
    "get_num_threads",
    "list_formats",
    "list_recipes",
    "qdq",
    "quantize",
    "random_bits",
    "recipe",
    "register",
    "rotate",
    "set_num_threads",
    "unrotate",
}
SUBMODULES = {"analysis", "errors", "formats", "nn", "recipes", "reference", "reports", "studies", "testing"}

IMPORT_EVERYTHING_THEN_LOOK = """
import json, pkgutil, sys
from importlib import import_module
import lowbit
for info in pkgutil.walk_packages(lowbit.__path__, "lowbit."):
    if not info.name.endswith(".__main__"):
        import_module(info.name)
kinds = {}
for name in lowbit.__all__:
    value = getattr(lowbit, name)
    if type(value) is type(sys):
        kinds[name] = "module " + value.__name__
    elif callable(value) and not isinstance(value, type):
        kinds[name] = "function " + value.__name__
    else:
        kinds[name] = type(value).__name__
print(json.dumps(kinds))
"""


def source_files(root: Path) -> Iterator[Path]:
    """Every source file of lowbit/ and kernels/ once."""
    link = root / "lowbit" / "kernels"
    yield from (path for path in sorted((root / "lowbit").rglob("*.py")) if link not in path.parents)
    yield from sorted((root / "kernels").rglob("*.py"))


def public_definitions(
    tree: ast.Module,
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Public functions and classes at module level and the public methods of those classes; what a class
    inherits the meaning of (`@override`, a torch module's `forward`) and overload signatures are left out."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name[0] != "_":
                    decorators = {ast.unparse(item).rpartition(".")[2] for item in inner.decorator_list}
                    if inner.name != "forward" and not decorators & {"override", "overload", "setter"}:
                        yield f"{node.name}.{inner.name}", inner


def unannotated(function: ast.FunctionDef | ast.AsyncFunctionDef, in_class: bool) -> list[str]:
    """Parameters without a type, and "return" where the result has none."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    static = any(ast.unparse(item) == "staticmethod" for item in function.decorator_list)
    if in_class and not static:
        positional = positional[1:]  # self or cls
    rest = [item for item in (arguments.vararg, arguments.kwarg) if item]
    missing = [item.arg for item in (*positional, *arguments.kwonlyargs, *rest) if item.annotation is None]
    return missing + (["return"] if function.returns is None else [])


def test_every_name_resolves_after_every_submodule_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", IMPORT_EVERYTHING_THEN_LOOK], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kinds = json.loads(done.stdout.splitlines()[-1])
    assert kinds.keys() == set(lowbit.__all__)
    for name in FUNCTIONS:
        assert kinds[name] == f"function {name}"
    for name in SUBMODULES:
        assert kinds[name] == f"module lowbit.{name}"
    assert {name for name, kind in kinds.items() if kind == "type"} >= {"BlockFormat", "QTensor", "Recipe"}
    assert kinds["__version__"] == "str"


def test_the_lists_in_the_front_agree(repository: Path) -> None:
    tree = ast.parse((repository / "lowbit" / "__init__.py").read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    imported: dict[str, str] = {}
    for node in guarded.body:
        assert isinstance(node, ast.ImportFrom) and node.module
        imported.update({alias.name: node.module for alias in node.names})
    submodules = {name for name, module in imported.items() if module == "lowbit"}
    homes = {name: module for name, module in imported.items() if module != "lowbit"}
    assert submodules == lowbit._SUBMODULES == SUBMODULES
    assert homes == lowbit._HOME
    assert set(lowbit.__all__) == {"__version__", *homes, *submodules}
    assert dir(lowbit) == sorted(lowbit.__all__)


def test_no_module_shares_the_name_of_a_public_function(repository: Path) -> None:
    names = FUNCTIONS | {name for name in lowbit._HOME if name.islower()}
    stems = {path.stem if path.stem != "__init__" else path.parent.name for path in source_files(repository)}
    assert stems & names == set()


def test_everything_public_has_a_docstring(repository: Path) -> None:
    missing: list[str] = []
    for path in source_files(repository):
        tree = ast.parse(path.read_text(), str(path))
        if ast.get_docstring(tree) is None:
            missing.append(str(path.relative_to(repository)))
        for name, node in public_definitions(tree):
            if ast.get_docstring(node) is None:
                missing.append(f"{path.relative_to(repository)}: {name}")
    assert missing == []


def test_everything_public_is_annotated(repository: Path) -> None:
    """Kernels are left out: numba infers their types, and their docstrings state them."""
    missing: list[str] = []
    for path in source_files(repository):
        if path.is_relative_to(repository / "kernels"):
            continue
        for name, node in public_definitions(ast.parse(path.read_text(), str(path))):
            if not isinstance(node, ast.ClassDef):
                for item in unannotated(node, in_class="." in name):
                    missing.append(f"{path.relative_to(repository)}: {name}: {item}")
    assert missing == []


def test_no_source_file_is_too_long(repository: Path) -> None:
    lengths = {path.relative_to(repository): len(path.read_text().splitlines()) for path in source_files(repository)}
    assert {path: length for path, length in lengths.items() if length > 300} == {}
