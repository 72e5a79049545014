"""Block words: the scale code in the low bits, side bits above it (contract §12)."""

from lowbit.errors import FormatError, NonfiniteError
from lowbit.formats import BlockFormat
from lowbit.reference.scale import nan_scale_code, scale_element


def join_word(scale_code: int, side: int, fmt: BlockFormat) -> int:
    """The word of a block."""
    return scale_code | side << scale_element(fmt).bits


def split_word(word: int, fmt: BlockFormat) -> tuple[int, int]:
    """Scale code and side bits of a word; FormatError where it is wider than the format's."""
    side, scale_code = divmod(word, 1 << scale_element(fmt).bits)
    if not 0 <= side < 1 << fmt.side_bits:
        width = scale_element(fmt).bits + fmt.side_bits
        raise FormatError(f"block word {word} does not fit the {width} bits of {fmt}; give the words of quantize")
    return scale_code, side


def nan_word(fmt: BlockFormat) -> int:
    """The word of a block with NaN or infinity: the NaN scale, side bits 0."""
    code = nan_scale_code(fmt)
    if code is None:
        raise NonfiniteError(f"{fmt} has no NaN scale for a block with NaN or infinity; remove them from the input")
    return join_word(code, 0, fmt)
