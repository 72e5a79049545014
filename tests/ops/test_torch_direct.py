"""Calls past torch's dispatcher: the operator's values and gradients, and only where torch wants nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import BaseTorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import lowbit as lb
from lowbit.errors import LowbitError
from lowbit.ops.torch_direct import is_direct

LAYOUTS: dict[str, Callable[[], torch.Tensor]] = {
    "contiguous": lambda: torch.randn(6, 64),
    "transposed": lambda: torch.randn(64, 6).t(),
    "permuted": lambda: torch.randn(3, 40, 4).permute(1, 2, 0),
    "sliced": lambda: torch.randn(8, 128)[1:7, ::2],
    "expanded": lambda: torch.randn(1, 64).expand(5, 64),
    "scalar": lambda: torch.tensor(1.3),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "mxfp4": {},
    "nvfp4": {},
    "nvfp4 amax": {"fmt": "nvfp4", "tensor_amax": 5.0},
    "nvfp4 amax tensor": {"fmt": "nvfp4", "tensor_amax": torch.tensor([5.0], dtype=torch.float64)},
    "nvfp4 scale": {"fmt": "nvfp4", "tensor_scale": torch.tensor(0.01)},
    "toward zero": {"fmt": "mxfp8_e4m3", "rounding": lb.Rounding.TOWARD_ZERO},
    "stochastic": {"rounding": lb.Stochastic(bits=8), "seed": 3, "stream": 1, "offset": 5},
    "stochastic, tensors": {"rounding": "stochastic", "seed": torch.tensor(3), "offset": torch.tensor([5])},
    "rotated": {"transform": lb.Hadamard(16, signs=7)},
    "rotated back": {"transform": lb.Hadamard(16, signs=7), "rotate_back": True},
    "padded": {"transform": lb.Hadamard(128)},
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def call(x: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
    return lb.qdq(x, **{"fmt": "mxfp4", **options})


def by_operator(x: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
    """The same call where a mode watches, which the dispatcher serves."""
    with BaseTorchFunctionMode():
        assert not is_direct(x)
        return call(x, options)


def bits(x: torch.Tensor) -> np.ndarray:
    return x.detach().contiguous().float().numpy().view(np.uint32)


CALLS = [  # a scalar has no axis to rotate along
    (name, layout)
    for name, options in OPTIONS.items()
    for layout in LAYOUTS
    if not (layout == "scalar" and "transform" in options)
]


@pytest.mark.parametrize(("name", "layout"), CALLS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_values_strides_and_gradients_are_the_operators(name: str, dtype: torch.dtype, layout: str) -> None:
    results: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    made = LAYOUTS[layout]().to(dtype)
    for route in (call, by_operator):
        x = made.detach().requires_grad_()
        assert is_direct(x)
        y = route(x, OPTIONS[name])
        assert y.dtype is dtype and y.requires_grad and not y.is_leaf
        assert (type(y.grad_fn).__name__ == "_QdqBackward") == (route is call)
        (first,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        results.append((y, first, second))
    for direct, operator in zip(*results, strict=True):
        assert direct.stride() == operator.stride() and not direct._is_view()
        np.testing.assert_array_equal(bits(direct), bits(operator))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_out_is_the_operators(layout: str) -> None:
    x = LAYOUTS[layout]()
    outs = torch.empty_like(x, memory_format=torch.contiguous_format), torch.empty_like(x)
    for out in outs:
        version = out._version
        assert lb.qdq(x, "mxfp4", out=out) is out and out._version > version
        np.testing.assert_array_equal(bits(out), bits(by_operator(x, {})))


def test_out_that_autograd_saved_is_noticed() -> None:
    x = torch.randn(2, 32, requires_grad=True)
    kept = x.exp()
    with torch.no_grad():
        lb.qdq(kept, "mxfp4", out=kept)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        kept.sum().backward()


def test_parameters_and_modes_without_gradient() -> None:
    parameter = torch.nn.Parameter(torch.randn(2, 32))
    assert is_direct(parameter)
    y = lb.qdq(parameter, "mxfp4")
    assert type(y) is torch.Tensor and y.requires_grad
    with torch.no_grad():
        assert not lb.qdq(parameter, "mxfp4").requires_grad
    with torch.inference_mode():
        inferred = lb.qdq(parameter, "mxfp4")
        assert inferred.is_inference() and not inferred.requires_grad
        assert torch.equal(inferred, y)
        assert torch.equal(lb.qdq(inferred, "mxfp4", out=inferred), y)
    assert torch.equal(lb.qdq(inferred, "mxfp4"), y)


def test_what_traces_transforms_or_watches_gets_the_operator() -> None:
    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(func)
            return func(*args, **(kwargs or {}))

    seen: list[Any] = []
    x = torch.randn(4, 32)
    assert is_direct(x) and is_direct(x, None, 3, torch.tensor(3))
    assert not is_direct(x[:0])
    assert not is_direct(torch.empty(3, device="meta"))
    assert not is_direct(x, torch.empty((), device="meta"))
    assert not is_direct(torch.zeros(1, dtype=torch.complex64).conj().imag)
    with Watch():
        y = lb.qdq(x, "mxfp4")
    assert torch.ops.lowbit.qdq.default in seen and torch.equal(y, lb.qdq(x, "mxfp4"))
    with FakeTensorMode() as mode:
        fake = mode.from_tensor(x)
    assert not is_direct(fake) and lb.qdq(fake, "mxfp4").shape == (4, 32)
    traced: Any = make_fx(lambda v: lb.qdq(v, "mxfp4"))(x)
    assert torch.ops.lowbit.qdq.default in [node.target for node in traced.graph.nodes]
    torch.func.vmap(lambda v: seen.append(is_direct(v)) or v)(x)
    assert seen[-1] is False


def test_a_negated_view_is_resolved() -> None:
    x = torch.tensor([1 + 5.2j]).conj().imag
    assert x.is_neg() and lb.qdq(x, "mxfp4").tolist() == [-6.0]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_torch_jit_trace_records_the_operator() -> None:
    traced: Any = torch.jit.trace(lambda v: lb.qdq(v, "mxfp4"), torch.randn(2, 32))
    x = torch.randn(2, 32)
    assert torch.equal(traced(x), lb.qdq(x, "mxfp4"))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch's own forward mode uses it
def test_forward_mode_passes_tangents_also_through_a_recorded_gradient() -> None:
    x, tangent = torch.randn(2, 2, 32)
    for wanted in (False, True):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x.clone().requires_grad_(wanted), tangent)
            y = forward_ad.unpack_dual(lb.qdq(dual, "mxfp4"))
            assert y.tangent is not None and torch.equal(y.tangent, tangent)
            assert torch.equal(y.primal, lb.qdq(x, "mxfp4"))
    leaf = x.clone().requires_grad_()
    y = lb.qdq(leaf, "mxfp4")  # recorded before: its backward pass has tangents of its own
    with forward_ad.dual_level():
        (grad,) = torch.autograd.grad(y, leaf, forward_ad.make_dual(torch.ones_like(x), tangent))
        passed = forward_ad.unpack_dual(grad).tangent
        assert passed is not None and torch.equal(passed, tangent)


@pytest.mark.parametrize("transform", [None, lb.Hadamard(16, signs=7)], ids=str)
def test_batched_gradients(transform: Any) -> None:
    x = torch.randn(2, 32, requires_grad=True)
    grads = torch.randn(3, 2, 32)
    y = lb.qdq(x, "mxfp4", transform=transform)
    (batch,) = torch.autograd.grad(y, x, grads, is_grads_batched=True, retain_graph=True)
    assert torch.equal(batch, torch.stack([torch.autograd.grad(y, x, g, retain_graph=True)[0] for g in grads]))


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled:UserWarning")
def test_hooks_anomaly_mode_and_autocast_see_an_ordinary_function() -> None:
    x = torch.randn(2, 32, requires_grad=True)
    packed: list[torch.Tensor] = []
    with (
        torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t, lambda t: t),
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.detect_anomaly(check_nan=True),
    ):
        y = lb.qdq(x, "mxfp4")
    assert y.dtype is torch.float32 and not packed  # nothing is kept for the backward pass
    y.register_hook(lambda grad: grad * 2)
    x.register_hook(lambda grad: grad * 3)
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, torch.full_like(x, 6.0))
    y = lb.qdq(x, "mxfp4")
    y.mul_(2)  # a result of its own, not a view
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.full_like(x, 6.0))


def test_errors_are_those_of_the_operator() -> None:
    x = torch.randn(2, 32, requires_grad=True)
    for options in (
        {"fmt": "mxfp5"},
        {"axis": 2},
        {"axis": None},
        {"axis": [0]},
        {"rounding": "nearest"},
        {"rounding": "stochastic"},
        {"seed": 1},
        {"tensor_amax": "much"},
        {"tensor_amax": 3.0},
        {"fmt": "nvfp4", "tensor_amax": torch.ones(2)},
        {"rounding": "stochastic", "seed": -1},
        {"rounding": "stochastic", "seed": 1.0},
        {"rounding": "stochastic", "seed": torch.tensor(1.0)},
        {"rounding": "stochastic", "seed": 1, "stream": True},
        {"nonfinite": "ignore"},
        {"rotate_back": True},
        {"transform": "hadamard"},
    ):
        with pytest.raises(LowbitError) as direct:
            call(x, options)
        with pytest.raises(LowbitError) as operator:
            by_operator(x, options)
        assert type(direct.value) is type(operator.value), options
