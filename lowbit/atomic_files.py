"""Files written as a whole or not at all: a reader sees the old file or the new one, never half of one."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lowbit.errors import FileError

TEMPORARY = ".partial-"
"""How names of temporary files begin; they lie beside the file that they are to replace."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name of a new empty file beside `path`, which replaces `path` when the block ends well.

    The data reach the disk before the move, so not even a power cut leaves a half-written file under the final name.
    The temporary file is made at once, so that a path that cannot be written is known before the work; whatever
    happens, it does not stay. Raises FileError naming `path` for a directory, an unwritable folder or a full disk.
    """
    if path.is_dir():
        raise FileError(f"cannot write {path}: it is a directory; name a file in it")
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        temporary.touch()
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise  # about another file: not for us to explain
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill the temporary file of `replacing`. Raises FileError as that does."""
    with replacing(path) as temporary:
        write(temporary)
