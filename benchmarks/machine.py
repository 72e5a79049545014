"""What the numbers were measured on: processor, vector instructions, memory, and the versions of what computes."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lowbit.version import __version__

PACKAGES = ("torch", "numpy", "numba", "llvmlite", "torchao", "brevitas", "gfloat", "ml_dtypes", "mx")
"""Distributions whose versions belong to the numbers, beside lowbit's own (what is measured need not be installed)."""


def describe() -> dict[str, Any]:
    """The machine as JSON types; what the system does not tell is None."""
    info = _cpu_info()
    flags = info.get("flags", info.get("Features", "")).split()
    return {
        "processor": info.get("model name") or platform.processor() or None,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "cores_allowed": cores_allowed(),
        "vector_flags": sorted(flag for flag in flags if flag.startswith(("avx", "fma", "asimd", "sve"))),
        "memory_bytes": _memory_bytes(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "versions": {"lowbit": __version__} | {name: _version(name) for name in PACKAGES},
    }


def cores_allowed() -> int:
    """The number of processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_avx512() -> bool:
    """Whether the processor has the AVX-512 instructions that the requirements assume."""
    return "avx512f" in _cpu_info().get("flags", "").split()


def summary(machine: dict[str, Any]) -> str:
    """One line for the head of the table."""
    versions = machine["versions"]
    vectors = "AVX-512" if "avx512f" in machine["vector_flags"] else "no AVX-512"
    parts = [
        machine["processor"] or machine["architecture"],
        f"{machine['cores_allowed']} cores",
        vectors,
        f"Python {machine['python']}",
        *(f"{name} {versions[name]}" for name in ("lowbit", "torch", "numba") if versions[name]),
    ]
    return ", ".join(parts)


def _cpu_info() -> dict[str, str]:
    """The first processor's fields in /proc/cpuinfo, empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
