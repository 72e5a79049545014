"""What an explanation reads of a tensor: its element, the element's block, and facts about the whole tensor.

Memory is read through bit patterns, whatever the strides; only facts about the whole tensor touch all of it.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign, inf
from typing import Any

import numpy as np

from lowbit.errors import ArgumentError, NonfiniteError, ShapeError
from lowbit.formats import BlockFormat
from lowbit.formats.binary32 import INFINITY_BITS, bits_to_float, float_to_bits
from lowbit.ops.engine import Kind

PIECE = 1 << 16
"""Elements looked at together when the whole tensor is read."""

PATTERNS: dict[Kind, tuple[type[np.unsignedinteger[Any]], int, int]] = {
    "float32": (np.uint32, 0x7FFFFFFF, 0x7F800000),
    "bfloat16": (np.uint16, 0x7FFF, 0x7F80),
    "float16": (np.uint16, 0x7FFF, 0x7C00),
}
"""For every kind of element: integers of its width, the bits of a magnitude, the pattern of infinity."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array as the engine has it (bfloat16 as 16-bit patterns) and the kind of its elements."""

    array: np.ndarray
    kind: Kind

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    def magnitudes(self) -> np.ndarray:
        """Bit patterns of the magnitudes, ascending as they do, in the array's shape."""
        integers, mask, _ = PATTERNS[self.kind]
        return np.bitwise_and(self.array.view(integers), integers(mask))

    def numbers(self) -> list[float]:
        """All elements in row-major order, widened exactly."""
        return widened(self.array, self.kind).reshape(-1).tolist()

    def part(self, ranges: Sequence[range], axes: tuple[int, ...] = ()) -> "Tensor":
        """The box of these ranges, with `axes` moved last in their order."""
        box = self.array[tuple(slice(extent.start, extent.stop) for extent in ranges)]
        return Tensor(np.moveaxis(box, axes, range(-len(axes), 0)) if axes else box, self.kind)

    def at(self, index: tuple[int, ...]) -> float:
        """One element, widened."""
        return self.part([range(place, place + 1) for place in index]).numbers()[0]


def widened(array: np.ndarray, kind: Kind) -> np.ndarray:
    """The numbers of an array of any kind in float64, exact also where the process takes subnormals for zeros."""
    with np.errstate(invalid="ignore"):  # signaling NaN
        if kind == "float16":
            return array.astype(np.float64)
        bits = np.left_shift(array, 16, dtype=np.uint32) if kind == "bfloat16" else array.view(np.uint32)
        wide = bits.view(np.float32).astype(np.float64)
    subnormal = (bits & np.uint32(INFINITY_BITS)) == 0
    numbers = np.ldexp((bits & np.uint32(0x7FFFFF)).astype(np.float64), -149)
    return np.where(subnormal, np.copysign(numbers, np.where(bits >> np.uint32(31), -1.0, 1.0)), wide)


def narrowed(value: float, kind: Kind) -> float:
    """A binary32 number rounded once to the kind, to nearest even; beyond its range infinite (contract §2)."""
    if kind == "float32" or value != value:
        return value
    if kind == "float16":
        with np.errstate(over="ignore"):
            return float(np.float16(value))
    bits = float_to_bits(abs(value))
    bits = bits + 0x7FFF + (bits >> 16 & 1) & 0xFFFF0000
    return copysign(bits_to_float(bits) if bits < INFINITY_BITS else inf, value)


def finite_amax(tensor: Tensor) -> tuple[float, bool]:
    """The largest finite magnitude (0 if there is none), and whether anything is not finite."""
    integers, mask, infinity = PATTERNS[tensor.kind]
    largest, nonfinite = 0, False
    if not tensor.array.size:
        return 0.0, False
    pieces = np.nditer(tensor.array.view(integers), ["external_loop", "buffered"], buffersize=PIECE)
    for piece in pieces:
        magnitudes = np.bitwise_and(np.asarray(piece), integers(mask))
        top = int(magnitudes.max())
        if top >= infinity:
            nonfinite = True
            top = int(np.where(magnitudes < infinity, magnitudes, 0).max())
        largest = max(largest, top)
    return float(widened(np.array([largest], integers).view(_dtype(tensor.kind)), tensor.kind)[0]), nonfinite


def refuse_nonfinite(tensor: Tensor, fmt: BlockFormat) -> None:
    """NonfiniteError where a format without any NaN meets NaN or infinity, anywhere in the tensor (contract §8)."""
    if fmt.has_nan or not finite_amax(tensor)[1]:
        return
    position = np.argwhere(tensor.magnitudes() >= PATTERNS[tensor.kind][2])[0]
    where = tuple(int(place) for place in position)
    raise NonfiniteError(f"{tensor.at(where)} at {where}: {fmt} has no NaN, and nothing of such a tensor is quantized")


def checked_index(index: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """An element's index, never negative. ArgumentError for what is no index, ShapeError for one outside."""
    given = index if isinstance(index, tuple | list) else (index,)
    try:
        places = [operator.index(entry) for entry in given if not isinstance(entry, bool | np.bool_)]
    except TypeError:
        places = []
    if len(places) != len(given):
        raise ArgumentError(f"index={index!r} is not allowed; give one integer an axis, such as (3, 17)")
    if len(places) != len(shape):
        raise ShapeError(f"index={index!r} has {len(places)} entries; a tensor of shape {shape} needs {len(shape)}")
    for place, length in zip(places, shape, strict=True):
        if not -length <= place < length:
            raise ShapeError(f"index={index!r} is outside a tensor of shape {shape}")
    return tuple(place % length for place, length in zip(places, shape, strict=True))


def _dtype(kind: Kind) -> type[np.generic]:
    return {"float32": np.float32, "bfloat16": np.uint16, "float16": np.float16}[kind]
