"""The linear layer whose three GEMMs have their operands cast as a recipe says."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from lowbit.ops import observers, torch_ops
from lowbit.recipes import Cast, Recipe, Saved


class OperandCast(NamedTuple):
    """A `Cast` in the plain types that a compiled graph can hold."""

    format: str
    rounding: str
    tile: bool


class GemmCasts(NamedTuple):
    """What each of the three GEMMs makes of its operands."""

    fprop_input: OperandCast | None
    fprop_weight: OperandCast | None
    dgrad_grad_output: OperandCast | None
    dgrad_weight: OperandCast | None
    wgrad_grad_output: OperandCast | None
    wgrad_input: OperandCast | None


class LinearPlan(NamedTuple):
    """A `Recipe` for one linear layer in plain types; make it once a layer with `linear_plan`.

    `input` and `weight` are cast ahead of all GEMMs, straight-through; `gemms` says what the GEMMs then do to their
    operands, None if nothing.
    """

    input: OperandCast | None
    weight: OperandCast | None
    gemms: GemmCasts | None


def linear_plan(recipe: Recipe) -> LinearPlan:
    """The plan that `quantized_linear` takes for a recipe.

    A recipe that saves quantized operands casts them ahead, so that the backward GEMMs start from the same values as
    fprop; otherwise fprop casts its own copies.
    """
    fprop = (_operand_cast(recipe.fprop.input), _operand_cast(recipe.fprop.weight))
    backward = (
        _operand_cast(recipe.dgrad.grad_output),
        _operand_cast(recipe.dgrad.weight),
        _operand_cast(recipe.wgrad.grad_output),
        _operand_cast(recipe.wgrad.input),
    )
    ahead, within = (fprop, (None, None)) if recipe.saved is Saved.QUANTIZED else ((None, None), fprop)
    casts = GemmCasts(*within, *backward)
    return LinearPlan(*ahead, casts if any(casts) else None)


def _operand_cast(cast: Cast | None) -> OperandCast | None:
    if cast is None:
        return None
    block = cast.format.block
    return OperandCast(cast.format.spec, cast.rounding.value, block is not None and block.is_tile)


def quantized_linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, plan: LinearPlan
) -> torch.Tensor:
    """y = cast(x) cast(W)ᵀ + b, with gradients whose GEMMs cast their operands as the plan says.

    x is (..., in), weight (out, in), bias (out) or None; y is (..., out). Blocks run along the contraction axis:
    x and W along `in` in fprop, dY and W along `out` in dgrad, dY and x along the flattened leading dimensions
    (tokens) in wgrad; 2-D tiles lie on the flattened (tokens, features) matrix with their second side along the
    contraction axis. The bias and its gradient stay in high precision.

    Casts are straight-through: no gradient is masked where a value saturated. A recipe that saves quantized operands
    is the composition `linear(qdq(x), qdq(W))` and its backward pass starts from those; otherwise it starts from x and
    W as they came. Double backward differentiates the backward pass as it was computed, casts again straight-through.
    NaN in an operand spreads as in any GEMM, through whole blocks of it. Under autocast, operands take autocast's
    dtype first, as torch's linear does.

    Raises DtypeError for operands that no cast takes (float64), and what torch raises for shapes that do not fit.
    """
    x, weight, bias = _autocast(x, weight, bias)
    x, weight = _cast(x, plan.input, -1, "input"), _cast(weight, plan.weight, -1, "weight")
    if plan.gemms is None:
        return F.linear(x, weight, bias)
    torch_ops.under_torch_func()  # refuses torch.func inside torch.compile, which would drop this backward pass
    return _QuantizedLinear.apply(x, weight, bias, plan.gemms)


class _QuantizedLinear(torch.autograd.Function):
    """The three GEMMs; saves its inputs as they came and casts them anew for each GEMM.

    The signatures are spelled out: torch.compile counts the parameters of `forward`.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, casts: GemmCasts) -> torch.Tensor:
        cast_x = _cast(x, casts.fprop_input, -1, "fprop.input")
        return F.linear(cast_x, _cast(weight, casts.fprop_weight, -1, "fprop.weight"), bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: torch.Tensor) -> None:
        x, weight, _, ctx.casts = inputs
        ctx.save_for_backward(x, weight)
        ctx.layer = _observed_name()
        ctx.x_transposed = x.ndim == 2 and x.stride() == (1, x.shape[0])
        ctx.weight_transposed = not weight.is_contiguous()

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        casts: GemmCasts = ctx.casts
        grad_x = grad_weight = grad_bias = None
        if needs_x:
            cast_grad = _cast(grad_output, casts.dgrad_grad_output, -1, "dgrad.grad_output", ctx.layer)
            cast_weight = _cast(weight, casts.dgrad_weight, 0, "dgrad.weight", ctx.layer)
            grad_x = _matmul(cast_grad, cast_weight, transposed=ctx.x_transposed)
        tokens = _matrix(grad_output)
        if needs_weight:
            cast_grad = _cast(tokens, casts.wgrad_grad_output, 0, "wgrad.grad_output", ctx.layer)
            cast_x = _cast(_matrix(x), casts.wgrad_input, 0, "wgrad.input", ctx.layer)
            grad_weight = _matmul(cast_grad.t(), cast_x, transposed=ctx.weight_transposed)
        if needs_bias:
            grad_bias = tokens.sum(0)
        return grad_x, grad_weight, grad_bias, None


def _matrix(operand: torch.Tensor) -> torch.Tensor:
    """The operand as (tokens, features)."""
    return operand.unsqueeze(0) if operand.ndim == 1 else operand.flatten(0, -2)


def _matmul(a: torch.Tensor, b: torch.Tensor, *, transposed: bool) -> torch.Tensor:
    """a b, or the same through bᵀ aᵀ: torch's backward forms a gradient in its operand's memory order, and so sums."""
    return b.t().matmul(a.t()).t() if transposed else a.matmul(b)


def _observed_name() -> str | None:
    """The name of the layer at work, or None: nobody watches, or the layer is being compiled."""
    return None if torch.compiler.is_compiling() or observers.active is None else observers.label()[0]


def _cast(
    operand: torch.Tensor, cast: OperandCast | None, axis: int, role: str, name: str | None = None
) -> torch.Tensor:
    """The operand of a GEMM, whose contraction axis is `axis` (-1 or, for a matrix, 0), cast as asked.

    `role` and `name` (in a backward pass, that of the layer in its forward pass) are for observers.
    """
    if cast is None:
        return operand
    current = _observed_name()
    if current is None:
        return _quantized(operand, cast, axis)
    with observers.labelled(name or current, role):
        return _quantized(operand, cast, axis)


def _quantized(operand: torch.Tensor, cast: OperandCast, axis: int) -> torch.Tensor:
    if not cast.tile:
        return torch_ops.qdq(operand, cast.format, axis=axis, rounding=cast.rounding)
    axes = (-2, -1) if axis == -1 else (-1, -2)
    return torch_ops.qdq(_matrix(operand), cast.format, axis=axes, rounding=cast.rounding).view(operand.shape)


def _autocast(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The operands in autocast's dtype where autocast is on for their device."""
    device = x.device.type
    available = torch.amp.is_autocast_available(device)
    if not available or not torch.is_autocast_enabled(device) or x.dtype is torch.float64:
        return x, weight, bias
    dtype = torch.get_autocast_dtype(device)
    return x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
