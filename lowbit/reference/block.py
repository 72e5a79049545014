"""Quantize and dequantize one block, and cast single numbers, with exact arithmetic (contract §2, §3, §8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan

from lowbit.errors import NonfiniteError
from lowbit.formats import BlockFormat, Overflow
from lowbit.reference.binary32 import multiply
from lowbit.reference.grid import grid_of
from lowbit.reference.rounding import Mode, round_to_code
from lowbit.reference.scale import ONE_LEVEL, TensorScale, choose_scale, decode_scale, nan_scale_code, scaled


@dataclass(frozen=True, slots=True)
class QuantizedBlock:
    """The element codes of a block, in the order given, and its scale code."""

    codes: tuple[int, ...]
    scale_code: int


def quantize_block(
    numbers: Sequence[float],
    modes: Sequence[Mode],
    fmt: BlockFormat,
    *,
    tensor: TensorScale = ONE_LEVEL,
    amax: float | None = None,
) -> QuantizedBlock:
    """Codes of the numbers that share one scale; `modes[i]` rounds `numbers[i]`.

    `amax` replaces the block's own largest magnitude (one scale over a tensor that arrives in pieces). A block with a
    NaN or an infinity has codes 0 and the NaN scale; NonfiniteError where the scale element has no NaN.
    """
    if not all(isfinite(x) for x in numbers):
        return QuantizedBlock((0,) * len(numbers), _nan_scale_code(fmt))
    largest = max((abs(x) for x in numbers), default=0.0) if amax is None else amax
    scale = choose_scale(largest, fmt, tensor)
    grid = grid_of(fmt.element)
    policy = fmt.overflow or Overflow.SATURATE
    codes = [
        round_to_code(scaled(x, scale, fmt, tensor), grid, mode, policy) for x, mode in zip(numbers, modes, strict=True)
    ]
    return QuantizedBlock(tuple(codes), scale.code)


def decode_in_block(code: int, scale_code: int, fmt: BlockFormat, tensor: TensorScale = ONE_LEVEL) -> float:
    """fl(fl(element × block scale) × tensor scale), binary32 (contract §2); a NaN scale gives NaN.

    -0 elements give -0; products beyond binary32 give infinities.
    """
    scale = decode_scale(code=scale_code, fmt=fmt)
    if isnan(scale):
        return nan
    return multiply(multiply(fmt.element.decode(code), scale), tensor.decode)


def cast_code(x: float, mode: Mode, fmt: BlockFormat) -> int:
    """The code of one number in a format without scales (bf16, fp16, tf32, a bare element)."""
    return round_to_code(x, grid_of(fmt.element), mode, fmt.overflow or Overflow.SATURATE)


def cast_value(code: int, fmt: BlockFormat) -> float:
    """The value of a code of a format without scales, narrowed to binary32 (an identity for all named elements)."""
    return multiply(fmt.element.decode(code), 1.0)


def _nan_scale_code(fmt: BlockFormat) -> int:
    code = nan_scale_code(fmt)
    if code is None:
        raise NonfiniteError(f"{fmt} has no NaN scale for a block with NaN or infinity; remove them from the input")
    return code
