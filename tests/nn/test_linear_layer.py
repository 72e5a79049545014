"""lowbit.nn.Linear: a drop-in for torch.nn.Linear that compiles, copies, saves and checkpoints."""

import copy
import io
import pickle
import shutil
from typing import Any

import pytest
import torch
from torch.utils.checkpoint import checkpoint

import lowbit as lb
from lowbit.errors import ArgumentError

pytestmark = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
"""torch.compile makes an instance of every autograd.Function it traces, and torch warns of that."""

RECIPES = ("forward:mxfp4", "gemms:mxfp4", "gemms:nvfp4", "gemms:nvfp4_2d", "bf16")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def perceptron(recipe: str) -> torch.nn.Sequential:
    return torch.nn.Sequential(
        lb.nn.Linear(32, 48, recipe=recipe), torch.nn.ReLU(), lb.nn.Linear(48, 8, bias=False, recipe=recipe)
    )


def gradients(model: Any, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    y = model(x)
    return [y, *torch.autograd.grad(y.square().sum(), [x, *model.parameters()])]


def test_same_arguments_parameters_and_state_dict_as_torchs() -> None:
    torch.manual_seed(3)
    ours = lb.nn.Linear(32, 8, True, torch.device("cpu"), torch.bfloat16, recipe="bf16")
    torch.manual_seed(3)
    theirs = torch.nn.Linear(32, 8, True, torch.device("cpu"), torch.bfloat16)
    assert isinstance(ours, torch.nn.Linear)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert torch.equal(ours.weight, theirs.weight) and torch.equal(ours.bias, theirs.bias)
    theirs.load_state_dict(ours.state_dict())
    assert lb.nn.Linear(4, 4, bias=False, recipe="bf16").bias is None
    assert "recipe=gemms:mxfp4" in repr(lb.nn.Linear(4, 4, recipe="gemms:mxfp4"))


def test_forward_is_the_fake_quantized_linear() -> None:
    layer = lb.nn.Linear(40, 8, recipe="forward:nvfp4")
    x = torch.randn(2, 3, 40)
    expected = torch.nn.functional.linear(lb.qdq(x, "nvfp4"), lb.qdq(layer.weight, "nvfp4"), layer.bias)
    assert torch.equal(layer(x), expected)


def test_recipe_is_required_checked_and_exchangeable() -> None:
    with pytest.raises(TypeError):
        lb.nn.Linear(4, 4)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match="forward:mxfp4"):
        lb.nn.Linear(4, 4, recipe="mxfp4")
    layer, x = lb.nn.Linear(32, 4, recipe="forward:mxfp4"), torch.randn(2, 32)
    before = layer(x)
    layer.recipe = "forward:mxint8"
    assert layer.recipe == lb.recipe("forward:mxint8")
    assert not torch.equal(layer(x), before)
    with pytest.raises(ArgumentError):
        layer.recipe = "nothing"
    assert layer.recipe == lb.recipe("forward:mxint8")


@pytest.mark.parametrize("recipe", RECIPES)
def test_compiles_whole_with_gradients(recipe: str) -> None:
    model, x = perceptron(recipe), torch.randn(3, 5, 32)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for actual, expected in zip(gradients(compiled, x), gradients(model, x), strict=True):
        assert torch.equal(actual, expected)
    with torch.no_grad():
        assert torch.equal(compiled(x), model(x))
    first = model[0]
    assert isinstance(first, lb.nn.Linear)
    first.recipe = "forward:mxint8"
    assert torch.equal(compiled(x), model(x))


def test_compiles_with_changing_sizes() -> None:
    model = perceptron("gemms:mxfp4")
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=True)
    for tokens in (3, 5, 8):
        x = torch.randn(tokens, 32)
        for actual, expected in zip(gradients(compiled, x), gradients(model, x), strict=True):
            assert torch.equal(actual, expected)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("c++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_inductor() -> None:
    model, x = perceptron("gemms:mxfp4"), torch.randn(3, 5, 32)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True)
    for actual, expected in zip(gradients(compiled, x), gradients(model, x), strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing(reentrant: bool) -> None:
    model, x = perceptron("gemms:mxfp4"), torch.randn(4, 32)
    expected = gradients(model, x)

    def recomputed(v: torch.Tensor) -> torch.Tensor:
        return checkpoint(model, v, use_reentrant=reentrant)

    leaf = x.clone().requires_grad_()
    recomputed(leaf).square().sum().backward()
    for parameter, wanted in zip((leaf, *model.parameters()), expected[1:], strict=True):
        assert parameter.grad is not None and torch.equal(parameter.grad, wanted)


def test_copies_pickles_and_checkpoints() -> None:
    model, x = perceptron("gemms:nvfp4"), torch.randn(4, 32)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    loaded = perceptron("gemms:nvfp4")
    loaded.load_state_dict(torch.load(buffer, weights_only=True))
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), loaded):
        assert again[0].recipe == model[0].recipe
        for actual, expected in zip(gradients(again, x), gradients(model, x), strict=True):
            assert torch.equal(actual, expected)


def test_functional_call_and_meta_device() -> None:
    layer, x = lb.nn.Linear(32, 8, recipe="gemms:mxfp4"), torch.randn(2, 32)
    doubled = {name: 2 * p for name, p in layer.named_parameters()}
    assert torch.equal(torch.func.functional_call(layer, doubled, (x,)), 2 * layer(x))
    meta = lb.nn.Linear(32, 8, device="meta", recipe="gemms:mxfp4")
    assert meta(torch.empty(2, 3, 32, device="meta")).shape == (2, 3, 8)


def test_training_with_an_optimizer_lowers_the_loss() -> None:
    model, x = perceptron("gemms:mxfp8_e4m3"), torch.randn(64, 32)
    target = x[:, :8].tanh()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = (model(x) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_torchs_fused_encoder_path_does_not_bypass_the_layer() -> None:
    encoder = torch.nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    x = torch.randn(2, 5, 32)
    with torch.no_grad():
        full = encoder.eval()(x)
        linear = lb.nn.Linear(32, 64, recipe="forward:mxfp4")
        linear.load_state_dict(encoder.linear1.state_dict())
        encoder.linear1 = linear
        evaluated, trained = encoder.eval()(x), encoder.train()(x)
    torch.testing.assert_close(evaluated, trained)
    assert (evaluated - full).abs().max() > 1e-3
