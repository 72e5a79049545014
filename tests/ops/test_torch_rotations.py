"""Rotations of torch tensors: numpy's bits, gradients that are each other, compilation, torch.func."""

from typing import Any

import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit.errors import ArgumentError, DtypeError, ShapeError
from lowbit.formats import TE_SIGNS
from lowbit.reference.hadamard import signs_of

T16, T12 = lb.Hadamard(16, signs=TE_SIGNS), lb.Hadamard(12, signs=5)
LAYOUTS = {
    "contiguous": lambda: torch.randn(6, 70),
    "transposed": lambda: torch.randn(70, 6).t(),
    "permuted": lambda: torch.randn(3, 40, 4).permute(1, 2, 0),
    "sliced": lambda: torch.randn(8, 140)[1:7, ::2],
    "expanded": lambda: torch.randn(1, 40).expand(5, 40),
    "whole": lambda: torch.randn(5, 48),
    "empty": lambda: torch.randn(0, 32),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
    lb.qdq(torch.ones(2), "bf16")  # registers the operators


def matrix(t: lb.Hadamard, length: int) -> torch.Tensor:
    """The rotation of an axis of this length as a matrix in float64."""
    single = torch.tensor(t.matrix(), dtype=torch.float64) / t.n**0.5
    drawn = torch.tensor(signs_of(t), dtype=torch.float64)
    groups = t.padded(length) // t.n
    return torch.block_diag(*[single * drawn] * groups)[:, :length]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_bits_of_numpy(layout: str, dtype: torch.dtype) -> None:
    x = LAYOUTS[layout]().to(dtype)
    for t in (T16, T12):
        for axis in range(-x.ndim, x.ndim):
            y = lb.rotate(x, t, axis)
            dense = x.contiguous().float().numpy()
            wide = lb.rotate(dense, t, axis)
            assert y.dtype is dtype and torch.equal(y, torch.from_numpy(wide).to(dtype))
            back = lb.unrotate(y, t, axis, length=x.shape[axis])
            assert back.shape == x.shape and back.dtype is dtype
            if y.shape == x.shape:
                assert y.stride() == torch.empty_like(x).stride()
            out = torch.empty_like(y)
            assert lb.rotate(x, t, axis, out=out) is out and torch.equal(out, y)


@pytest.mark.parametrize("t", [T16, T12], ids=str)
def test_the_gradient_is_the_transposed_matrix(t: lb.Hadamard) -> None:
    x = torch.randn(5, 31, requires_grad=True)
    y = lb.rotate(x, t)
    weights = torch.randn_like(y)
    (y * weights).sum().backward()
    assert x.grad is not None and torch.equal(x.grad, lb.unrotate(weights, t, length=31))
    exact = weights.double() @ matrix(t, 31)
    torch.testing.assert_close(x.grad.double(), exact, atol=3e-6, rtol=0)
    torch.testing.assert_close(y.detach().double(), x.detach().double() @ matrix(t, 31).T, atol=3e-6, rtol=0)
    z = weights.clone().requires_grad_()
    given = torch.randn(5, 31)
    (lb.unrotate(z, t, length=31) * given).sum().backward()
    assert z.grad is not None and torch.equal(z.grad, lb.rotate(given, t))


def test_second_derivatives() -> None:
    x = torch.randn(2, 16, requires_grad=True)
    (first,) = torch.autograd.grad((lb.rotate(x, T16) ** 2).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(second, torch.full_like(x, 2.0))


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "permuted", "sliced", "whole"])
def test_opcheck(layout: str) -> None:
    x = LAYOUTS[layout]().requires_grad_()
    for axis in (0, -1):
        torch.library.opcheck(torch.ops.lowbit.rotate.default, (x, str(T12), axis))
    y = lb.rotate(x.detach(), T12).requires_grad_()
    torch.library.opcheck(torch.ops.lowbit.unrotate.default, (y, str(T12), -1, x.shape[-1]))
    torch.library.opcheck(torch.ops.lowbit.rotate_out.default, (x.detach(), str(T12), -1, torch.empty(y.shape)))


@pytest.mark.parametrize("rotate_back", [False, True])
def test_opcheck_of_fused_quantization(rotate_back: bool) -> None:
    x = torch.randn(6, 70).requires_grad_()
    for axis in ([-1], [0]):
        arguments = (x, "nvfp4", axis, "nearest_even", None, None, None, *[None] * 5, str(T12), rotate_back)
        torch.library.opcheck(torch.ops.lowbit.qdq.default, arguments)


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "nvfp4_2d", "fp8_e4m3", "bf16"])
def test_fused_quantization_equals_the_pair_and_rotates_gradients_back(fmt: str) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(6, 70).to(dtype).requires_grad_()
        y = lb.qdq(x, fmt, transform=T16)
        assert torch.equal(y, lb.qdq(lb.rotate(x, T16), fmt))
        weights = torch.randn(y.shape).to(dtype)
        (y * weights).sum().backward()
        assert x.grad is not None and torch.equal(x.grad, lb.unrotate(weights, T16, length=70))
        x.grad = None
        z = lb.qdq(x, fmt, transform=T16, rotate_back=True)
        assert torch.equal(z, lb.unrotate(y, T16, length=70)) and z.shape == x.shape
        z.sum().backward()
        assert x.grad is not None and torch.equal(x.grad, torch.ones_like(x))
        q = lb.quantize(x.detach(), fmt, transform=T16)
        assert torch.equal(q.dequantize(), y) and torch.equal(q.dequantize(rotate_back=True), z)
        out = torch.empty_like(y, requires_grad=False)
        assert lb.qdq(x.detach(), fmt, transform=T16, out=out) is out and torch.equal(out, y)


def test_compiles_without_graph_break() -> None:
    def fn(x: torch.Tensor) -> torch.Tensor:
        y = lb.rotate(x + 1, T12) * 2
        return lb.unrotate(lb.qdq(y, "mxfp4"), T12, length=31) + lb.qdq(x, "nvfp4", transform=T16, rotate_back=True)

    x = torch.randn(5, 31, requires_grad=True)
    compiled = torch.compile(fn, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), fn(x))
    (expected,) = torch.autograd.grad(fn(x).sum(), x)
    (got,) = torch.autograd.grad(compiled(x).sum(), x)
    assert torch.equal(got, expected)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch's own forward mode uses it
def test_torch_func_transforms() -> None:
    x = torch.randn(4, 30)
    for call in (lambda v: lb.rotate(v, T16), lambda v: lb.qdq(v, "mxfp4", transform=T16)):
        expected = torch.stack([call(row) for row in x])
        assert torch.equal(torch.func.vmap(call)(x), expected)
        tangent = torch.randn_like(x)
        assert torch.equal(torch.func.jvp(call, (x,), (tangent,))[1], lb.rotate(tangent, T16))
        gradient = torch.func.vmap(torch.func.grad(lambda v, call=call: call(v).sum()))(x)
        assert torch.equal(gradient, lb.unrotate(torch.ones(4, 32), T16, length=30))
    y = torch.randn(32, 3, 4)
    turned = torch.func.vmap(lambda v: lb.unrotate(v, T16, 0, length=18), in_dims=2, out_dims=2)(y)
    assert torch.equal(turned, torch.stack([lb.unrotate(v, T16, 0, length=18) for v in y.unbind(2)], 2))
    jacobian = torch.func.jacrev(lambda v: lb.rotate(v, lb.Hadamard(4)))(torch.randn(4))
    assert torch.equal(jacobian, torch.tensor(lb.Hadamard(4).matrix()) / 2)


def test_errors() -> None:
    x = torch.randn(4, 30)
    bad: list[tuple[type[Exception], str, Any]] = [
        (DtypeError, r"x\.float\(\)", lambda: lb.rotate(x.double(), T16)),
        (ArgumentError, "transform", lambda: lb.rotate(x, "hadamard16")),  # type: ignore[arg-type]
        (ShapeError, "axis", lambda: lb.rotate(x, T16, 2)),
        (ShapeError, "30", lambda: lb.unrotate(x, T16)),
        (ShapeError, "out", lambda: lb.rotate(x, T16, out=torch.empty(4, 30))),
        (DtypeError, "bfloat16", lambda: lb.rotate(x, T16, out=torch.empty(4, 32, dtype=torch.bfloat16))),
        (ArgumentError, "overlaps itself", lambda: lb.rotate(x, T16, out=torch.zeros(1).expand(4, 32))),
        (ArgumentError, "no_grad", lambda: lb.rotate(x.clone().requires_grad_(), T16, out=torch.empty(4, 32))),
        (ArgumentError, "rotate_back", lambda: lb.qdq(x, "mxfp4", rotate_back=True)),
        (ShapeError, "out", lambda: lb.qdq(x, "mxfp4", transform=T16, out=torch.empty(4, 30))),
    ]
    for error, text, call in bad:
        with pytest.raises(error, match=text):
            call()
    assert lb.rotate(torch.empty(3, 30, device="meta"), T16).shape == (3, 32)
    assert np.array_equal(lb.rotate(x, T16).numpy(), lb.rotate(x.numpy(), T16))
