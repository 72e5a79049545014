"""`qdq` for torch tensors: custom operators `lowbit::qdq` and `lowbit::qdq_out` with straight-through gradients.

The operators are opaque to `torch.compile` (one node, no graph break) and hand the tensor's own memory to the engine:
no copy is made on the way in or out. They are defined through `torch.library.Library`, which costs a third of
`custom_op` a call. Formats travel as spec text. Tensor amax and tensor scale travel as 0-d tensors, so that a compiled
graph never needs `.item()`: the kernel reads the number when it runs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.library import Library, register_autograd, register_fake, register_vmap

from lowbit.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from lowbit.formats import BlockFormat, Rounding, Stochastic, StochasticRule
from lowbit.formats import format as find_format
from lowbit.formats.rounding import find_rounding
from lowbit.ops import engine
from lowbit.ops.dense import new_array
from lowbit.ops.draws import random_source
from lowbit.ops.torch_arrays import KINDS, check_input, tensor_array
from lowbit.ops.torch_numbers import as_integer, as_scalar, integer, is_default, number

_HUGE_BYTES = 1 << 20
"""From this size on a result lives in memory from numpy's allocator, which asks for huge pages (3 times faster)."""

_LIBRARY = Library("lowbit", "FRAGMENT")
_ARGUMENTS = (
    "Tensor x, str format, int[] axis, str rounding, Tensor? tensor_amax, Tensor? tensor_scale, str? nonfinite, "
    "Tensor? seed, Tensor? stream, Tensor? offset, int[]? origin, int[]? global_shape"
)
_LIBRARY.define(f"qdq({_ARGUMENTS}) -> Tensor")
_LIBRARY.define(f"qdq_out({_ARGUMENTS}, Tensor(a!) out) -> ()")


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
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Quantize and dequantize `x`: every element becomes the nearest value its format and block can hold.

    `x` is float32, bfloat16 or float16 of any shape and strides on the CPU; the result has its shape, dtype and, where
    x is dense, its strides (what `torch.empty_like` gives). Values, NaN, infinities, -0, zero blocks and short last
    blocks are those of the numerical contract (§2-§8), bit for bit those of the numpy path. On the meta device only
    the shape is computed.

    The gradient is the straight-through one: it passes unchanged, **also where the value saturated**; tensor amax and
    scale get none. Double backward and `torch.func` work, but not `torch.func` inside `torch.compile`. `tensor_amax`
    and `tensor_scale` are numbers or tensors of one element, read when the operator runs, also in a compiled graph; so
    are `seed`, `stream` and `offset`, as integers: a seed in a tensor may change from step to step without compiling
    anew. Random bits depend on them and an element's index alone, so recomputing gives the same values. Under vmap a
    stochastic call needs a batch of seeds, streams or offsets: samples would otherwise share their bits.

    `out` receives the result and is returned: x itself (in place) or memory that does not overlap x, of its shape and
    dtype; it has no gradient. Raises DtypeError, ShapeError, UnsupportedError, ArgumentError, FormatError, and
    NonfiniteError with `nonfinite="raise"`.
    """
    check_input(x, "x")
    arguments = (
        x,
        fmt if isinstance(fmt, str) else _spec(fmt),
        [axis] if isinstance(axis, int) else list(axis),
        _rounding_text(rounding) if isinstance(rounding, str) else _stochastic_text(rounding.bits, rounding.rule),
        as_scalar(tensor_amax, "tensor_amax"),
        as_scalar(tensor_scale, "tensor_scale"),
        nonfinite,
        None if seed is None else as_integer(seed, "seed"),
        None if is_default(stream) else as_integer(stream, "stream"),
        None if is_default(offset) else as_integer(offset, "offset"),
        None if origin is None else list(origin),
        None if global_shape is None else list(global_shape),
    )
    if out is None:
        if under_torch_func():
            return _StraightThrough.apply(*arguments)
        return torch.ops.lowbit.qdq.default(*arguments)
    _check_out(x, out)
    torch.ops.lowbit.qdq_out.default(*arguments, out)
    return out


def under_torch_func() -> bool:
    """Whether a transform of `torch.func` (vmap, grad, ...) is at work.

    Raises UnsupportedError if torch.compile is tracing it: torch 2.13 then drops the backward pass of custom functions
    without a word (pytorch issue 193279). Where graph breaks are allowed, torch falls back to the eager transform.
    """
    active = torch._C._are_functorch_transforms_active()
    if active and torch.compiler.is_compiling():
        raise UnsupportedError("torch.func inside torch.compile loses custom gradients: compile what it transforms")
    return active


def _spec(fmt: BlockFormat) -> str:
    """The format's spec text; a constant to torch.compile, which cannot trace the making of it."""
    return find_format(fmt).spec


def _rounding_text(rounding: str) -> str:
    """A mode as the operator takes it; a constant to torch.compile as well."""
    return str(find_rounding(rounding))


def _stochastic_text(bits: int, rule: StochasticRule) -> str:
    """The same from the fields, which torch.compile reads also from a `Stochastic` made in the code that it traces."""
    return str(Stochastic(bits=bits, rule=rule))


def _check_out(x: torch.Tensor, out: torch.Tensor) -> None:
    check_input(out, "out")
    if out.dtype is not x.dtype or out.device != x.device:
        raise DtypeError(f"out is {out.dtype} on {out.device}; it must be like x, {x.dtype} on {x.device}")
    if out.shape != x.shape:
        raise ShapeError(f"out has shape {tuple(out.shape)}; it must be x's, {tuple(x.shape)}")
    if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
        raise ArgumentError("out= has no gradient: call it under torch.no_grad(), on detached tensors, or without out")


def _new_like(x: torch.Tensor) -> torch.Tensor:
    """Uninitialized memory with the shape, dtype and strides of `torch.empty_like(x)`."""
    if x.nbytes < _HUGE_BYTES:
        return torch.empty_like(x)
    strides = torch.empty_like(x, device="meta").stride()
    storage = torch.from_numpy(new_array((x.nbytes,), np.dtype(np.uint8))).untyped_storage()
    return torch.empty(0, dtype=x.dtype).set_(storage, 0, x.shape, strides)


def _run(
    x: torch.Tensor,
    out: torch.Tensor,
    format: str,
    axis: list[int],
    rounding: str,
    tensor_amax: torch.Tensor | None,
    tensor_scale: torch.Tensor | None,
    nonfinite: str | None,
    seed: torch.Tensor | None,
    stream: torch.Tensor | None,
    offset: torch.Tensor | None,
    origin: list[int] | None,
    global_shape: list[int] | None,
) -> None:
    source = random_source(integer(seed), integer(stream) or 0, integer(offset) or 0, origin, global_shape)
    engine.qdq(
        tensor_array(x),
        KINDS[x.dtype],
        find_format(format),
        axis=axis[0] if len(axis) == 1 else (axis[0], axis[1]),
        rounding=rounding,
        source=source,
        tensor_amax=number(tensor_amax),
        tensor_scale=number(tensor_scale),
        nonfinite=nonfinite,
        out=tensor_array(out),
    )


def _qdq_cpu(x: torch.Tensor, *arguments: Any) -> torch.Tensor:
    out = _new_like(x)
    _run(x, out, *arguments)
    return out


def _qdq_out_cpu(x: torch.Tensor, *arguments: Any) -> None:
    *rest, out = arguments
    if any(step == 0 and size > 1 for step, size in zip(out.stride(), out.shape, strict=True)):
        raise ArgumentError("out overlaps itself: it is an expanded tensor; give memory of its own")
    _run(x, out, *rest)
    if not out.is_inference():
        torch.autograd.graph.increment_version(out)


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
        shifted = [_shift_axis(a, x.ndim - 1) for a in axis]
        return _StraightThrough.apply(x, format, shifted, rounding, amax, scale, nonfinite, *draws), 0
    shared = (0, 1, 2, 5, 9, 10)  # arguments that are no tensors
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


def _shift_axis(axis: int, n_dims: int) -> int:
    """The axis of a sample as an axis of the batch, whose first dimension the samples are."""
    if not -n_dims <= axis < n_dims:
        raise ShapeError(f"axis {axis} is outside a tensor of {n_dims} dimensions: use {-n_dims} to {n_dims - 1}")
    return axis % n_dims + 1


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
    ) -> torch.Tensor:
        return torch.ops.lowbit.qdq.default(
            x, format, axis, rounding, amax, scale, nonfinite, seed, stream, offset, origin, global_shape
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return _straight_through(ctx, grad)

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, *_: Any) -> torch.Tensor:
        return tangent.view_as(tangent)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> tuple[torch.Tensor, int]:
        return _qdq_vmap(info, in_dims, *arguments)


def _straight_through(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    return (grad, *[None] * 11)


for function in (_spec, _rounding_text, _stochastic_text, _sees_whole_tensor):
    # What torch.compiler.assume_constant_result does, which would import all of torch._dynamo (2 s) to do it.
    vars(function)["_dynamo_marked_constant"] = True

_LIBRARY.impl("qdq", _qdq_cpu, "CPU")
_LIBRARY.impl("qdq_out", _qdq_out_cpu, "CPU")
register_fake("lowbit::qdq", lambda x, *arguments: torch.empty_like(x), lib=_LIBRARY)
register_fake("lowbit::qdq_out", lambda x, *arguments: None, lib=_LIBRARY)
register_autograd("lowbit::qdq", _straight_through, lib=_LIBRARY)
register_vmap("lowbit::qdq", _qdq_vmap, lib=_LIBRARY)
