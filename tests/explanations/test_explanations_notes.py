"""Special rules are named where they apply, steps are exact, and bad arguments are refused."""

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit.errors import ArgumentError, DtypeError, NonfiniteError, ShapeError, UnsupportedError
from lowbit.reference.block import quantize_block


def numbers(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("x", "fmt", "index", "note"),
    [
        (numbers(0, -0.0), "mxfp4", 0, "block of zeros"),
        (numbers(1, np.nan), "mxfp4", 0, "NaN or infinity"),
        (numbers(1, np.inf), "nvfp4", 0, "NaN or infinity"),
        (numbers(7.99, 1), "mxfp4", 0, "saturated"),
        (numbers(8, 0.1), "mxfp4", 1, "underflow"),
        (numbers(2.5, 4), "mxfp4", 0, "a tie goes to the even code"),
        (numbers(1e-38, 0), "e4m3/k32/e8m0", 0, "clamped"),
        (np.array([[1.0] * 16, [1e-9] * 16], np.float32), "nvfp4", (1, 0), "underflows to zero"),
        (numbers(0, 0), "nvfp4", 0, "A = 0"),
        (numbers(1e-40), "nvfp4", 0, "g is clamped"),
        (numbers(1e-9), "e2m1/k16/ue5m3/scale_floor=one", 0, "scale_floor=one"),
        (numbers(1, 2, 3, 4), "e2m1/k32/e8m0/sparsity=2:4", 0, "dropped"),
        (numbers(np.nan), "bf16", 0, "NaN stays NaN"),
        (numbers(3.4e38), "bf16", 0, "overflow=inf_nan"),
        (numbers(np.inf), "e5m2/overflow=inf_nan", 0, "special value"),
        (numbers(-np.inf), "e5m2/overflow=inf_nan", 0, "special value"),
        (numbers(-2), "uint4", 0, "a negative number"),
        (numbers(1e9), "e4m3", 0, "saturated"),
        (numbers(1, 2, 3), "mxfp4", 0, "short block"),
        (np.array([3.4e38], ml_dtypes.bfloat16), "e2m1/k32/e8m0:rceil", 0, ""),
        (np.array([65504.0], np.float16), "e2m1/k32/e8m0:ceil", 0, ""),
    ],
)
def test_special_rules_are_noted(x: np.ndarray, fmt: str, index: Any, note: str) -> None:
    e = lb.explain(x, fmt, index)
    assert any(note in found for found in e.notes) or not note, e.notes
    assert note in str(e) and note in e._repr_html_()


def test_steps_of_a_value_between_its_neighbours_are_exact() -> None:
    e = lb.explain(numbers(0.1, 1.3, -2.6, 5.0), "mxfp4", 2)
    y = Fraction(float(np.float32(-2.6)))
    assert e.step("y").value == y
    assert (e.step("lo").value, e.step("hi").value, e.step("mid").value) == (2, 3, Fraction(5, 2))
    assert e.step("d").value == -y - 2
    assert e.step("error").value == -3 - y
    assert e.step("steps").value == -3 - y
    assert e.step("code").bits == "0b1101"
    assert list(e.members()) == [(0,), (1,), (2,), (3,)] and e.block_index == (0,)


def test_the_sum_decides_stochastic_rounding() -> None:
    x = np.linspace(-5, 5, 64, dtype=np.float32).reshape(2, 32)
    for column in range(32):
        e = lb.explain(x, "mxfp4", (1, column), rounding="stochastic", seed=2**63)
        if any(step.symbol == "d" for step in e.steps):
            r, d = e.step("r").value, e.step("d").value
            assert isinstance(r, int) and isinstance(d, Fraction)
            assert e.step("sum").value == d + Fraction(2 * r + 1, 2**33)
            assert e.step("up").value == (d + Fraction(2 * r + 1, 2**33) >= 1)
        assert e.step("r").value == lb.reference.random_bits(32 + column, bits=32, seed=2**63)


def test_candidates_show_their_errors_and_the_smallest_wins() -> None:
    x = np.random.default_rng(1).standard_normal((4, 16)).astype(np.float32)
    for row in range(4):
        e = lb.explain(x, "e2m1/k16/ue4m3/ts256/alternatives=e2m1@4", (row, 3))
        errors = [step.value for step in e.steps if step.symbol == "error" and step.section.startswith("block")]
        assert len(errors) == 2
        assert e.step("chosen").value == (1 if errors[1] < errors[0] else 0)  # type: ignore[operator]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_torch_tensors_of_any_strides(dtype: torch.dtype) -> None:
    x = torch.randn(6, 48, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    for view, index in ((x, (-1, 7)), (x.T, (7, 5)), (x[::2, 1::3], (2, 2))):
        e = lb.explain(view, "nvfp4", index)
        place = tuple(int(p) for p in e.index)
        assert e.code == lb.quantize(view, "nvfp4").codes[place]
        assert e.value == lb.qdq(view, "nvfp4")[place].item()


def test_a_scalar_and_lists_of_indices() -> None:
    x = np.array(2.6, np.float32)
    assert lb.explain(x, "mxfp4", ()).value == float(lb.qdq(x, "mxfp4"))
    assert lb.explain(numbers(1, 2, 3), "bf16", [-1]).index == (2,)


@pytest.mark.parametrize("fmt", ["nvfp4", "fp8_e4m3", "int8_row", "int8/row/f32/statistic=rms/target_max=40"])
def test_only_the_block_of_a_large_tensor_reaches_the_oracle(fmt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(2).standard_normal((16, 1 << 14)).astype(np.float32)
    x[5, 7], x[10, 1] = 1e3, -2e3
    counts: list[int] = []

    def counting(numbers: Any, *arguments: Any, **options: Any) -> Any:
        counts.append(len(numbers))
        return quantize_block(numbers, *arguments, **options)

    monkeypatch.setattr("lowbit.explanations.blocks.quantize_block", counting)
    e = lb.explain(x, fmt, (10, 12345))
    assert counts == [1] and len(list(e.members())) >= 16
    assert e.value == lb.qdq(x, fmt)[10, 12345]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"index": (0,)}, ShapeError, "needs 2"),
        ({"index": (2, 0)}, ShapeError, "outside"),
        ({"index": (0, -17)}, ShapeError, "outside"),
        ({"index": (0, 1.0)}, ArgumentError, "one integer an axis"),
        ({"index": (0, True)}, ArgumentError, "one integer an axis"),
        ({"index": "00"}, ArgumentError, "one integer an axis"),
        ({"format": "mxfp5"}, lb.errors.FormatError, "mxfp5"),
        ({"axis": 2}, ShapeError, "axis"),
        ({"rounding": "nearest"}, ArgumentError, "nearest"),
        ({"rounding": "stochastic"}, ArgumentError, "seed"),
        ({"seed": 3}, ArgumentError, "no effect"),
        ({"offset": 3}, ArgumentError, "no effect"),
        ({"tensor_amax": 3.0}, ArgumentError, "tensor_amax"),
        ({"tensor_scale": "a"}, ArgumentError, "tensor_scale"),
        ({"format": "nvfp4", "tensor_scale": -1.0}, ArgumentError, "tensor_scale"),
        ({"rounding": "stochastic", "seed": 1, "origin": (0, 0), "global_shape": (1, 1)}, ShapeError, "global_shape"),
        ({"x": np.ones((2, 16))}, DtypeError, "float64"),
        ({"x": [1.0]}, DtypeError, "list"),
        ({"x": torch.ones(2, 16, device="meta")}, UnsupportedError, "meta"),
        ({"x": np.full((2, 16), np.nan, np.float32), "format": "int8"}, NonfiniteError, "(0, 0)"),
        ({"format": "e2m1/k16/ue4m3/ts/correction=eden"}, ArgumentError, "seed"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    given: dict[str, Any] = {"x": np.ones((2, 16), np.float32), "format": "mxfp4", "index": (0, 0), **arguments}
    with pytest.raises(error) as caught:
        lb.explain(**given)
    assert message in str(caught.value) and "\n" not in str(caught.value)
