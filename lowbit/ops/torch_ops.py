"""`qdq` for torch tensors: custom operators `lowbit::qdq` and `lowbit::qdq_out` with straight-through gradients.

The operators are opaque to `torch.compile` (one node, no graph break) and hand the tensor's own memory to the engine:
no copy is made on the way in or out. Formats and transforms travel as text. Tensor amax and tensor scale travel as 0-d
tensors, so that a compiled graph never needs `.item()`: the kernel reads the number when it runs. Tensors at hand go
past the operators (`torch_direct`): the dispatcher takes longer than a short call's work.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.library import register_autograd, register_fake, register_vmap

from lowbit.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from lowbit.formats import BlockFormat, Hadamard, Rounding, Stochastic, StochasticRule
from lowbit.formats import format as find_format
from lowbit.formats.rounding import find_rounding
from lowbit.ops import rotated_qdq
from lowbit.ops.torch_arrays import check_input
from lowbit.ops.torch_direct import (
    compute,
    direct_qdq,
    direct_qdq_out,
    is_direct,
    memory_for,
    remember,
    straight_through,
)
from lowbit.ops.torch_library import LIBRARY, new_like, shift_axis, under_torch_func
from lowbit.ops.torch_numbers import as_integer, as_scalar, integer, is_default, number
from lowbit.ops.torch_rotation import forth, transform_text

_ARGUMENTS = (
    "Tensor x, str format, int[] axis, str rounding, Tensor? tensor_amax, Tensor? tensor_scale, str? nonfinite, "
    "Tensor? seed, Tensor? stream, Tensor? offset, int[]? origin, int[]? global_shape, str? transform, bool rotate_back"
)
LIBRARY.define(f"qdq({_ARGUMENTS}) -> Tensor")
LIBRARY.define(f"qdq_out({_ARGUMENTS}, Tensor(a!) out) -> ()")


def qdq(
    x: torch.Tensor,
    fmt: str | BlockFormat,
    *,
    axis: int | tuple[int, int] = -1,
    rounding: str | Rounding | Stochastic = Rounding.NEAREST_EVEN,
    seed: int | torch.Tensor | None = None,
    stream: int | torch.Tensor = 0,
    offset: int | torch.Tensor = 0,
    origin: Sequence[int] | None = None,
    global_shape: Sequence[int] | None = None,
    tensor_amax: float | torch.Tensor | None = None,
    tensor_scale: float | torch.Tensor | None = None,
    nonfinite: str | None = None,
    transform: Hadamard | None = None,
    rotate_back: bool = False,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Quantize and dequantize `x`: every element becomes the nearest value its format and block can hold.

    `x` is float32, bfloat16 or float16 of any shape and strides on the CPU; the result has its shape, dtype and, where
    x is dense, its strides (what `torch.empty_like` gives). Values, NaN, infinities, -0, zero blocks and short last
    blocks are those of the numerical contract (§2-§8), bit for bit those of the numpy path. On the meta device only
    the shape is computed.

    The gradient is the straight-through one: it passes unchanged, **also where the value saturated**; tensor amax and
    scale get none. With a `transform` it is rotated back; with `rotate_back` too it passes unchanged, since a rotation
    and its transpose cancel. Double backward, forward mode and `torch.func` work, but not `torch.func` inside
    `torch.compile`. `tensor_amax` and `tensor_scale` are numbers or tensors of one element, read when the operator
    runs, also in a compiled graph; so are `seed`, `stream` and `offset`, as integers: a seed in a tensor may change
    from step to step without compiling anew. Random bits depend on them and an element's index alone, so recomputing
    gives the same values. Under vmap a stochastic call needs a batch of seeds, streams or offsets: samples would
    otherwise share their bits.

    `out` receives the result and is returned: x itself (in place) or memory that does not overlap x, of the result's
    shape and dtype; it has no gradient. Raises DtypeError, ShapeError, UnsupportedError, ArgumentError, FormatError,
    and NonfiniteError with `nonfinite="raise"`.
    """
    check_input(x, "x")
    rotated_qdq.check_rotate_back(transform, rotate_back)
    axes = _axes(axis)
    rotation = None if transform is None else transform_text(transform)
    if out is not None:
        _check_out(x, out, same_shape=transform is None or rotate_back)
    if is_direct(x, seed, stream, offset, tensor_amax, tensor_scale, out):
        direct = (
            find_format(fmt),
            axes,
            rounding,
            number(tensor_amax, "tensor_amax"),
            number(tensor_scale, "tensor_scale"),
            nonfinite,
            integer(seed, "seed"),
            integer(stream, "stream"),
            integer(offset, "offset"),
            origin,
            global_shape,
            rotation,
            rotate_back,
        )
        if out is None:
            return direct_qdq(x, *direct)
        direct_qdq_out(x, out, *direct)
        return out
    arguments = (
        x,
        fmt if isinstance(fmt, str) else _spec(fmt),
        axes,
        _rounding_text(rounding) if isinstance(rounding, str) else _stochastic_text(rounding.bits, rounding.rule),
        as_scalar(tensor_amax, "tensor_amax"),
        as_scalar(tensor_scale, "tensor_scale"),
        nonfinite,
        None if seed is None else as_integer(seed, "seed"),
        None if is_default(stream) else as_integer(stream, "stream"),
        None if is_default(offset) else as_integer(offset, "offset"),
        None if origin is None else list(origin),
        None if global_shape is None else list(global_shape),
        rotation,
        rotate_back,
    )
    if out is None:
        if under_torch_func():
            return _StraightThrough.apply(*arguments)
        return torch.ops.lowbit.qdq.default(*arguments)
    torch.ops.lowbit.qdq_out.default(*arguments, out)
    return out


def _axes(axis: int | tuple[int, int]) -> list[int]:
    """The axis or axes as the operator takes them."""
    if not isinstance(axis, int | tuple):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(f"axis={axis!r} is not allowed; give an integer, or a pair of them for tiles")
    return [axis] if isinstance(axis, int) else list(axis)


def _spec(fmt: BlockFormat) -> str:
    """The format's spec text; a constant to torch.compile, which cannot trace the making of it."""
    return find_format(fmt).spec


def _rounding_text(rounding: str) -> str:
    """A mode as the operator takes it; a constant to torch.compile as well."""
    return str(find_rounding(rounding))


def _stochastic_text(bits: int, rule: StochasticRule) -> str:
    """The same from the fields, which torch.compile reads also from a `Stochastic` made in the code that it traces."""
    return str(Stochastic(bits=bits, rule=rule))


def _check_out(x: torch.Tensor, out: torch.Tensor, *, same_shape: bool) -> None:
    check_input(out, "out")
    if out.dtype is not x.dtype or out.device != x.device:
        raise DtypeError(f"out is {out.dtype} on {out.device}; it must be like x, {x.dtype} on {x.device}")
    if same_shape and out.shape != x.shape:
        raise ShapeError(f"out has shape {tuple(out.shape)}; it must be x's, {tuple(x.shape)}")
    if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
        raise ArgumentError("out= has no gradient: call it under torch.no_grad(), on detached tensors, or without out")


def _numbers(
    format: str,
    axis: list[int],
    rounding: str,
    tensor_amax: torch.Tensor | None,
    tensor_scale: torch.Tensor | None,
    nonfinite: str | None,
    seed: torch.Tensor | None,
    stream: torch.Tensor | None,
    offset: torch.Tensor | None,
    *rest: Any,
) -> tuple[Any, ...]:
    """The operator's arguments as `compute` takes them."""
    amax, scale = number(tensor_amax, "tensor_amax"), number(tensor_scale, "tensor_scale")
    start = (integer(seed, "seed"), integer(stream, "stream") or 0, integer(offset, "offset") or 0)
    return (find_format(format), axis, rounding, amax, scale, nonfinite, *start, *rest)


def _qdq_cpu(x: torch.Tensor, *arguments: Any) -> torch.Tensor:
    out = memory_for(x, new_like, *arguments)
    compute(x, out, *_numbers(*arguments))
    return out


def _qdq_out_cpu(x: torch.Tensor, *arguments: Any) -> None:
    *rest, out = arguments
    direct_qdq_out(x, out, *_numbers(*rest))


def _qdq_vmap(info: Any, in_dims: Any, x: torch.Tensor, *arguments: Any) -> tuple[torch.Tensor, int]:
    """One call for the whole batch where samples do not see each other, else one call a sample."""
    format, axis, rounding, amax, scale, nonfinite, *draws = arguments
    x = x.movedim(in_dims[0], 0) if in_dims[0] is not None else x.expand(info.batch_size, *x.shape)
    stochastic = draws[0] is not None
    batched_draws = any(dim is not None for dim in in_dims[7:10])
    batched_scales = in_dims[4] is not None or in_dims[5] is not None
    if stochastic and not batched_draws:
        raise UnsupportedError(
            "stochastic rounding under vmap needs a seed, stream or offset for each sample: give a batch of them"
        )
    whole = _sees_whole_tensor(format, amax is not None or scale is not None)
    if not (whole or stochastic or batched_scales) and x.ndim > 1:
        shifted = [shift_axis(a, x.ndim - 1) for a in axis]
        return _StraightThrough.apply(x, format, shifted, rounding, amax, scale, nonfinite, *draws), 0
    shared = (0, 1, 2, 5, 9, 10, 11, 12)  # arguments that are no tensors
    dims = [None if place in shared else dim for place, dim in enumerate(in_dims[1:])]
    samples = zip(x, *map(_per_sample, arguments, dims, [info.batch_size] * len(dims)), strict=True)
    return torch.stack([_StraightThrough.apply(*sample) for sample in samples]), 0


def _per_sample(value: Any, dim: int | None, size: int) -> Any:
    """One tensor argument for each sample, given as a batch along `dim` or (None) as one for all."""
    return [value] * size if dim is None else value.movedim(dim, 0)


def _sees_whole_tensor(format: str, scale_given: bool) -> bool:
    """Whether an element's result depends on all others: a tensor-wide block, or a tensor scale still to be found."""
    fmt = find_format(format)
    one_block = fmt.block is not None and fmt.block.is_tensor
    return one_block or (fmt.tensor_target is not None and not scale_given)


class _StraightThrough(torch.autograd.Function):
    """The operator with its gradient and its tangent passed through unchanged.

    The operator has the same gradient registered; `torch.func` however transforms only functions with a setup_context.
    """

    @staticmethod
    def forward(
        x: torch.Tensor,
        format: str,
        axis: list[int],
        rounding: str,
        amax: Any,
        scale: Any,
        nonfinite: str | None,
        seed: Any,
        stream: Any,
        offset: Any,
        origin: list[int] | None,
        global_shape: list[int] | None,
        transform: str | None,
        rotate_back: bool,
    ) -> torch.Tensor:
        draws = (seed, stream, offset, origin, global_shape)
        return torch.ops.lowbit.qdq.default(
            x, format, axis, rounding, amax, scale, nonfinite, *draws, transform, rotate_back
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        remember(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return straight_through(ctx, grad)

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, *_: Any) -> torch.Tensor:
        return tangent.view_as(tangent) if ctx.transform is None else forth(tangent, ctx.transform, ctx.axis)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> tuple[torch.Tensor, int]:
        return _qdq_vmap(info, in_dims, *arguments)


for function in (_spec, _rounding_text, _stochastic_text, _sees_whole_tensor):
    # What torch.compiler.assume_constant_result does, which would import all of torch._dynamo (2 s) to do it.
    vars(function)["_dynamo_marked_constant"] = True

LIBRARY.impl("qdq", _qdq_cpu, "CPU")
LIBRARY.impl("qdq_out", _qdq_out_cpu, "CPU")
register_fake("lowbit::qdq", lambda x, *arguments: memory_for(x, torch.empty_like, *arguments), lib=LIBRARY)
register_fake("lowbit::qdq_out", lambda x, *arguments: None, lib=LIBRARY)
register_autograd("lowbit::qdq", straight_through, setup_context=remember, lib=LIBRARY)
register_vmap("lowbit::qdq", _qdq_vmap, lib=LIBRARY)
