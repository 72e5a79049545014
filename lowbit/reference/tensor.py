"""Quantize, dequantize and fake-quantize nested lists exactly: the oracle's front (contract §2-§5, §7, §8).

Numbers are Python floats. Kernels see binary32 input; the oracle also takes float64 numbers, each operation then rounds
the exact result once, as everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

from lowbit.errors import ArgumentError, NonfiniteError, ShapeError
from lowbit.formats import BlockFormat, Correction, Rounding, Stochastic, format
from lowbit.formats.rounding import find_rounding
from lowbit.reference.block import QuantizedBlock, cast_code, cast_value
from lowbit.reference.correction import scale_bits
from lowbit.reference.layout import (
    Axis,
    Nested,
    Place,
    Shape,
    block_indices,
    block_sides,
    flatten,
    grid_shape,
    logical_indices,
    nest,
    run_sides,
    shape_of,
)
from lowbit.reference.level import check_two_levels, given_scale, resolve_tensor_scale
from lowbit.reference.philox import random_bits
from lowbit.reference.rounding import Draw, Mode
from lowbit.reference.sparsity import sparsified
from lowbit.reference.tensor_blocks import codes_in_order, corrected_blocks, decoded_values, quantized_blocks


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantized:
    """What a tensor is stored as, and what it decodes to.

    Invariants: `codes` and `values` have the input's shape; `scales` has the shape of the block grid (as many axes as
    the input, each ceil(length / side of a block)) and holds block words: the code of the scale (a 32-bit pattern for
    binary32 scales) with the side bits above it; without blocks it is None. `tensor_scale` is t of contract §4, None
    for formats with one level. `blocks` are the steps of every block, in row-major order of the block grid.
    """

    codes: Any
    scales: Any
    tensor_scale: float | None
    values: Any
    blocks: tuple[QuantizedBlock, ...] = ()


def quantize(
    x: Nested,
    fmt: BlockFormat | str,
    *,
    axis: Axis = -1,
    rounding: str | Rounding | Stochastic = "nearest_even",
    seed: int | None = None,
    stream: int = 0,
    offset: int = 0,
    origin: Sequence[int] | None = None,
    global_shape: Sequence[int] | None = None,
    tensor_amax: float | None = None,
    tensor_scale: float | None = None,
) -> Quantized:
    """Codes, scales and decoded values of nested lists `x` of any depth, in format `fmt`.

    `axis` is the axis of runs and rows, a pair for tiles (default: the last two); whole-tensor blocks and plain casts
    have none. `rounding="stochastic"` (32 bits, midpoint) or a `Stochastic` needs a `seed`; the random bits of an
    element follow from (seed, stream, offset + its row-major index in x), or its index in a tensor of `global_shape`
    that has x at `origin`. A format with correction=eden rounds its scales stochastically: it needs a seed with every
    rounding, no offset (which does not say where blocks lie), and pieces that begin with a group of blocks.
    `tensor_amax` is the amax of the whole tensor where x is a piece of it: for two-level formats, and for whole-tensor
    blocks that need nothing but their amax, which it replaces; `tensor_scale` is a static t of two-level formats. Both
    are rounded to binary32.

    A block with NaN or ±Inf has codes 0, the NaN scale and NaN values, and such elements do not enter the tensor's
    amax; in a plain cast NaN stays NaN. Formats without NaN raise NonfiniteError. -0 is kept where the element has it;
    blocks of zeros have scale code 0; short last blocks are as if padded with zeros; empty tensors give empty lists.
    Raises ShapeError for ragged lists or an axis that does not fit, ArgumentError for the rest.
    """
    fmt, shape, numbers = format(fmt), shape_of(x), flatten(x)
    _refuse_nonfinite(numbers, shape, fmt)
    place = Place(offset=offset, origin=origin, global_shape=global_shape)
    modes = _modes(rounding, shape, fmt, place, seed=seed, stream=stream)
    if fmt.scale is None:
        check_two_levels(fmt, tensor_amax, tensor_scale)
        codes = [cast_code(number, mode, fmt) for number, mode in zip(numbers, modes, strict=True)]
        values = [cast_value(code, fmt) for code in codes]
        return Quantized(codes=nest(codes, shape), scales=None, tensor_scale=None, values=nest(values, shape))
    if fmt.sparsity is not None:
        kept, run = fmt.sparsity
        numbers = sparsified(numbers, shape, run_sides(fmt, shape, axis, run), kept)
    level = resolve_tensor_scale(numbers, fmt, tensor_amax=tensor_amax, tensor_scale=tensor_scale)
    steps = quantized_blocks(numbers, modes, fmt, shape, axis, level)
    group = fmt.correction_group
    if fmt.correction is Correction.EDEN and seed is not None and group is not None:
        indices = block_indices(shape, block_sides(fmt, shape, axis), run_sides(fmt, shape, axis, group), place)
        draws = [scale_bits(index, seed=seed, stream=stream) for index in indices]
        steps = corrected_blocks(steps, numbers, fmt, shape, axis, level.scale, draws)
    codes, words = codes_in_order(steps, fmt, shape, axis), [block.word for block in steps]
    return Quantized(
        codes=nest(codes, shape),
        scales=nest(words, grid_shape(shape, block_sides(fmt, shape, axis))),
        tensor_scale=level.scale.decode if fmt.tensor_target is not None else None,
        values=nest(decoded_values(codes, words, fmt, shape, axis, level.scale), shape),
        blocks=tuple(steps),
    )


def qdq(
    x: Nested,
    fmt: BlockFormat | str,
    *,
    axis: Axis = -1,
    rounding: str | Rounding | Stochastic = "nearest_even",
    seed: int | None = None,
    stream: int = 0,
    offset: int = 0,
    origin: Sequence[int] | None = None,
    global_shape: Sequence[int] | None = None,
    tensor_amax: float | None = None,
    tensor_scale: float | None = None,
) -> Any:
    """The values of `quantize(x, fmt, ...)`, nested lists of x's shape; arguments, specials and errors as there."""
    quantized = quantize(
        x,
        fmt,
        axis=axis,
        rounding=rounding,
        seed=seed,
        stream=stream,
        offset=offset,
        origin=origin,
        global_shape=global_shape,
        tensor_amax=tensor_amax,
        tensor_scale=tensor_scale,
    )
    return quantized.values


def dequantize(
    codes: Nested, scales: Nested, fmt: BlockFormat | str, *, axis: Axis = -1, tensor_scale: float | None = None
) -> Any:
    """Values of stored codes: fl(fl(element × block scale) × tensor scale) (contract §2, §12).

    `codes` are nested lists of element codes, `scales` of block words in the shape that `quantize` gives (None for
    plain casts); a two-level format needs its `tensor_scale`. NaN scales give NaN blocks, products beyond binary32
    infinities. Raises ShapeError for scales that do not fit the codes, FormatError for codes or words that do not
    exist, ArgumentError for a tensor scale that is missing or has no place.
    """
    fmt, shape = format(fmt), shape_of(codes)
    numbers = [int(code) for code in flatten(codes)]
    if fmt.scale is None:
        check_two_levels(fmt, None, tensor_scale)
        return nest([cast_value(code, fmt) for code in numbers], shape)
    expected = grid_shape(shape, block_sides(fmt, shape, axis))
    if scales is None or shape_of(scales) != expected:
        raise ShapeError(f"scales do not fit codes of shape {shape} in {fmt}; give one word a block: {expected}")
    level = given_scale(fmt, tensor_scale)
    return nest(decoded_values(numbers, [int(code) for code in flatten(scales)], fmt, shape, axis, level), shape)


def _modes(
    rounding: str | Rounding | Stochastic,
    shape: Shape,
    fmt: BlockFormat,
    place: Place,
    *,
    seed: int | None,
    stream: int,
) -> list[Mode]:
    """How each element of a tensor is rounded; random bits follow from its index. Refuses arguments with no use."""
    chosen = find_rounding(rounding)
    random_scales = fmt.correction is Correction.EDEN
    if random_scales and seed is None:
        raise ArgumentError(f"{fmt} rounds its scales stochastically; give seed= an integer from 0 to 2^64-1")
    if random_scales and place.offset:
        raise ArgumentError(f"offset={place.offset} does not say which blocks of {fmt} these are; give an origin")
    if not isinstance(chosen, Stochastic):
        if not random_scales and (seed is not None or stream or place != Place()):
            raise ArgumentError(
                f"seed, stream and {place} have no effect with rounding={chosen.value!r}; leave them out"
            )
        return [chosen] * prod(shape)
    if seed is None:
        raise ArgumentError("stochastic rounding needs a seed; give seed= an integer from 0 to 2^64-1")
    return [
        Draw(rule=chosen.rule, bits=chosen.bits, random=random_bits(i, bits=chosen.bits, seed=seed, stream=stream))
        for i in logical_indices(shape, place)
    ]


def _refuse_nonfinite(numbers: Sequence[float], shape: Shape, fmt: BlockFormat) -> None:
    """NonfiniteError with the first position, for formats that cannot hold a NaN (contract §8)."""
    if fmt.has_nan:
        return
    for index, number in enumerate(numbers):
        if not isfinite(number):
            position = list[int]()
            for length in reversed(shape):
                index, place = divmod(index, length)
                position.append(place)
            raise NonfiniteError(
                f"{number} at {tuple(reversed(position))}: {fmt} has no NaN; remove it or use a format that has one"
            )
