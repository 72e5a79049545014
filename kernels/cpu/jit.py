"""How kernels are compiled: no compilation at import, a cache that notices edits in any kernel file.

numba keys its cache on the file of the entry function alone, so an edit in a stage that lives in another file would run
stale arithmetic. The cache directory therefore carries a hash of every source that kernels are made of.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
from numba import __version__ as numba_version
from numba import njit, typeof
from numba.core import config
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import overload as numba_overload

from lowbit import block_plans, decoding, lowering, rounding_rules, table_cells
from lowbit.collection import collection_paused
from lowbit.formats import binary32
from lowbit.interrupts import interrupts_deferred

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False, "boundscheck": False}
"""No fastmath: reassociation would delete the rounding that the kernels consist of."""

WITHIN: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Stages are called from kernels alone: entry points for Python and C would cost a fifth of the compilation."""


def stage(function: Callable[..., Any]) -> Any:
    """Compile `function` as part of the kernels that call it."""
    return njit(**WITHIN, **OPTIONS)(function)


def small_stage(function: Callable[..., Any]) -> Any:
    """A stage without loops, merged into its callers before they are compiled: a compilation less."""
    return njit(inline="always", **WITHIN, **OPTIONS)(function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` as an entry point, cached on disk between processes.

    Ctrl-C and the garbage collector wait for the compiler.
    """
    saved = config.CACHE_DIR  # pyright: ignore
    config.CACHE_DIR = str(cache_directory())  # pyright: ignore
    try:  # numba fixes the directory of a function when it is decorated
        compiled = njit(cache=True, **OPTIONS)(function)
    finally:
        config.CACHE_DIR = saved  # pyright: ignore
    compile_or_load = compiled.compile

    def compile_undisturbed(signature: Any) -> Any:
        with collection_paused(), interrupts_deferred():
            return compile_or_load(signature)

    compiled.compile = compile_undisturbed  # pyright: ignore[reportAttributeAccessIssue]
    return compiled


def entry_point(function: Any, arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """A kernel's compiled function for arguments of these types; it is compiled if need be.

    It spares the look that numba takes at every argument of every call, which costs more than a short call's work, but
    trusts its caller: arguments must have the types of these (an array may be writable where these are read-only).
    """
    return function.compile(tuple(typeof(value) for value in arguments))


def intrinsic(function: Callable[..., Any]) -> Any:
    """numba's intrinsic; its first parameter, the typing context, is not the caller's."""
    return numba_intrinsic(function)


def by_type(stub: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Make calls of `stub` in kernels mean the function that the decorated one returns for the arguments' types."""
    return numba_overload(stub, jit_options=OPTIONS)  # pyright: ignore[reportArgumentType]


def processor_has(feature: str) -> bool:
    """Whether the processor that is compiled for has a feature, by LLVM's name for it."""
    features = config.CPU_FEATURES if config.CPU_FEATURES is not None else get_host_cpu_features()  # pyright: ignore
    return f"+{feature}" in features.split(",")


@cache
def cache_directory() -> Path:
    """Where compiled kernels are kept: below NUMBA_CACHE_DIR, the user's cache folder, or else the temporary folder."""
    name = f"kernels-{source_hash()}"
    for base in _cache_bases():
        directory = base / "lowbit" / name
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(directory, os.W_OK):
            return directory
    return Path(tempfile.mkdtemp(prefix="lowbit-"))


def source_hash() -> str:
    """Hash of the compiler's version and of `source_files`."""
    digest = hashlib.sha256(f"{numba_version} {llvmlite.__version__} {sys.version}".encode())
    for path in source_files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def source_files() -> list[Path]:
    """The kernel sources, and the modules that fill their plans and whose constants they compile in."""
    modules = (block_plans, decoding, lowering, rounding_rules, table_cells, binary32)
    return [*sorted(Path(__file__).parent.glob("*.py")), *(Path(module.__file__ or "") for module in modules)]


def _cache_bases() -> list[Path]:
    given = os.environ.get("NUMBA_CACHE_DIR")
    user = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    bases = [Path(given)] if given else []
    bases.append(Path(user) if user else Path(os.path.expanduser("~")) / ".cache")  # noqa: PTH111 (never raises)
    return [*bases, Path(tempfile.gettempdir())]
