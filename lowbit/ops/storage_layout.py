"""What a tensor is stored as, and where codes and scales lie (contract §9)."""

from dataclasses import dataclass

import numpy as np

from lowbit.formats.block import BlockFormat
from lowbit.geometry import Geometry, geometry


@dataclass(frozen=True, slots=True)
class Stored:
    """What a tensor is kept as. The quantization axes are last; other axes keep their order.

    packed: uint8 (..., ceil(n * bits / 8)). scales: the block grid in the same order of axes, codes of the scale
    element (float32 for binary32 scales), or None for a plain cast. tensor_scale: t of contract §4, 1.0 without that
    level.
    """

    packed: np.ndarray
    scales: np.ndarray | None
    tensor_scale: float


def packed_geometry(shape: tuple[int, ...], fmt: BlockFormat, *, joined: bool = True) -> Geometry:
    """The grid of a tensor whose quantization axes are last; rows are joined only where they fill whole bytes."""
    sides = 0 if fmt.block is None or fmt.block.is_tensor else len(fmt.block.sizes)
    axes = tuple(range(len(shape) - sides, len(shape)))
    layout = geometry(shape, axes, fmt, joined=joined and shape[-1] * fmt.element.bits % 8 == 0)
    assert layout is not None
    return layout


def grid_shape(shape: tuple[int, ...], fmt: BlockFormat) -> tuple[int, ...]:
    """Shape of the block grid of a tensor whose quantization axes are last: every axis divided by its block side.

    A tensor without elements has no blocks.
    """
    assert fmt.block is not None
    if fmt.block.is_tensor:
        return tuple(min(n, 1) for n in shape)
    sides = fmt.block.sizes
    lengths = shape[len(shape) - len(sides) :]
    counts = (-(-n // side) if side is not None else min(n, 1) for n, side in zip(lengths, sides, strict=True))
    return (*shape[: len(shape) - len(sides)], *counts)


def expected_layout(shape: tuple[int, ...], fmt: BlockFormat) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and dtype of the stored arrays of a tensor whose quantization axes are last."""
    layout: dict[str, tuple[tuple[int, ...], np.dtype]] = {
        "packed": ((*shape[:-1], row_bytes(shape[-1], fmt)), np.dtype(np.uint8))
    }
    if fmt.scale is not None:
        dtype = np.dtype(np.float32) if holds_float32(fmt) else scale_dtype(fmt)
        layout["scales"] = (grid_shape(shape, fmt), dtype)
    return layout


def row_bytes(columns: int, fmt: BlockFormat) -> int:
    """Bytes of a packed row."""
    return (columns * fmt.element.bits + 7) // 8


def code_dtype(bits: int) -> np.dtype:
    """The unsigned integer type that holds codes of this width."""
    return np.dtype(np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32 if bits <= 32 else np.uint64)


def scale_dtype(fmt: BlockFormat) -> np.dtype:
    """The unsigned integer type that holds block words: scale codes (binary32 patterns) with side bits above them."""
    return code_dtype(fmt.word_bits)


def holds_float32(fmt: BlockFormat) -> bool:
    """Whether the words of blocks are binary32 scales and nothing else."""
    return fmt.is_float32_scale and not fmt.side_bits
