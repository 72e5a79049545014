"""Open a tensor file by its suffix; everything that can be wrong with it becomes one FileError."""

import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError

from lowbit.analysis import FloatView
from lowbit.errors import FileError, LowbitError
from lowbit.reports.entries import Contents, Entry
from lowbit.reports.numpy_files import npy_contents, npz_contents
from lowbit.reports.safetensors_files import safetensors_contents
from lowbit.reports.torch_files import torch_contents

READERS: dict[str, Callable[[Path], AbstractContextManager[Contents]]] = {
    ".safetensors": safetensors_contents,
    ".npy": npy_contents,
    ".npz": npz_contents,
    ".pt": torch_contents,
    ".pth": torch_contents,
}


@contextmanager
def open_tensors(path: Path) -> Iterator[Contents]:
    """The contents of a .safetensors, .npy, .npz, .pt or .pth file, open as long as the block runs.

    Nothing is unpickled without torch's restrictions, sizes are checked before allocation, and tensors are mapped
    where possible. Raises FileError, here or when an entry is loaded, for a file that is missing, no regular file,
    empty, of another type, truncated, forged, or without any float tensor.
    """
    reader = READERS.get(path.suffix.lower())
    _check_file(path)
    if reader is None:
        raise FileError(f"{path}: unknown type {path.suffix!r}; known are {', '.join(READERS)}")
    with ExitStack() as stack:
        with _broken_file(path):
            contents = stack.enter_context(reader(path))
        contents = replace(contents, entries=tuple(_guarded(path, entry) for entry in contents.entries))
        if all(entry.load is None for entry in contents.entries):
            raise FileError(f"{path} holds no float tensor: {_why(contents)}")
        yield contents


@contextmanager
def _broken_file(path: Path) -> Iterator[None]:
    """Turn what reading a damaged or malicious file raises inside the block into a FileError of one line.

    Wrap only calls of readers in it: the libraries below them raise almost any type for such files.
    """
    try:
        yield
    except LowbitError:
        raise
    except Exception as error:
        raise FileError(f"{path} cannot be read: {_first_sentence(error)}") from error


def _guarded(path: Path, entry: Entry) -> Entry:
    """The entry, with a `load` that raises FileError only."""
    load = entry.load
    if load is None:
        return entry

    def guarded() -> FloatView:
        with _broken_file(path):
            return load()

    return replace(entry, load=guarded)


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # before opening it: opening a pipe would wait for a writer
            raise FileError(f"{path} is not a regular file")
        with path.open("rb"):
            pass
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from None
    if status.st_size == 0:
        raise FileError(f"{path} is empty")


def _why(contents: Contents) -> str:
    if not contents.entries:
        return "it has no tensors at all"
    first, *rest = contents.entries
    return f"{first.name} is {first.skipped}" + (f", and {len(rest)} more" if rest else "")


def _first_sentence(error: Exception) -> str:
    """The first line of an error's text, or its type where it has none."""
    if isinstance(error, UnpicklingError):
        return "its pickle is damaged or wants more than plain tensors; refused (torch.load with weights_only=True)"
    text = str(error).strip().splitlines()
    return text[0][:300] if text else type(error).__name__
