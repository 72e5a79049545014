"""Write a file as a whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from lowbit.errors import FileError


@contextmanager
def atomic_text(path: Path, *, source: Path) -> Iterator[TextIO]:
    """A UTF-8 text stream whose contents replace `path` when the block ends well; else nothing is left behind.

    The temporary file beside `path` is made at once, so that a path that cannot be written is known before the work.
    Raises FileError for such a path, for a directory, and for the very file that is being read (`source`).
    """
    if path.is_dir():
        raise FileError(f"cannot write {path}: it is a directory; name a file, for example {path / 'report.html'}")
    if path.exists() and source.exists() and path.samefile(source):
        raise FileError(f"cannot write {path}: it is the file being read; name another one")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
