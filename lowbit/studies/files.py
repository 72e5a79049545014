"""Text files and the lock of a study folder."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from lowbit.atomic_files import TEMPORARY, write_atomic
from lowbit.errors import FileError


def write_text_atomic(path: Path, text: str) -> None:
    """Write UTF-8 text as `lowbit.atomic_files.write_atomic` does."""
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
