"""The header of a .npy file or .npz member, checked against the bytes that are there before anything is allocated."""

from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

MAX_HEADER = 10_000
"""Longest header text that is parsed, numpy's own limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NpyHeader:
    """Shape, type and memory order of an array, and the length of the header in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    length: int

    @property
    def order(self) -> Literal["F", "C"]:
        """numpy's letter for the memory order."""
        return "F" if self.fortran else "C"

    @property
    def data_bytes(self) -> int:
        """Bytes of the array's elements."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def dtype_name(self) -> str:
        """Name for people: says of raw two-byte elements and of objects what they probably are."""
        if self.dtype.hasobject:
            return "Python objects (a pickle, never loaded)"
        if self.dtype.kind == "V" and self.dtype.itemsize == 2 and self.dtype.names is None:
            return "untyped 2-byte elements (numpy drops the name of bfloat16; save it as .safetensors)"
        return str(self.dtype.newbyteorder("=")) if self.dtype.names is None else "a structured type"

    def map(self, path: Path, offset: int) -> NDArray[Any]:
        """The array mapped read-only from `path`, whose data begin at `offset`."""
        return np.memmap(path, dtype=self.dtype, mode="r", offset=offset, shape=self.shape, order=self.order)


def read_header(stream: IO[bytes], total_bytes: int) -> NpyHeader:
    """Read the header at the start of a file or member of `total_bytes` bytes.

    Raises ValueError if it is no .npy header, has a negative length, or promises other than the bytes that follow.
    Arrays of objects are exempt: their data are a pickle of any length, and nobody loads them.
    """
    text, version = _header_text(stream)
    readers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    shape, fortran, dtype = readers[version](BytesIO(text), max_header_size=MAX_HEADER)
    if any(length < 0 for length in shape):
        raise ValueError(f"the header claims the shape {shape}")
    header = NpyHeader(shape=tuple(shape), dtype=dtype, fortran=fortran, length=stream.tell())
    present = total_bytes - header.length
    if not dtype.hasobject and header.data_bytes != present:
        raise ValueError(f"the header promises {header.data_bytes} bytes of data, there are {present}")
    return header


def _header_text(stream: IO[bytes]) -> tuple[bytes, int]:
    """The header from its length field on, and its version; the claimed length is checked before reading so much."""
    version, minor = np.lib.format.read_magic(stream)
    if version not in (1, 2):
        raise ValueError(f".npy version {version}.{minor} is not known; save it with numpy.save")
    field = stream.read(2 if version == 1 else 4)
    length = int.from_bytes(field, "little")
    if length > MAX_HEADER:
        raise ValueError(f"the header claims a length of {length} bytes, above the limit of {MAX_HEADER}")
    return field + stream.read(length), version
