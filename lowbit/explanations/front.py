"""`explain`: the account of one element, from the tensor to its value."""

from collections.abc import Sequence
from math import prod
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np

from lowbit.errors import UnsupportedError
from lowbit.explanations.blocks import BlockPlace, find_block, quantized_element
from lowbit.explanations.draws import Draws, checked_draws
from lowbit.explanations.element_steps import cast_steps, correction_steps, element_steps
from lowbit.explanations.numbers import bits_text
from lowbit.explanations.records import Explanation, Step
from lowbit.explanations.result_steps import decode_steps, error_steps, grid_gap, narrowing_steps, value_gap
from lowbit.explanations.rotation import rotated_tensor, rotation_steps
from lowbit.explanations.scale_steps import binary32_step, candidate_steps, statistic_steps, tensor_steps
from lowbit.explanations.sparsity import sparse_tensor, sparsity_steps
from lowbit.explanations.tensors import Tensor, checked_index, finite_amax, narrowed, refuse_nonfinite
from lowbit.formats import BlockFormat, Hadamard, Rounding, Stochastic
from lowbit.formats import format as find_format
from lowbit.geometry import Axis, normalized_axes
from lowbit.ops import arrays
from lowbit.ops.draws import NOTHING, RandomSource, random_source
from lowbit.ops.engine import check_tensor_arguments
from lowbit.ops.front import argument_number
from lowbit.ops.rotated import check_transform
from lowbit.reference.block import cast_code, cast_value
from lowbit.reference.level import Level, resolve_tensor_scale
from lowbit.reference.scale import decode_scale
from lowbit.reference.word import split_word


def explain(
    x: Any,
    format: str | BlockFormat,
    index: SupportsIndex | Sequence[SupportsIndex],
    *,
    axis: Axis = -1,
    rounding: str | Rounding | Stochastic = Rounding.NEAREST_EVEN,
    seed: SupportsIndex | None = None,
    stream: SupportsIndex = 0,
    offset: SupportsIndex = 0,
    origin: Sequence[SupportsIndex] | None = None,
    global_shape: Sequence[SupportsIndex] | None = None,
    tensor_amax: SupportsFloat | None = None,
    tensor_scale: SupportsFloat | None = None,
    transform: Hadamard | None = None,
) -> Explanation:
    """How `quantize(x, format, ...)` comes to the code and value of one element, step by step and exactly.

    x: numpy array (float32, float16, ml_dtypes.bfloat16) or torch tensor (float32, bfloat16, float16; CPU) of any shape
    and strides. index: one integer an axis, or an integer for one axis; negative ones count from the end. All other
    arguments as for `qdq`; every rounding mode and format. With a `transform` the index, and the place that offset or
    origin give, are those of the rotated tensor. The steps are those of the exact oracle, run on the block of
    the element (with what its correction or sparsity looks at), so a large tensor takes little longer than a small one;
    only a format that compares candidates over whole rows or tensors takes time in proportion to them.

    The result's `code`, `scale_word` and `value` are bit for bit what `quantize` and `qdq` give; its `steps` have exact
    values, bit patterns, formulas and the clauses of the contract, and notes where special rules applied: blocks of
    zeros, with NaN or infinities, saturation, underflow, clamped scales, ties. `str` gives a table of 100 columns,
    `to_json` data, and notebooks show HTML.

    Raises ShapeError or ArgumentError for an index or axis that does not fit and what `qdq` raises.
    Source: the numerical contract (docs/numerics.md).

    >>> import numpy as np, lowbit as lb
    >>> e = lb.explain(np.array([0.1, 1.3, -2.6, 5.0], np.float32), "mxfp4", 2)
    >>> e.step("amax").value, e.step("s").value, e.step("lo").value, e.step("hi").value, e.step("up").value
    (5.0, 1.0, Fraction(2, 1), Fraction(3, 1), True)
    >>> e.code, e.scale_word, e.value
    (13, 127, -3.0)
    """
    framework = arrays.framework_of(x)
    if getattr(getattr(x, "device", None), "type", "cpu") == "meta":
        raise UnsupportedError("a meta tensor has no numbers to explain; give one with storage")
    array, kind = framework.unwrap(x)
    return explain_tensor(
        Tensor(array, kind),
        find_format(format),
        index,
        axis=axis,
        rounding=rounding,
        source=random_source(seed, stream, offset, origin, global_shape),
        tensor_amax=argument_number(tensor_amax, "tensor_amax"),
        tensor_scale=argument_number(tensor_scale, "tensor_scale"),
        transform=transform,
    )


def explain_tensor(
    tensor: Tensor,
    fmt: BlockFormat,
    index: Any,
    *,
    axis: Axis = -1,
    rounding: str | Rounding | Stochastic = Rounding.NEAREST_EVEN,
    source: RandomSource = NOTHING,
    tensor_amax: float | None = None,
    tensor_scale: float | None = None,
    transform: Hadamard | None = None,
) -> Explanation:
    """`explain` for what the engine calls an array."""
    turned: list[Step] = []
    if transform is not None:
        original, tensor = tensor, rotated_tensor(tensor, check_transform(transform), axis)
        turned = rotation_steps(original, checked_index(index, tensor.shape), transform, axis)
    shape, position = tensor.shape, checked_index(index, tensor.shape)
    draws = checked_draws(rounding, source, fmt, shape, normalized_axes(axis, len(shape), fmt))
    check_tensor_arguments(fmt, tensor_amax, tensor_scale)
    refuse_nonfinite(tensor, fmt)
    asked: dict[str, Any] = {"format": str(fmt), "spec": fmt.spec, "rounding": str(draws), "dtype": tensor.kind}
    asked["transform"] = "" if transform is None else str(transform)
    asked |= {"shape": shape, "index": position, "code_bits": fmt.element.bits}
    if not shape:  # one element is a tensor of one axis
        tensor, position = Tensor(tensor.array.reshape(1), tensor.kind), (0,)
    if fmt.scale is None:
        found = _cast(tensor, position, fmt, draws)
    else:
        place = find_block(fmt, tensor.shape, axis, position)
        found = _blockwise(tensor, position, fmt, place, draws, tensor_amax, tensor_scale)
    return Explanation(**asked, **{**found, "steps": (*turned, *found["steps"])})


def _cast(tensor: Tensor, position: tuple[int, ...], fmt: BlockFormat, draws: Draws) -> dict[str, Any]:
    """The fields of an explanation for a format without scales."""
    x, mode = tensor.at(position), draws.mode(position)
    code = cast_code(x, mode, fmt)
    value = cast_value(code, fmt)
    result = narrowed(value, tensor.kind)
    steps = [
        _input_step(x, tensor),
        *cast_steps(x, fmt, draws, position, mode),
        binary32_step("value", "value", "decoded value", value, "the code's value", "§2"),
        *narrowing_steps(value, result, tensor.kind, _pattern(result, tensor)),
    ]
    steps += error_steps(x, result, grid_gap(steps))
    nothing: dict[str, Any] = {"scale_word": None, "scale": None, "tensor_scale": None}
    nothing |= {"block_index": (), "block_ranges": ()}
    return {"x": x, "code": code, "value": result, "exact_value": value, "steps": tuple(steps), **nothing}


def _blockwise(
    tensor: Tensor,
    position: tuple[int, ...],
    fmt: BlockFormat,
    place: BlockPlace,
    draws: Draws,
    tensor_amax: float | None,
    tensor_scale: float | None,
) -> dict[str, Any]:
    """The fields of an explanation for a format with blocks."""
    dense, tensor = tensor, sparse_tensor(tensor, place.axes, fmt)
    level, given = _level(tensor, fmt, tensor_amax, tensor_scale)
    x, mode = tensor.at(position), draws.mode(position)
    found = quantized_element(tensor, place, fmt, draws, level, x)
    word = found.block.word
    result = narrowed(found.value, tensor.kind)
    steps = [_input_step(dense.at(position), tensor), *sparsity_steps(dense, position, place, fmt)]
    steps += [_block_step(fmt, place), *tensor_steps(fmt, level, given)]
    if found.block.candidates:
        steps += [*statistic_steps(fmt, found, place, level), *candidate_steps(fmt, found)]
        steps += element_steps(x, found, fmt, level, draws, position, mode)
        steps += correction_steps(found, fmt, place, draws)
    steps += decode_steps(found, fmt, level)
    steps += narrowing_steps(found.value, result, tensor.kind, _pattern(result, tensor))
    scale = decode_scale(split_word(word, fmt)[0], fmt).value
    steps += error_steps(x, result, value_gap(steps, found.value))
    return {
        "x": x,
        "code": found.block.codes[found.slot],
        "value": result,
        "exact_value": found.value,
        "scale_word": word,
        "scale": scale,
        "block_index": place.index,
        "block_ranges": place.ranges,
        "steps": tuple(steps),
        "tensor_scale": level.scale.decode if fmt.tensor_target is not None else None,
    }


def _level(
    tensor: Tensor, fmt: BlockFormat, tensor_amax: float | None, tensor_scale: float | None
) -> tuple[Level, str]:
    """The second level, and where its amax comes from."""
    if tensor_scale is not None:
        return resolve_tensor_scale([], fmt, tensor_amax=None, tensor_scale=tensor_scale), "fl(fl(t × S) × T), t given"
    if tensor_amax is not None:
        return resolve_tensor_scale([], fmt, tensor_amax=tensor_amax, tensor_scale=None), "given as tensor_amax"
    numbers = [] if fmt.tensor_target is None else [finite_amax(tensor)[0]]
    level = resolve_tensor_scale(numbers, fmt, tensor_amax=None, tensor_scale=None)
    return level, "largest finite magnitude of the whole tensor"


def _input_step(x: float, tensor: Tensor) -> Step:
    formula = "the number" if tensor.kind == "float32" else f"the {tensor.kind} number, widened exactly"
    return Step(
        section="input", name="input", symbol="x", value=x, bits=_pattern(x, tensor), formula=formula, clause="§0"
    )


def _block_step(fmt: BlockFormat, place: BlockPlace) -> Step:
    extent = ", ".join(f"{r.start}…{r.stop - 1}" if len(r) > 1 else f"{r.start}" for r in place.ranges)
    formula = f"{fmt.block}: {prod(map(len, place.ranges))} elements [{extent}], this is number {place.place}"
    short = fmt.block is not None and fmt.block.elements not in (None, prod(map(len, place.ranges)))
    notes = ("a short block, as if padded with zeros",) if short else ()
    return Step(
        section="input", name="block", symbol="block", value=place.index, formula=formula, clause="§7", notes=notes
    )


def _pattern(value: float, tensor: Tensor) -> str:
    if tensor.kind == "float32":
        return bits_text(value)
    if tensor.kind == "float16":
        return f"0x{int(np.float16(value).view(np.uint16)):04X}"
    return bits_text(value)[:6]
