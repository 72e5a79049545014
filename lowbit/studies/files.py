"""Atomic files and the lock of a study folder. A reader sees the old file or the new one, never half of one."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from lowbit.errors import FileError

TEMPORARY = ".partial-"


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it over `path` in one step.

    The data reach the disk before the move, so not even a power cut leaves a half-written file under the
    final name. Raises FileError naming `path` if the folder cannot be written or the disk is full; nothing is
    left behind then.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}.tmp")
    try:
        write(temporary)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text_atomic(path: Path, text: str) -> None:
    """Write UTF-8 text as `write_atomic` does."""
    write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed writer left in `folder`; call it only while holding the folder's
    lock.
    """
    for leftover in folder.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):
            leftover.unlink()


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path` inside the block; the system frees it however the process ends, `kill -9`
    included.

    Raises FileError if another process holds it or the file cannot be made. Where the platform or the file
    system has no such locks, the block runs without one.
    """
    try:
        stream = path.open("a")
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}") from None
    with stream:
        _lock(stream.fileno(), path)
        yield


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise FileError(f"another run is at work in {path.parent}; wait for it, or use another folder") from None
