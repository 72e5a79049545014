"""Where a report is written: a text file, whole or not at all, and never the file that is being read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lowbit.atomic_files import replacing
from lowbit.errors import FileError


@contextmanager
def atomic_text(path: Path, *, source: Path) -> Iterator[TextIO]:
    """A UTF-8 text stream whose contents replace `path` when the block ends well; else nothing is left behind.

    A path that cannot be written is known before the work. Raises FileError for such a path, for a directory, and for
    the very file that is being read (`source`).
    """
    if path.exists() and source.exists() and path.samefile(source):
        raise FileError(f"cannot write {path}: it is the file being read; name another one")
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        yield stream
        stream.flush()
