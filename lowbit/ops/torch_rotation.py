"""`rotate` and `unrotate` for torch tensors: operators whose gradients are each other.

c · H · D is orthonormal up to rounding, so its transpose, which is the gradient, is the way back. Transforms travel as
text.
"""

from functools import lru_cache
from typing import Any

import torch
from torch.library import register_autograd, register_fake, register_vmap

from lowbit.errors import ArgumentError, DtypeError
from lowbit.formats.hadamard import Hadamard
from lowbit.ops import rotated
from lowbit.ops.torch_arrays import KINDS, check_input, tensor_array
from lowbit.ops.torch_library import LIBRARY, new_result, shift_axis, under_torch_func

LIBRARY.define("rotate(Tensor x, str transform, int axis) -> Tensor")
LIBRARY.define("rotate_out(Tensor x, str transform, int axis, Tensor(a!) out) -> ()")
LIBRARY.define("unrotate(Tensor y, str transform, int axis, SymInt length) -> Tensor")

transform_of = lru_cache(maxsize=256)(Hadamard.from_text)
"""The transform that an operator's text describes."""


def rotate(x: torch.Tensor, transform: Hadamard, *, axis: int = -1, out: torch.Tensor | None = None) -> torch.Tensor:
    """`lowbit.rotate` for a CPU tensor; the meta device computes the shape alone. See there.

    `out` has no gradient. The gradient of the result is the rotated-back one, `unrotate` with x's length; double
    backward, `torch.func` and fullgraph compilation work (but not `torch.func` inside `torch.compile`).
    """
    check_input(x, "x")
    text = transform_text(transform)
    rotated.rotation_axis(axis, x.ndim)
    if out is None:
        return forth(x, text, axis)
    check_input(out, "out")
    if out.dtype is not x.dtype or out.device != x.device:
        raise DtypeError(f"out is {out.dtype} on {out.device}; it must be like x, {x.dtype} on {x.device}")
    if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
        raise ArgumentError("out= has no gradient: call it under torch.no_grad(), on detached tensors, or without out")
    torch.ops.lowbit.rotate_out.default(x, text, axis, out)
    return out


def unrotate(y: torch.Tensor, transform: Hadamard, *, axis: int = -1, length: int | None = None) -> torch.Tensor:
    """`lowbit.unrotate` for a CPU tensor; its gradient is `rotate`."""
    check_input(y, "x")
    text = transform_text(transform)
    position = rotated.rotation_axis(axis, y.ndim)
    kept = y.shape[position] if length is None else length
    rotated.original_length(y.shape[position], transform, kept)
    return back(y, text, axis, kept)


def transform_text(transform: Hadamard) -> str:
    """A transform as operators take it; a constant to torch.compile, which cannot trace the making of it."""
    return str(rotated.check_transform(transform))


def forth(x: torch.Tensor, transform: str, axis: int) -> torch.Tensor:
    """The operator `rotate`, also under transforms of torch.func."""
    return (_Rotate.apply if under_torch_func() else torch.ops.lowbit.rotate.default)(x, transform, axis)


def back(y: torch.Tensor, transform: str, axis: int, length: int) -> torch.Tensor:
    """The operator `unrotate`, also under transforms of torch.func."""
    return (_Unrotate.apply if under_torch_func() else torch.ops.lowbit.unrotate.default)(y, transform, axis, length)


def _rotate_cpu(x: torch.Tensor, transform: str, axis: int) -> torch.Tensor:
    found = transform_of(transform)
    out = new_result(x, axis, found.padded(x.shape[axis]))
    rotated.rotate(tensor_array(x), KINDS[x.dtype], found, axis=axis, out=tensor_array(out))
    return out


def _rotate_out_cpu(x: torch.Tensor, transform: str, axis: int, out: torch.Tensor) -> None:
    if any(step == 0 and size > 1 for step, size in zip(out.stride(), out.shape, strict=True)):
        raise ArgumentError("out overlaps itself: it is an expanded tensor; give memory of its own")
    rotated.rotate(tensor_array(x), KINDS[x.dtype], transform_of(transform), axis=axis, out=tensor_array(out))
    if not out.is_inference():
        torch.autograd.graph.increment_version(out)


def _unrotate_cpu(y: torch.Tensor, transform: str, axis: int, length: int) -> torch.Tensor:
    out = new_result(y, axis, length)
    kind, found = KINDS[y.dtype], transform_of(transform)
    rotated.unrotate(tensor_array(y), kind, found, axis=axis, length=length, out=tensor_array(out))
    return out


def _rotate_fake(x: torch.Tensor, transform: str, axis: int) -> torch.Tensor:
    return new_result(x, axis, transform_of(transform).padded(x.shape[axis]), torch.empty_like)


def _rotate_setup(ctx: Any, inputs: Any, output: Any) -> None:
    x, ctx.transform, ctx.axis = inputs
    ctx.length = x.shape[ctx.axis]


def _rotate_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    return back(grad, ctx.transform, ctx.axis, ctx.length), None, None


def _unrotate_setup(ctx: Any, inputs: Any, output: Any) -> None:
    _, ctx.transform, ctx.axis, ctx.length = inputs


def _unrotate_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    return forth(grad, ctx.transform, ctx.axis), None, None, None


def _batched(operator: Any) -> Any:
    """One call for a whole batch, whose samples never share a group."""

    def vmap(info: Any, in_dims: Any, x: torch.Tensor, transform: str, axis: int, *rest: int) -> tuple[Any, int]:
        return operator(x.movedim(in_dims[0], 0), transform, shift_axis(axis, x.ndim - 1), *rest), 0

    return vmap


class _Rotate(torch.autograd.Function):
    """The operator for `torch.func`, which transforms only functions with a setup_context."""

    @staticmethod
    def forward(x: torch.Tensor, transform: str, axis: int) -> torch.Tensor:
        return torch.ops.lowbit.rotate.default(x, transform, axis)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _rotate_setup(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return _rotate_backward(ctx, grad)

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, *_: Any) -> torch.Tensor:
        return torch.ops.lowbit.rotate.default(tangent, ctx.transform, ctx.axis)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> tuple[torch.Tensor, int]:
        return _batched(_Rotate.apply)(info, in_dims, *arguments)


class _Unrotate(torch.autograd.Function):
    """The same for the way back."""

    @staticmethod
    def forward(y: torch.Tensor, transform: str, axis: int, length: int) -> torch.Tensor:
        return torch.ops.lowbit.unrotate.default(y, transform, axis, length)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _unrotate_setup(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return _unrotate_backward(ctx, grad)

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, *_: Any) -> torch.Tensor:
        return torch.ops.lowbit.unrotate.default(tangent, ctx.transform, ctx.axis, ctx.length)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> tuple[torch.Tensor, int]:
        return _batched(_Unrotate.apply)(info, in_dims, *arguments)


# What torch.compiler.assume_constant_result does, see `lowbit.ops.torch_ops`.
vars(transform_text)["_dynamo_marked_constant"] = True

LIBRARY.impl("rotate", _rotate_cpu, "CPU")
LIBRARY.impl("rotate_out", _rotate_out_cpu, "CPU")
LIBRARY.impl("unrotate", _unrotate_cpu, "CPU")
register_fake("lowbit::rotate", _rotate_fake, lib=LIBRARY)
register_fake("lowbit::rotate_out", lambda x, *arguments: None, lib=LIBRARY)
register_fake(
    "lowbit::unrotate", lambda y, transform, axis, length: new_result(y, axis, length, torch.empty_like), lib=LIBRARY
)
register_autograd("lowbit::rotate", _rotate_backward, setup_context=_rotate_setup, lib=LIBRARY)
register_autograd("lowbit::unrotate", _unrotate_backward, setup_context=_unrotate_setup, lib=LIBRARY)
register_vmap("lowbit::rotate", _batched(torch.ops.lowbit.rotate.default), lib=LIBRARY)
register_vmap("lowbit::unrotate", _batched(torch.ops.lowbit.unrotate.default), lib=LIBRARY)
