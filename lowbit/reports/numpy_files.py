""".npy and .npz files: mapped where the bytes lie in the file as they are, otherwise inflated member by member."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from lowbit.analysis import FloatView
from lowbit.reports.entries import Contents, Entry, entry
from lowbit.reports.npy_header import NpyHeader, read_header

MAX_INFLATED = 1 << 30
"""Largest compressed array that is inflated into memory; without compression there is no limit, it is mapped."""

LOCAL_HEADER = 30
"""Bytes of a zip member's own header before its name (APPNOTE.TXT 4.3.7)."""


@contextmanager
def npy_contents(path: Path) -> Iterator[Contents]:
    """The one array of a .npy file, mapped. ValueError for a header that lies; objects are never loaded."""
    with path.open("rb") as stream:
        header = read_header(stream, path.stat().st_size)
    yield Contents(entries=(_entry(path.stem, header, partial(_mapped, path, header, header.length)),))


@contextmanager
def npz_contents(path: Path) -> Iterator[Contents]:
    """The arrays of a .npz file. Sizes are checked against the archive before anything is allocated.

    ValueError or BadZipFile for members that are no arrays, lie about their size, or inflate beyond MAX_INFLATED.
    """
    with zipfile.ZipFile(path) as archive:
        yield Contents(entries=tuple(_member(path, archive, info) for info in archive.infolist()))


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    with archive.open(info) as stream:
        try:
            header = read_header(stream, info.file_size)
        except ValueError as error:
            raise ValueError(f"member {info.filename!r}: {error}") from None
    name = info.filename.removesuffix(".npy")
    if info.compress_type == zipfile.ZIP_STORED:
        start = _data_start(path, info)
        return _entry(name, header, partial(_mapped, path, header, start + header.length))
    return _entry(name, header, partial(_inflated, archive, info, header))


def _entry(name: str, header: NpyHeader, load: partial[FloatView]) -> Entry:
    return entry(name, header.shape, header.dtype_name, load)


def _mapped(path: Path, header: NpyHeader, offset: int) -> FloatView:
    return FloatView(raw=header.map(path, offset))


def _data_start(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored member begin; ValueError unless all of them lie inside the file."""
    with path.open("rb") as stream:
        stream.seek(info.header_offset)
        local = stream.read(LOCAL_HEADER)
    name_length, extra_length = (int.from_bytes(local[at : at + 2], "little") for at in (26, 28))
    start = info.header_offset + LOCAL_HEADER + name_length + extra_length
    if info.compress_size != info.file_size or start + info.file_size > path.stat().st_size:
        raise ValueError(f"member {info.filename!r} claims {info.file_size} bytes, more than the file has")
    return start


def _inflated(archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: NpyHeader) -> FloatView:
    """Inflate one member; the archive's checksum is verified on the way."""
    if info.file_size > MAX_INFLATED:
        raise ValueError(
            f"member {info.filename!r} would inflate from {info.compress_size} to {info.file_size} bytes, above the "
            f"limit of {MAX_INFLATED}; save it uncompressed with numpy.savez, then it is mapped"
        )
    data = bytearray(info.file_size)
    with archive.open(info) as stream, memoryview(data) as target:
        filled = 0
        while count := stream.readinto(target[filled:]):  # pyright: ignore[reportAttributeAccessIssue]
            filled += count
        if filled != info.file_size or stream.read(1):
            raise ValueError(f"member {info.filename!r} is not as long as the archive says")
    array = np.frombuffer(data, dtype=header.dtype, offset=header.length)
    return FloatView(raw=array.reshape(header.shape, order=header.order))
