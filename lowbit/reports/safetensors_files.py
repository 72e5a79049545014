""".safetensors files, mapped tensor by tensor."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lowbit.analysis import FloatView
from lowbit.analysis.views import as_view
from lowbit.reports.entries import Contents, Entry, entry

NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
"""safetensors' names of the types that can be measured."""


@contextmanager
def safetensors_contents(path: Path) -> Iterator[Contents]:
    """The tensors of a file.

    The safetensors library checks the header against the file's length, and that the tensors cover it without gaps or
    overlaps, before anything is mapped; it raises SafetensorError otherwise.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt", device="cpu") as file:
        yield Contents(entries=tuple(_entry(file, name) for name in file.keys()))  # noqa: SIM118 (not a mapping)


def _entry(file: Any, name: str) -> Entry:
    part = file.get_slice(name)
    dtype = str(part.get_dtype())
    return entry(name, tuple(part.get_shape()), NAMES.get(dtype, dtype), partial(_load, file, name))


def _load(file: Any, name: str) -> FloatView:
    return as_view(file.get_tensor(name), float64=True)
