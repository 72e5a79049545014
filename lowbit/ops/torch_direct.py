"""`qdq` for tensors at hand: straight to the engine, past torch's dispatcher, with the same straight-through gradient.

Nothing but numbers is wanted then, no graph and no transform. The dispatcher would take several times as long as a
small tensor's work, and longer still where the operator's gradient is recorded.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lowbit.errors import ArgumentError
from lowbit.formats import BlockFormat
from lowbit.ops import engine, rotated, rotated_qdq
from lowbit.ops.draws import random_source
from lowbit.ops.torch_arrays import KINDS, TORCH, tensor_array
from lowbit.ops.torch_library import new_like, new_result, under_torch_func
from lowbit.ops.torch_rotation import back, transform_of

_PLAIN = (torch.Tensor, torch.nn.Parameter)


def is_direct(x: torch.Tensor, *others: object) -> bool:
    """Whether all tensors are at hand, and nothing traces, transforms or watches the call."""
    if (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or under_torch_func()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or not _is_at_hand(x)
        or x.numel() == 0
    ):
        return False
    for other in others:  # noqa: SIM110 (a generator would take several times as long)
        if isinstance(other, torch.Tensor) and not _is_at_hand(other):
            return False
    return True


def _is_at_hand(x: torch.Tensor) -> bool:
    return type(x) in _PLAIN and x.is_cpu and not x.is_neg()


def compute(
    x: torch.Tensor,
    out: torch.Tensor | None,
    format: BlockFormat,
    axis: list[int],
    rounding: Any,
    tensor_amax: float | None,
    tensor_scale: float | None,
    nonfinite: str | None,
    seed: int | None,
    stream: int,
    offset: int,
    origin: list[int] | None,
    global_shape: list[int] | None,
    transform: str | None,
    rotate_back: bool,
) -> np.ndarray:
    """The engine's result for the operator's arguments, in `out` if it is given."""
    arguments: dict[str, Any] = {
        "axis": axis[0] if len(axis) == 1 else tuple(axis),
        "rounding": rounding,
        "source": random_source(seed, stream, offset, origin, global_shape),
        "tensor_amax": tensor_amax,
        "tensor_scale": tensor_scale,
        "nonfinite": nonfinite,
        "out": None if out is None else tensor_array(out),
    }
    array, kind = tensor_array(x), KINDS[x.dtype]
    if transform is None:
        return engine.qdq(array, kind, format, **arguments)
    return rotated_qdq.qdq(array, kind, format, transform_of(transform), rotate_back=rotate_back, **arguments)


def direct_qdq(x: torch.Tensor, *arguments: Any) -> torch.Tensor:
    """The result in new memory, with its gradient recorded where x wants one."""
    wanted = x.requires_grad and torch.is_grad_enabled()
    return _Qdq.apply(x, arguments) if wanted else _result(x, *arguments)


def direct_qdq_out(x: torch.Tensor, out: torch.Tensor, *arguments: Any) -> None:
    """The result in `out`, which torch is told of."""
    if any(step == 0 and size > 1 for step, size in zip(out.stride(), out.shape, strict=True)):
        raise ArgumentError("out overlaps itself: it is an expanded tensor; give memory of its own")
    compute(x, out, *arguments)
    if not out.is_inference():
        torch.autograd.graph.increment_version(out)


def _result(x: torch.Tensor, *arguments: Any) -> torch.Tensor:
    if x.is_contiguous():  # the engine makes new memory in less time than torch
        return TORCH.wrap(compute(x, None, *arguments), KINDS[x.dtype])
    out = memory_for(x, new_like, *arguments)
    compute(x, out, *arguments)
    return out


def memory_for(x: torch.Tensor, alike: Callable[[torch.Tensor], torch.Tensor], *arguments: Any) -> torch.Tensor:
    """Memory for the result, made by `alike` where it has x's shape: a rotated axis is padded."""
    _, axis, *_, transform, rotate_back = arguments
    if transform is None or rotate_back:
        return alike(x)
    position = rotated.rotation_axis(axis[-1], x.ndim)
    return new_result(x, position, transform_of(transform).padded(x.shape[position]), alike)


class _Qdq(torch.autograd.Function):
    """The gradient of a direct call.

    `forward` gets the context, and all that is no tensor as one argument: torch applies such functions much faster.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, arguments: tuple[Any, ...]) -> torch.Tensor:
        remember(ctx, (x, *arguments), None)
        return _result(x, *arguments)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return straight_through(ctx, grad)[:2]


def remember(ctx: Any, inputs: Any, output: Any) -> None:
    """Keep what the gradient needs: the rotation in which the result stays, if any."""
    x, _, axis, *_, transform, rotate_back = inputs
    ctx.transform = None if rotate_back else transform
    ctx.axis = axis[-1]
    ctx.length = None if ctx.transform is None else x.shape[axis[-1]]


def straight_through(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    """The gradients of x and of all that is no tensor of reals: unchanged, or rotated back, and none."""
    if ctx.transform is not None:
        grad = back(grad, ctx.transform, ctx.axis, ctx.length)
    return (grad, *[None] * 13)
