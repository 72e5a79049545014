"""Quantize and dequantize one block, and cast single numbers, with exact arithmetic (contract §2, §3, §8, §12).

The stages of a block: statistic, scales of the candidates, their errors, the winner, rounding, word. Sparsity comes
before them and the correction after, because both look across blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from lowbit.formats import BlockFormat, Overflow, Peak, ZeroPoint
from lowbit.reference import elements, micro_exponents, peak, zero_point
from lowbit.reference.binary32 import multiply
from lowbit.reference.candidates import Candidate, candidates, compare
from lowbit.reference.elements import Encoded
from lowbit.reference.grid import grid_of
from lowbit.reference.rounding import Mode, round_to_code
from lowbit.reference.scale import decode_scale
from lowbit.reference.statistic import BlockStatistic, block_statistic
from lowbit.reference.tensor_scale import ONE_LEVEL, TensorScale
from lowbit.reference.word import join_word, nan_word, split_word


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizedBlock:
    """What became of a block, step by step.

    `codes` are in the order of the block's elements, `word` is the scale code with the side bits above it. The
    statistic is None where none is taken (zero points use the block's range). `candidates[chosen]` is the way the block
    is stored; `scaled` are the numbers in units of the element grid, as they were rounded. A block with NaN or an
    infinity has codes 0 and the NaN word, and nothing else. `ratio` is what a correction multiplied the scale with.
    """

    codes: tuple[int, ...]
    word: int
    statistic: BlockStatistic | None = None
    candidates: tuple[Candidate, ...] = ()
    chosen: int = 0
    side: int = 0
    scaled: tuple[float | Fraction, ...] = ()
    ratio: float | None = None


def quantize_block(
    numbers: Sequence[float],
    modes: Sequence[Mode],
    fmt: BlockFormat,
    *,
    tensor: TensorScale = ONE_LEVEL,
    amax: float | None = None,
    statistic: BlockStatistic | None = None,
    row_length: int | None = None,
) -> QuantizedBlock:
    """The numbers that share one scale, quantized; `modes[i]` rounds `numbers[i]`.

    `amax` replaces the block's own largest magnitude (one scale over a tensor that arrives in pieces), `statistic` that
    of the numbers where they are only a part of the block. Tiles give the length of their rows. A block with a NaN or
    an infinity: NonfiniteError where the scale element has no NaN.
    """
    if not all(isfinite(x) for x in numbers):
        return QuantizedBlock(codes=(0,) * len(numbers), word=nan_word(fmt))
    if fmt.zero_point is ZeroPoint.INTEGER:
        scale = zero_point.range_scale(numbers, fmt)
        encoded = zero_point.encode(numbers, modes, scale, fmt, tensor)
        return _finished(encoded, None, [Candidate(fmt.candidates[0], scale)], 0, fmt)
    if statistic is None:
        statistic = block_statistic(numbers, fmt, amax)
    tried, chosen = compare(candidates(statistic, fmt, tensor), numbers, row_length or len(numbers), fmt, tensor)
    encode = peak.encode if fmt.peak is Peak.EXTRA_MANTISSA else elements.encode
    encode = micro_exponents.encode if fmt.micro_exponents else encode
    return _finished(encode(numbers, modes, tried[chosen], fmt, tensor), statistic, tried, chosen, fmt)


def decode_block(codes: Sequence[int], word: int, fmt: BlockFormat, tensor: TensorScale = ONE_LEVEL) -> list[float]:
    """The values of a block's codes, binary32 (contract §2); a NaN scale gives NaN. FormatError for bad words."""
    scale_code, side = split_word(word, fmt)
    decode = elements.decode
    if fmt.zero_point is ZeroPoint.INTEGER:
        decode = zero_point.decode
    elif fmt.peak is Peak.EXTRA_MANTISSA:
        decode = peak.decode
    elif fmt.micro_exponents:
        decode = micro_exponents.decode
    return decode(codes, decode_scale(scale_code, fmt), side, fmt, tensor)


def cast_code(x: float, mode: Mode, fmt: BlockFormat) -> int:
    """The code of one number in a format without scales (bf16, fp16, tf32, a bare element)."""
    return round_to_code(x, grid_of(fmt.element), mode, fmt.overflow or Overflow.SATURATE)


def cast_value(code: int, fmt: BlockFormat) -> float:
    """The value of a code of a format without scales, narrowed to binary32 (an identity for all named elements)."""
    return multiply(fmt.element.decode(code), 1.0)


def _finished(
    encoded: Encoded, statistic: BlockStatistic | None, tried: Sequence[Candidate], chosen: int, fmt: BlockFormat
) -> QuantizedBlock:
    return QuantizedBlock(
        codes=encoded.codes,
        word=join_word(tried[chosen].scale.code, encoded.side, fmt),
        statistic=statistic,
        candidates=tuple(tried),
        chosen=chosen,
        side=encoded.side,
        scaled=encoded.scaled,
    )
