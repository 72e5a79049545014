"""`qdq` for torch tensors: custom operators `lowbit::qdq` and `lowbit::qdq_out` with straight-through gradients.

The operators are opaque to `torch.compile` (one node, no graph break) and hand the tensor's own memory to the engine:
no copy is made on the way in or out. They are defined through `torch.library.Library`, which costs a third of
`custom_op` a call. Formats travel as spec text. Tensor amax and tensor scale travel as 0-d tensors, so that a compiled
graph never needs `.item()`: the kernel reads the number when it runs.
"""

from typing import Any

import numpy as np
import torch
from torch.library import Library, register_autograd, register_fake, register_vmap

from lowbit.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from lowbit.formats import BlockFormat, Rounding
from lowbit.formats import format as find_format
from lowbit.ops import engine
from lowbit.ops.dense import new_array
from lowbit.ops.torch_arrays import KINDS, check_input, tensor_array

_HUGE_BYTES = 1 << 20
"""From this size on a result lives in memory from numpy's allocator, which asks for huge pages (3 times faster)."""

_LIBRARY = Library("lowbit", "FRAGMENT")
_ARGUMENTS = "Tensor x, str format, int[] axis, str rounding, Tensor? tensor_amax, Tensor? tensor_scale, str? nonfinite"
_LIBRARY.define(f"qdq({_ARGUMENTS}) -> Tensor")
_LIBRARY.define(f"qdq_out({_ARGUMENTS}, Tensor(a!) out) -> ()")


def qdq(
    x: torch.Tensor,
    fmt: str | BlockFormat,
    *,
    axis: int | tuple[int, int] = -1,
    rounding: str | Rounding = Rounding.NEAREST_EVEN,
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
    and `tensor_scale` are numbers or tensors of one element, read when the operator runs, also in a compiled graph.

    `out` receives the result and is returned: x itself (in place) or memory that does not overlap x, of its shape and
    dtype; it has no gradient. Raises DtypeError, ShapeError, UnsupportedError, ArgumentError, FormatError, and
    NonfiniteError with `nonfinite="raise"`.
    """
    check_input(x, "x")
    arguments = (
        x,
        fmt if isinstance(fmt, str) else _spec(fmt),
        [axis] if isinstance(axis, int) else list(axis),
        str(rounding),
        _as_scalar(tensor_amax, "tensor_amax"),
        _as_scalar(tensor_scale, "tensor_scale"),
        nonfinite,
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


def _check_out(x: torch.Tensor, out: torch.Tensor) -> None:
    check_input(out, "out")
    if out.dtype is not x.dtype or out.device != x.device:
        raise DtypeError(f"out is {out.dtype} on {out.device}; it must be like x, {x.dtype} on {x.device}")
    if out.shape != x.shape:
        raise ShapeError(f"out has shape {tuple(out.shape)}; it must be x's, {tuple(x.shape)}")
    if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
        raise ArgumentError("out= has no gradient: call it under torch.no_grad(), on detached tensors, or without out")


def _as_scalar(value: float | torch.Tensor | None, name: str) -> torch.Tensor | None:
    """A tensor of one element for the operator; Python numbers keep all their bits."""
    if value is None:
        return None
    if not isinstance(value, torch.Tensor):
        try:
            return torch.tensor(float(value), dtype=torch.float64)
        except (TypeError, ValueError):
            raise ArgumentError(f"{name}={value!r} is no number; give a float or a tensor of one element") from None
    if value.numel() != 1 or value.dtype.is_complex:
        given = f"a {value.dtype} tensor of {value.numel()} elements"
        raise ArgumentError(f"{name} is {given}; give a number or a real tensor of one element")
    return value.detach()


def _number(value: torch.Tensor | None) -> float | None:
    return None if value is None else float(value.item())


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
) -> None:
    engine.qdq(
        tensor_array(x),
        KINDS[x.dtype],
        find_format(format),
        axis=axis[0] if len(axis) == 1 else (axis[0], axis[1]),
        rounding=rounding,
        tensor_amax=_number(tensor_amax),
        tensor_scale=_number(tensor_scale),
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
    format, axis, rounding, amax, scale, nonfinite = arguments
    x = x.movedim(in_dims[0], 0) if in_dims[0] is not None else x.expand(info.batch_size, *x.shape)
    batched_scales = in_dims[4] is not None or in_dims[5] is not None
    whole = _sees_whole_tensor(format, amax is not None or scale is not None)
    if not (whole or batched_scales) and x.ndim > 1:
        shifted = [_shift_axis(a, x.ndim - 1) for a in axis]
        return _StraightThrough.apply(x, format, shifted, rounding, amax, scale, nonfinite), 0
    amaxes = _per_sample(amax, in_dims[4], info.batch_size)
    scales = _per_sample(scale, in_dims[5], info.batch_size)
    samples = zip(x, amaxes, scales, strict=True)
    results = [_StraightThrough.apply(s, format, axis, rounding, a, t, nonfinite) for s, a, t in samples]
    return torch.stack(results), 0


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
        x: torch.Tensor, format: str, axis: list[int], rounding: str, amax: Any, scale: Any, nonfinite: str | None
    ) -> torch.Tensor:
        return torch.ops.lowbit.qdq.default(x, format, axis, rounding, amax, scale, nonfinite)

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
    return grad, None, None, None, None, None, None


for function in (_spec, _sees_whole_tensor):
    # What torch.compiler.assume_constant_result does, which would import all of torch._dynamo (2 s) to do it.
    vars(function)["_dynamo_marked_constant"] = True

_LIBRARY.impl("qdq", _qdq_cpu, "CPU")
_LIBRARY.impl("qdq_out", _qdq_out_cpu, "CPU")
register_fake("lowbit::qdq", lambda x, *arguments: torch.empty_like(x), lib=_LIBRARY)
register_fake("lowbit::qdq_out", lambda x, *arguments: None, lib=_LIBRARY)
register_autograd("lowbit::qdq", _straight_through, lib=_LIBRARY)
register_vmap("lowbit::qdq", _qdq_vmap, lib=_LIBRARY)
