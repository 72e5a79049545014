"""The three GEMMs of a linear layer: which operand is cast to what, along which axis, and what gradients come out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch._dynamo.exc import Unsupported

import lowbit as lb
from lowbit.autograd import GemmCasts, LinearPlan, OperandCast, linear_plan, quantized_linear
from lowbit.errors import DtypeError
from lowbit.ops import torch_ops
from lowbit.ops.torch_ops import qdq
from lowbit.recipes import Cast, Gemm, Recipe, Saved, all_gemms, forward_only

LAYOUTS: dict[str, Callable[[], torch.Tensor]] = {
    "vector": lambda: torch.randn(48),
    "matrix": lambda: torch.randn(40, 48),
    "one_token": lambda: torch.randn(1, 48),
    "no_tokens": lambda: torch.randn(0, 48),
    "three_dimensions": lambda: torch.randn(3, 7, 48),
    "four_dimensions": lambda: torch.randn(2, 3, 5, 48),
    "batch_second": lambda: torch.randn(7, 3, 48).transpose(0, 1),
    "column_major": lambda: torch.randn(48, 9).t(),
    "strided": lambda: torch.randn(3, 9, 96)[:, :, ::2],
}
Linear = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def run(fn: Linear, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> list[torch.Tensor]:
    """Output and the gradients of all inputs, for an output gradient without structure."""
    leaves = [leaf.detach().requires_grad_() for leaf in (x, weight, bias) if leaf is not None]
    y = fn(leaves[0], leaves[1], None if bias is None else leaves[2])
    generator = torch.Generator().manual_seed(1)
    grad = torch.randn(y.shape, generator=generator).to(y.dtype)
    return [y, *torch.autograd.grad(y, leaves, grad)]


def by_recipe(recipe: Recipe) -> Linear:
    plan = linear_plan(recipe)
    return lambda x, weight, bias: quantized_linear(x, weight, bias, plan)


def assert_same(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype is e.dtype
        assert torch.equal(a, e)


@pytest.fixture
def identity_casts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cast returns its operand."""
    monkeypatch.setattr(torch_ops, "qdq", lambda x, *_, **__: x)


@pytest.mark.usefixtures("identity_casts")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("transposed_weight", [True, False])
def test_identity_casts_give_torchs_gradients_bit_for_bit(
    layout: str, dtype: torch.dtype, bias: bool, transposed_weight: bool
) -> None:
    x = LAYOUTS[layout]().to(dtype)
    weight = torch.randn(48, 24).to(dtype).t() if transposed_weight else torch.randn(24, 48).to(dtype)
    b = torch.randn(24).to(dtype) if bias else None
    assert_same(run(by_recipe(all_gemms("mxfp4")), x, weight, b), run(F.linear, x, weight, b))


def test_recipe_without_casts_is_torchs_linear() -> None:
    x, weight = torch.randn(3, 5, 32), torch.randn(8, 32)
    for saved in Saved:
        assert_same(run(by_recipe(Recipe(saved=saved)), x, weight, None), run(F.linear, x, weight, None))


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "int8_row", "fp8_e4m3"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "no_tokens"])
def test_forward_only_is_the_composition_of_fake_quantizations(fmt: str, bias: bool, layout: str) -> None:
    x, weight, b = LAYOUTS[layout](), torch.randn(24, 48), torch.randn(24) if bias else None

    def composition(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return F.linear(lb.qdq(x, fmt), lb.qdq(weight, fmt), bias)

    assert_same(run(by_recipe(forward_only(fmt)), x, weight, b), run(composition, x, weight, b))


class Spy:
    """Records what is cast, to what and along which axis, and casts."""

    def __init__(self) -> None:
        self.calls: list[tuple[torch.Tensor, str, Any]] = []

    def __call__(self, x: torch.Tensor, fmt: str, *, axis: Any, rounding: str) -> torch.Tensor:
        assert rounding == "nearest_even"
        self.calls.append((x.detach().clone(), fmt, axis))
        return qdq(x, fmt, axis=axis, rounding=rounding)


def six_formats() -> Recipe:
    """Another format in every cell of the table, so that no two can be mixed up."""
    names = iter(("mxfp4", "mxint8", "mxfp8_e4m3", "nvfp4", "mxfp6_e2m3", "mxint4"))
    cast = {cell: Cast.to(next(names)) for cell in ("fi", "fw", "dg", "dw", "wg", "wi")}
    return Recipe(
        fprop=Gemm(input=cast["fi"], weight=cast["fw"]),
        dgrad=Gemm(grad_output=cast["dg"], weight=cast["dw"]),
        wgrad=Gemm(grad_output=cast["wg"], input=cast["wi"]),
    )


@pytest.mark.parametrize("recipe", [six_formats(), *map(all_gemms, ("mxfp4", "nvfp4", "bf16"))], ids=lambda r: r.label)
def test_operands_formats_and_axes_are_those_of_the_table(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy()
    monkeypatch.setattr(torch_ops, "qdq", spy)
    x, weight, bias = (
        torch.randn(5, 9, 48, requires_grad=True),
        torch.randn(24, 48, requires_grad=True),
        torch.randn(24),
    )
    grad = torch.randn(5, 9, 24)
    quantized_linear(x, weight, bias, linear_plan(recipe)).backward(grad)
    tokens, grad_tokens = x.detach().flatten(0, 1), grad.flatten(0, 1)
    expected = [
        (x, recipe.fprop.input, -1),
        (weight, recipe.fprop.weight, -1),
        (grad, recipe.dgrad.grad_output, -1),
        (weight, recipe.dgrad.weight, 0),
        (grad_tokens, recipe.wgrad.grad_output, 0),
        (tokens, recipe.wgrad.input, 0),
    ]
    assert len(spy.calls) == len(expected)
    for (operand, fmt, axis), (wanted, cast, wanted_axis) in zip(spy.calls, expected, strict=True):
        assert cast is not None
        assert torch.equal(operand, wanted)
        assert lb.format(fmt) == cast.format
        assert axis == wanted_axis


def test_gradients_are_the_gemms_of_the_cast_operands() -> None:
    recipe = six_formats()
    x, weight, bias = torch.randn(5, 9, 48), torch.randn(24, 48), torch.randn(24)
    y, grad_x, grad_weight, grad_bias = run(by_recipe(recipe), x, weight, bias)
    grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    tokens, grad_tokens = x.flatten(0, 1), grad.flatten(0, 1)
    assert torch.equal(y, F.linear(qdq(x, "mxfp4"), qdq(weight, "mxint8"), bias))
    assert torch.equal(grad_x, qdq(grad, "mxfp8_e4m3") @ qdq(weight, "nvfp4", axis=0))
    assert torch.equal(grad_weight, qdq(grad_tokens, "mxfp6_e2m3", axis=0).t() @ qdq(tokens, "mxint4", axis=0))
    assert torch.equal(grad_bias, grad_tokens.sum(0))


def test_backward_from_quantized_operands_casts_the_cast_values() -> None:
    base = six_formats()
    x, weight = torch.randn(40, 48), torch.randn(24, 48)
    _, grad_x, grad_weight = run(by_recipe(base.replace(saved=Saved.QUANTIZED)), x, weight, None)
    grad = torch.randn(40, 24, generator=torch.Generator().manual_seed(1))
    saved_x, saved_weight = qdq(x, "mxfp4"), qdq(weight, "mxint8")
    assert torch.equal(grad_x, qdq(grad, "mxfp8_e4m3") @ qdq(saved_weight, "nvfp4", axis=0))
    assert torch.equal(grad_weight, qdq(grad, "mxfp6_e2m3", axis=0).t() @ qdq(saved_x, "mxint4", axis=0))


def test_tiles_lie_on_the_token_matrix_with_the_second_side_along_the_contraction() -> None:
    fmt = lb.format("e2m1/k4x16/ue4m3")
    x, weight = torch.randn(3, 6, 48), torch.randn(24, 48)
    y, grad_x, grad_weight = run(by_recipe(all_gemms(fmt)), x, weight, None)
    grad = torch.randn(3, 6, 24, generator=torch.Generator().manual_seed(1))
    tokens, grad_tokens = x.flatten(0, 1), grad.flatten(0, 1)
    cast_x, cast_weight = qdq(tokens, fmt, axis=(0, 1)), qdq(weight, fmt, axis=(0, 1))
    assert torch.equal(y, F.linear(cast_x, cast_weight).view(3, 6, 24))
    dgrad = qdq(grad_tokens, fmt, axis=(0, 1)) @ qdq(weight, fmt, axis=(1, 0))
    assert torch.equal(grad_x, dgrad.view(3, 6, 48))
    assert torch.equal(grad_weight, qdq(grad_tokens, fmt, axis=(1, 0)).t() @ qdq(tokens, fmt, axis=(1, 0)))


def test_only_needed_gemms_run(monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy()
    monkeypatch.setattr(torch_ops, "qdq", spy)
    plan = linear_plan(all_gemms("mxfp4"))
    x, weight = torch.randn(4, 32), torch.randn(8, 32)
    for needs_x, needs_weight, axes in ((True, False, [-1, 0]), (False, True, [0, 0])):
        y = quantized_linear(x.clone().requires_grad_(needs_x), weight.clone().requires_grad_(needs_weight), None, plan)
        spy.calls.clear()
        y.sum().backward()
        assert [axis for _, _, axis in spy.calls] == axes
    bias = torch.zeros(8, requires_grad=True)
    spy.calls.clear()
    quantized_linear(x, weight, bias, plan).sum().backward()
    assert len(spy.calls) == 2 and bias.grad is not None and torch.equal(bias.grad, torch.full((8,), 4.0))


def penalty(fn: Linear, x: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Gradients of a gradient penalty: what double backward is used for."""
    (grad_x,) = torch.autograd.grad(fn(x, weight, None).square().sum(), x, create_graph=True)
    return torch.autograd.grad(grad_x.square().sum(), (x, weight))


def test_double_backward_of_forward_only_is_that_of_the_composition() -> None:
    x, weight = torch.randn(6, 32, requires_grad=True), torch.randn(8, 32, requires_grad=True)
    expected = penalty(lambda x, w, b: F.linear(qdq(x, "mxfp4"), qdq(w, "mxfp4"), b), x, weight)
    assert_same(list(penalty(by_recipe(forward_only("mxfp4")), x, weight)), list(expected))


@pytest.mark.usefixtures("identity_casts")
def test_double_backward_with_identity_casts_is_torchs() -> None:
    x, weight = torch.randn(6, 32, requires_grad=True), torch.randn(8, 32, requires_grad=True)
    ours, theirs = penalty(by_recipe(all_gemms("mxfp4")), x, weight), penalty(F.linear, x, weight)
    for actual, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-2)


def test_double_backward_passes_straight_through_the_casts() -> None:
    x, weight = torch.randn(6, 32, requires_grad=True), torch.randn(8, 32, requires_grad=True)
    cast_weight, wide = qdq(weight.detach(), "mxfp4", axis=0), torch.randn(6, 32)
    recipe = Recipe(dgrad=Gemm(weight=Cast.to("mxfp4")))
    y = by_recipe(recipe)(x, weight, None)
    (grad_x,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    assert torch.equal(grad_x, (2 * y) @ cast_weight)
    second_x, second_weight = torch.autograd.grad((grad_x * wide).sum(), (x, weight))
    grad_y = 2 * wide @ cast_weight.t()
    torch.testing.assert_close(second_x, grad_y @ cast_weight)
    torch.testing.assert_close(second_weight, grad_y.t() @ x + (2 * y).t() @ wide)


@pytest.mark.parametrize("text", ["forward:mxfp4", "gemms:mxfp4", "gemms:nvfp4_2d"])
def test_torch_func_gives_the_gradients_of_autograd(text: str) -> None:
    plan = linear_plan(lb.recipe(text))
    x, weight = torch.randn(3, 16, 32), torch.randn(8, 32)

    def loss(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return quantized_linear(x, weight, None, plan).square().sum()

    per_sample = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weight, x)
    for sample, actual in zip(x, per_sample, strict=True):
        leaf = weight.clone().requires_grad_()
        (expected,) = torch.autograd.grad(loss(leaf, sample), leaf)
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-4)


def test_torch_func_inside_compile_keeps_the_backward_pass_or_refuses() -> None:
    plan, x, weight = linear_plan(six_formats()), torch.randn(16, 32), torch.randn(8, 32)
    grad = torch.func.grad(lambda weight: quantized_linear(x, weight, None, plan).square().sum())
    torch._dynamo.reset()
    with pytest.raises(Unsupported, match="loses custom gradients"):
        torch.compile(grad, fullgraph=True, backend="aot_eager")(weight)
    assert torch.equal(torch.compile(grad, backend="aot_eager")(weight), grad(weight))


def test_autocast_gives_operands_its_dtype_first() -> None:
    plan = linear_plan(all_gemms("mxfp4"))
    x, weight = torch.randn(4, 32, requires_grad=True), torch.randn(8, 32, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = quantized_linear(x, weight, None, plan)
    assert y.dtype is torch.bfloat16
    assert torch.equal(y, quantized_linear(x.bfloat16(), weight.bfloat16(), None, plan))
    y.float().sum().backward()
    assert x.grad is not None and x.grad.dtype is torch.float32


def test_nan_spreads_over_its_block_and_row_only() -> None:
    plan = linear_plan(all_gemms("mxfp4"))
    x, weight = torch.randn(40, 64), torch.randn(8, 64, requires_grad=True)
    x[3, 40] = torch.nan
    y = quantized_linear(x, weight, None, plan)
    assert y.isnan().all(1).tolist() == [row == 3 for row in range(40)]
    y[:3].sum().backward()
    assert weight.grad is not None
    assert weight.grad.isnan().all(0).tolist() == [column == 40 for column in range(64)]


def test_float64_operands_are_refused() -> None:
    with pytest.raises(DtypeError, match="float64"):
        quantized_linear(
            torch.randn(2, 32).double(), torch.randn(8, 32).double(), None, linear_plan(all_gemms("mxfp4"))
        )


def test_plan_is_plain_data() -> None:
    cast = OperandCast("e2m1/k16x16/ue4m3/ts448", "nearest_even", True)
    assert linear_plan(all_gemms("nvfp4_2d")) == LinearPlan(None, None, GemmCasts(*[cast] * 6))
    assert linear_plan(forward_only("nvfp4_2d")) == LinearPlan(cast, cast, None)
