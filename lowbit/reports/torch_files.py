""".pt and .pth files: mapped, and unpickled only by torch's restricted loader."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lowbit.analysis.views import as_view
from lowbit.reports.entries import Contents, Entry, entry

MAX_DEPTH = 32
"""Deepest nesting of dictionaries and lists that is followed; real checkpoints stay below ten."""


@contextmanager
def torch_contents(path: Path) -> Iterator[Contents]:
    """The tensors of a file in its order, nested dictionaries and lists flattened to dotted names.

    Loaded with `weights_only=True` (no code runs) and `mmap=True` (nothing is read before it is used). Raises
    ValueError for archives with compressed members and for the format before torch 1.6, neither of which can be
    mapped, for nesting beyond MAX_DEPTH, and whatever torch raises for a foreign or forbidden pickle.
    """
    import torch

    _check_archive(path)
    loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    limit = path.stat().st_size
    entries: list[Entry] = []
    others = 0
    for name, value in _leaves(loaded):
        if isinstance(value, torch.Tensor):
            entries.append(_entry(name or path.stem, value, limit))
        else:
            others += 1
    yield Contents(entries=tuple(entries), other_values=others)


def _check_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise ValueError(
            "not an archive of torch.save, or truncated, or saved before torch 1.6; for an old file you trust: "
            "torch.save(torch.load(old, weights_only=True), new)"
        )
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise ValueError(f"member {info.filename!r} is compressed, which torch.save never does")


def _leaves(root: object) -> Iterator[tuple[str, object]]:
    """Dotted names and values of everything that is no dictionary or list; each container is entered once."""
    seen: set[int] = set()
    stack: list[tuple[tuple[str, ...], object]] = [((), root)]
    while stack:
        path, value = stack.pop()
        children = _children(value)
        if children is None:
            yield ".".join(path), value
        elif id(value) not in seen:
            if len(path) >= MAX_DEPTH:
                raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
            seen.add(id(value))
            stack += [((*path, name), child) for name, child in reversed(children)]


def _children(value: object) -> list[tuple[str, object]] | None:
    """Named members of a dictionary, list or tuple, else None."""
    if isinstance(value, Mapping):
        return [(str(key), child) for key, child in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [(str(position), child) for position, child in enumerate(value)]
    return None


def _entry(name: str, tensor: Any, file_bytes: int) -> Entry:
    """A tensor's entry. Views that repeat few stored numbers without end are refused: they would never be read."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    refusal = ""
    if tensor.is_meta or tensor.device.type != "cpu":
        refusal = f"on device {tensor.device.type}, without numbers"
    elif tensor.is_quantized or str(tensor.layout) != "torch.strided":
        refusal = f"layout {tensor.layout}, not dense"
    elif tensor.numel() * tensor.element_size() > file_bytes:
        refusal = "claims more bytes than the file has"
    return entry(name, tuple(tensor.shape), dtype, partial(as_view, tensor, float64=True), refusal)
