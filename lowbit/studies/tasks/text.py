"""Real English for the language task: CPython's own language reference, or the user's file, as bytes.

CPython ships the reference behind `help("topics")` as `pydoc_data.topics`. Repeated paragraphs (one passage
can serve several topics) are kept once, so the held-out part is not a copy of the training part. The text
differs between Python versions; a study therefore records its SHA-256.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowbit.errors import ArgumentError, FileError

CHUNK_BYTES = 4096
HELD_OUT_EVERY = 10
MIN_BYTES = 20 * CHUNK_BYTES  # two held-out chunks: fewer would make the held-out loss an anecdote
MAX_BYTES = 256 * 1024**2


class TextSplit(NamedTuple):
    """Byte codes (uint8, 1-D) to train on and held out; chunks of 4096 bytes, every tenth held out."""

    train: NDArray[np.uint8]
    held_out: NDArray[np.uint8]


def builtin_text() -> bytes:
    """The language reference of the running CPython in UTF-8, repeated paragraphs once.

    Raises FileError if this Python was installed without `pydoc_data`.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise FileError(
            "this Python lacks its own language reference (pydoc_data.topics); pass your own text with --text FILE"
        ) from None
    paragraphs = (part.strip() for name in sorted(topics) for part in topics[name].split("\n\n"))
    return "\n\n".join(dict.fromkeys(part for part in paragraphs if part)).encode()


def load_text(path: Path | None) -> bytes:
    """The bytes of `path` as they are, or the built-in text for None.

    Raises FileError if the file cannot be read, is shorter than 80 KiB or larger than 256 MiB.
    """
    if path is None:
        return builtin_text()
    try:
        size = path.stat().st_size
        if not MIN_BYTES <= size <= MAX_BYTES:
            raise FileError(
                f"text file {path} has {size} bytes; between {MIN_BYTES} and {MAX_BYTES} are needed to train and "
                "hold out a part"
            )
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot read text file {path}: {error.strerror}") from None


def digest(text: bytes) -> str:
    """SHA-256 of the text, hexadecimal: the part of a trial's identity that names its data."""
    return hashlib.sha256(text).hexdigest()


def split_text(text: bytes) -> TextSplit:
    """Cut into chunks of 4096 bytes and hold out every tenth, so both parts cover the whole text.

    The last, shorter chunk is dropped. Raises ArgumentError below 80 KiB.
    """
    if len(text) < MIN_BYTES:
        raise ArgumentError(f"the text has {len(text)} bytes; at least {MIN_BYTES} are needed to hold out a part")
    chunks = np.frombuffer(text, np.uint8)[: len(text) // CHUNK_BYTES * CHUNK_BYTES].reshape(-1, CHUNK_BYTES)
    held_out = np.arange(len(chunks)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    return TextSplit(chunks[~held_out].reshape(-1), chunks[held_out].reshape(-1))
