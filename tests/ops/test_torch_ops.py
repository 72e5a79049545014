"""The torch operators: same bits as the numpy engine, no copies, straight-through gradients, compilable."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch._dynamo.exc import Unsupported
from torch.utils.checkpoint import checkpoint

import lowbit as lb
from lowbit.errors import ArgumentError, DtypeError, FormatError, ShapeError, UnsupportedError
from lowbit.ops import engine, torch_arrays
from lowbit.ops.torch_ops import qdq

FORMATS = ("mxfp4", "nvfp4", "mxint8", "fp8_e4m3", "int8_row", "nvfp4_2d", "bf16")
LAYOUTS = {
    "contiguous": lambda: torch.randn(6, 70),
    "transposed": lambda: torch.randn(70, 6).t(),
    "permuted": lambda: torch.randn(3, 40, 4).permute(1, 2, 0),
    "channels_last": lambda: torch.randn(2, 5, 4, 7).to(memory_format=torch.channels_last),
    "sliced": lambda: torch.randn(8, 140)[1:7, ::2],
    "offset": lambda: torch.randn(7 * 40 + 3)[3:].view(7, 40),
    "expanded": lambda: torch.randn(1, 40).expand(5, 40),
    "one_dimension": lambda: torch.randn(45),
    "empty": lambda: torch.randn(0, 32),
}
OPERATOR = torch.ops.lowbit.qdq.default
NO_DRAW = (None,) * 5


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def operands(x: torch.Tensor, fmt: str = "mxfp4", axis: tuple[int, ...] = (-1,)) -> tuple[Any, ...]:
    """Positional arguments of the operator."""
    return (x, fmt, list(axis), "nearest_even", None, None, None, *NO_DRAW, None, False)


def by_numpy(x: torch.Tensor, fmt: str, axis: int = -1) -> np.ndarray:
    """The engine's own answer for a contiguous copy of x, as float32."""
    dense = x.detach().contiguous()
    kind = torch_arrays.KINDS[x.dtype]
    array = dense.view(torch.int16).numpy().view(np.uint16) if kind == "bfloat16" else dense.numpy()
    result = engine.qdq(
        array.copy(),
        kind,
        lb.format(fmt),
        axis=axis,
        rounding="nearest_even",
        tensor_amax=None,
        tensor_scale=None,
        nonfinite=None,
        out=None,
    )
    if kind == "bfloat16":
        return (result.astype(np.uint32) << 16).view(np.float32)
    return result.astype(np.float32)


def bits(x: torch.Tensor) -> np.ndarray:
    return x.detach().contiguous().float().numpy().view(np.uint32)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("dtype", list(torch_arrays.KINDS), ids=str)
def test_equals_the_numpy_engine_bit_for_bit(fmt: str, dtype: torch.dtype) -> None:
    x = torch.randn(5, 70).to(dtype)
    x[0, 3], x[1, 5] = -0.0, 0.0
    y = qdq(x, fmt)
    assert y.dtype is dtype
    np.testing.assert_array_equal(bits(y), by_numpy(x, fmt).view(np.uint32))
    assert not torch.equal(y, x) or (fmt == "bf16" and dtype is torch.bfloat16)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_every_memory_layout(layout: str, dtype: torch.dtype) -> None:
    x = LAYOUTS[layout]().to(dtype)
    axis = 0 if layout == "permuted" else -1
    y = qdq(x, "mxfp4", axis=axis)
    assert y.stride() == torch.empty_like(x).stride()
    np.testing.assert_array_equal(bits(y), by_numpy(x, "mxfp4", axis).view(np.uint32))


def test_big_results_are_plain_tensors_with_the_strides_of_empty_like() -> None:
    x = torch.randn(1100, 600).t()[:500].requires_grad_()
    y = qdq(x, "mxfp8_e4m3")
    assert y.stride() == torch.empty_like(x).stride() and not y._is_view()
    np.testing.assert_array_equal(bits(y), by_numpy(x, "mxfp8_e4m3").view(np.uint32))
    y.mul_(2).sum().backward()


def test_no_copy_between_torch_and_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def spy(x: np.ndarray, *arguments: Any, out: np.ndarray, **options: Any) -> np.ndarray:
        seen.extend((x, out))
        return out

    monkeypatch.setattr(engine, "qdq", spy)
    for dtype in torch_arrays.KINDS:
        x = torch.randn(8, 64).to(dtype).t().requires_grad_()
        y = qdq(x, "mxfp4", axis=0)
        source, target = seen[-2:]
        assert source.__array_interface__["data"][0] == x.data_ptr()
        assert target.__array_interface__["data"][0] == y.data_ptr()
        assert source.dtype == (np.uint16 if dtype is torch.bfloat16 else np.dtype(str(dtype).split(".")[1]))


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "permuted", "sliced"])
@pytest.mark.parametrize("grad", [False, True])
def test_opcheck(layout: str, grad: bool) -> None:
    x = LAYOUTS[layout]().requires_grad_(grad)
    torch.library.opcheck(OPERATOR, operands(x))
    torch.library.opcheck(OPERATOR, operands(x.detach().bfloat16().requires_grad_(grad), "nvfp4", (0,)))


def test_opcheck_of_the_out_operator_and_of_tensor_amax() -> None:
    x = torch.randn(4, 64)
    torch.library.opcheck(torch.ops.lowbit.qdq_out.default, (*operands(x), torch.empty_like(x)))
    amax = torch.tensor(5.0)
    torch.library.opcheck(OPERATOR, (x, "nvfp4", [-1], "nearest_even", amax, None, None, *NO_DRAW, None, False))


@pytest.mark.parametrize("fmt", ["mxfp4", lb.format("e2m1/k16/ue4m3/ts256"), lb.format("nvfp4_2d")], ids=str)
def test_compiles_without_graph_break(fmt: Any) -> None:
    def fn(x: torch.Tensor) -> torch.Tensor:
        return qdq(x + 1, fmt, axis=(-2, -1) if str(fmt) == "nvfp4_2d" else 0) * 2

    x = torch.randn(40, 48, requires_grad=True)
    compiled = torch.compile(fn, fullgraph=True, backend="aot_eager")
    y = compiled(x)
    assert torch.equal(y, fn(x))
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, torch.full_like(x, 2.0))


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # by torch.compile itself
@pytest.mark.parametrize("transform", [torch.func.vmap, lambda fn: torch.func.grad(lambda v: fn(v).square().sum())])
def test_torch_func_inside_compile_is_refused_or_right(transform: Any) -> None:
    fn, x = transform(lambda v: lb.qdq(v + 1, lb.format("nvfp4"))), torch.randn(4, 64)
    torch._dynamo.reset()
    with pytest.raises(Unsupported, match="loses custom gradients"):
        torch.compile(fn, fullgraph=True, backend="aot_eager")(x)
    assert torch.equal(torch.compile(fn, backend="aot_eager")(x), fn(x))


def test_compiles_with_out_and_with_tensor_amax_that_changes() -> None:
    def fn(x: torch.Tensor, amax: torch.Tensor | float) -> torch.Tensor:
        y = x.clone()
        qdq(y, "nvfp4", tensor_amax=amax, out=y)
        return y + 1

    x = torch.randn(4, 64)
    compiled = torch.compile(fn, fullgraph=True, backend="aot_eager")
    for amax in (4.0, 5.0, torch.tensor(3.0), torch.tensor(9.0)):
        assert torch.equal(compiled(x, amax), fn(x, amax))


def test_gradient_passes_unchanged_also_where_values_saturate() -> None:
    x = torch.tensor([1e6, -700.0, 0.3, 0.0] * 8, requires_grad=True)
    weights = torch.arange(32.0)
    y = qdq(x, "e4m3")
    assert y.max() == 448.0
    (y * weights).sum().backward()
    assert x.grad is not None and torch.equal(x.grad, weights)


def test_double_backward_is_that_of_the_identity() -> None:
    x = torch.randn(2, 32, requires_grad=True)
    y = qdq(x, "mxfp4")
    (first,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
    assert torch.equal(first, 3 * y.detach() ** 2)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert torch.equal(second, 6 * y.detach())


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch's own forward mode uses it
@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "fp8_e4m3"])
def test_torch_func_transforms(fmt: str) -> None:
    x = torch.randn(4, 64)

    def loss(v: torch.Tensor) -> torch.Tensor:
        return (qdq(v, fmt) ** 2).sum()

    expected = torch.stack([2 * qdq(row, fmt) for row in x])
    assert torch.equal(torch.func.vmap(torch.func.grad(loss))(x), expected)
    assert torch.equal(torch.func.grad(lambda v: torch.func.vmap(loss)(v).sum())(x), expected)
    assert torch.equal(torch.func.jacrev(lambda v: qdq(v, fmt))(x[0, :3]), torch.eye(3))
    assert torch.equal(torch.func.hessian(loss)(x[0, :3]), 2 * torch.eye(3))
    assert torch.equal(torch.func.jvp(lambda v: qdq(v, fmt), (x,), (x,))[1], x)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_vmap_keeps_samples_apart(axis: int) -> None:
    x = torch.randn(4, 3, 40)
    for fmt in ("mxfp4", "nvfp4", "fp8_e4m3"):
        expected = torch.stack([qdq(sample, fmt, axis=axis) for sample in x.unbind(1)], 1)
        assert torch.equal(torch.func.vmap(lambda v, f=fmt: qdq(v, f, axis=axis), in_dims=1, out_dims=1)(x), expected)
    with pytest.raises(ShapeError):
        torch.func.vmap(lambda v: qdq(v, "mxfp4", axis=-3))(x)


def test_vmap_over_tensor_amax() -> None:
    x, amaxes = torch.randn(32), torch.tensor([1.0, 4.0, 9.0])
    result = torch.func.vmap(lambda v, a: qdq(v, "nvfp4", tensor_amax=a), in_dims=(None, 0))(x, amaxes)
    assert torch.equal(result, torch.stack([qdq(x, "nvfp4", tensor_amax=a) for a in amaxes]))


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing(reentrant: bool) -> None:
    x = torch.randn(4, 64, requires_grad=True)

    def block(v: torch.Tensor) -> torch.Tensor:
        return qdq(v.exp(), "mxfp4").square()

    checkpoint(block, x, use_reentrant=reentrant).sum().backward()
    assert x.grad is not None and torch.equal(x.grad, torch.autograd.grad(block(x).sum(), x)[0])


def test_tensor_amax_as_number_and_as_tensor() -> None:
    x = torch.randn(4, 64)
    y = qdq(x, "nvfp4", tensor_amax=10.0)
    assert torch.equal(y, qdq(x, "nvfp4", tensor_amax=torch.tensor([10.0])))
    assert not torch.equal(y, qdq(x, "nvfp4"))
    halves = [qdq(half, "nvfp4", tensor_amax=x.abs().max()) for half in x.chunk(2)]
    assert torch.equal(torch.cat(halves), qdq(x, "nvfp4"))
    assert torch.equal(qdq(x, "nvfp4", tensor_amax=torch.tensor(10)), y)
    for wrong in (torch.ones(2), torch.tensor(3j), "much"):
        with pytest.raises(ArgumentError, match="tensor_amax"):
            qdq(x, "nvfp4", tensor_amax=wrong)  # type: ignore[arg-type]


def test_out_receives_the_result_and_bumps_the_version() -> None:
    x, out = torch.randn(6, 64), torch.empty(64, 6).t()
    version = out._version
    assert qdq(x, "mxfp4", out=out) is out
    assert out._version > version
    expected = qdq(x, "mxfp4")
    assert torch.equal(out, expected)
    assert qdq(x, "mxfp4", out=x) is x
    assert torch.equal(x, expected)
    with torch.inference_mode():
        assert torch.equal(qdq(expected, "mxfp4", out=torch.empty_like(expected)), expected)


def test_out_is_refused_where_it_would_go_wrong() -> None:
    x = torch.randn(4, 64)
    with pytest.raises(ArgumentError, match="overlap"):
        qdq(x[:, :60], "mxfp4", out=x[:, 4:])
    with pytest.raises(ArgumentError, match="overlap"):
        qdq(x[:, 0], "mxfp4", out=torch.zeros(1).expand(4))
    with pytest.raises(ShapeError, match=r"\(4, 64\)"):
        qdq(x, "mxfp4", out=torch.empty(4, 63))
    with pytest.raises(DtypeError, match="bfloat16"):
        qdq(x, "mxfp4", out=torch.empty(4, 64, dtype=torch.bfloat16))
    with pytest.raises(DtypeError, match="ndarray"):
        qdq(x, "mxfp4", out=x.numpy())  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no_grad"):
        qdq(x.requires_grad_(), "mxfp4", out=torch.empty(4, 64))


def test_wrong_inputs_say_what_to_do() -> None:
    x = torch.randn(2, 32)
    with pytest.raises(DtypeError, match=r"float64.*x\.float\(\)"):
        qdq(x.double(), "mxfp4")
    for wrong in (x.int(), x.to(torch.complex64), x > 0):
        with pytest.raises(DtypeError):
            qdq(wrong, "mxfp4")
    with pytest.raises(DtypeError, match="sparse"):
        qdq(x.to_sparse(), "mxfp4")
    with pytest.raises(FormatError, match="mxfp4"):
        qdq(x, "mxfp5")
    with pytest.raises(FormatError, match="NoneType"):
        qdq(x, None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="rounding"):
        qdq(x, "mxfp4", rounding="nearest")
    with pytest.raises(ShapeError):
        qdq(x, "mxfp4", axis=2)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert qdq(torch.empty(3, 4, device="meta"), "mxfp4").shape == (3, 4)
    monkeypatch.setattr(torch_arrays, "DEVICES", ())
    with pytest.raises(UnsupportedError, match=r"x\.cpu\(\)"):
        qdq(torch.empty(3, 4), "mxfp4")


def test_subclasses_and_copies_of_results() -> None:
    parameter = torch.nn.Parameter(torch.randn(2, 32))
    y = qdq(parameter, "mxfp4")
    assert type(y) is torch.Tensor and y.requires_grad
    assert torch.equal(copy.deepcopy(y.detach()), y)
