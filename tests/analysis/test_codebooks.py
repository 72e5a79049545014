"""Learned codebooks: optimal quantizers of known distributions, exact cases, blocks, determinism, refusals."""

from math import inf, nan

import ml_dtypes
import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit import analysis
from lowbit.analysis import learn_codebook
from lowbit.errors import ArgumentError, DtypeError, ShapeError
from lowbit.formats import BlockFormat, BlockShape, Codebook, FloatElement

GAUSSIAN_MSE = {1: 0.3634, 2: 0.1175, 3: 0.03454, 4: 0.009497, 5: 0.002499}
"""Max, Quantizing for minimum distortion (1960), table I: the optimal quantizers of a unit normal distribution."""


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def blocked(codebook: Codebook, block: int) -> BlockFormat:
    scale = lb.element("f32")
    assert isinstance(scale, FloatElement)
    return BlockFormat(element=codebook, block=BlockShape((block,)), scale=scale)


@pytest.mark.parametrize("bits", GAUSSIAN_MSE)
def test_gaussian_optimum(bits: int, rng: np.random.Generator) -> None:
    x = normal(rng, 1 << 17)
    x = np.concatenate([x, -x])
    codebook = learn_codebook(x, bits)
    assert len(codebook.entries) == 1 << bits and codebook.bits == bits
    y = lb.qdq(x, BlockFormat(element=codebook))
    assert analysis.relative_mse(x, y) == pytest.approx(GAUSSIAN_MSE[bits], rel=0.02)
    values = np.array(codebook.values())
    assert np.abs(values + values[::-1]).max() < 1e-3, "symmetric data, symmetric table"


def test_every_value_is_the_mean_of_its_cell(rng: np.random.Generator) -> None:
    x = rng.laplace(size=5000)
    values = np.array(learn_codebook(x, 3).values())
    cell = np.abs(x[:, None] - values).argmin(axis=1)
    means = np.array([x[cell == i].mean() for i in range(8)])
    assert np.allclose(values, means, rtol=1e-6, atol=1e-6)


def test_few_values_are_the_table() -> None:
    x = np.array([[0.5, -2.0], [3.0, 0.5]], np.float32)
    codebook = learn_codebook(x, 4, name="mine")
    assert codebook.values() == (-2.0, 0.5, 3.0) and codebook.name == "mine" and codebook.bits == 2
    assert learn_codebook(x, 2, fixed=(0.0,)).values() == (-2.0, 0.0, 0.5, 3.0)
    assert lb.element(codebook.text()) == codebook


def test_blocks_beat_nf4_at_its_own_game(rng: np.random.Generator) -> None:
    """Blocks of 64 of heavy-tailed data: ends at ±1, zero kept, and less error than NF4's normal quantiles."""
    x = rng.standard_t(4, (64, 512)).astype(np.float32)
    codebook = learn_codebook(x, 4, block=64, fixed=(0.0,))
    values = codebook.values()
    assert values[0] == -1.0 and values[-1] == 1.0 and 0.0 in values and len(values) == 16
    assert analysis.relative_mse(x, lb.qdq(x, blocked(codebook, 64))) < analysis.relative_mse(x, lb.qdq(x, "nf4"))
    positive = learn_codebook(np.abs(x), 4, block=64)
    assert positive.values()[0] > 0 and positive.max == 1.0


def test_the_axis_and_ragged_blocks(rng: np.random.Generator) -> None:
    x = normal(rng, 40, 30)
    assert learn_codebook(x, 3, block=16) == learn_codebook(x.T, 3, block=16, axis=0)
    pieces = [x[:, :16], x[:, 16:]]
    scaled = np.concatenate([p / np.abs(p.astype(np.float64)).max(axis=1, keepdims=True) for p in pieces], axis=1)
    assert learn_codebook(x, 3, block=16) == learn_codebook(scaled, 3, fixed=(-1.0, 1.0))


def test_deterministic_and_the_same_for_every_kind_of_array(rng: np.random.Generator) -> None:
    x = normal(rng, 4000).astype(ml_dtypes.bfloat16)
    expected = learn_codebook(x)
    assert learn_codebook(x[::-1]) == expected == learn_codebook(x.astype(np.float32).reshape(40, 100))
    assert learn_codebook(torch.from_numpy(x.astype(np.float32)).bfloat16()) == expected
    assert learn_codebook(x.astype(np.float64)) == expected


def test_nonfinite_and_zero_blocks_are_left_out(rng: np.random.Generator) -> None:
    x = normal(rng, 8, 64)
    expected, in_blocks = learn_codebook(x), learn_codebook(x, block=32)
    dirty = np.concatenate([x, np.full((1, 64), nan, np.float32)])
    assert learn_codebook(np.append(x.ravel(), [inf, -inf, nan])) == expected
    assert learn_codebook(dirty, block=32) == in_blocks
    assert learn_codebook(np.concatenate([x, np.zeros((2, 64), np.float32)]), block=32) == in_blocks


def test_subnormal_values_become_zero() -> None:
    assert learn_codebook(np.array([-(2.0**-140), 2.0**-130, 1.0])).values() == (0.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"bits": 0}, "1..8"),
        ({"bits": 9}, "1..8"),
        ({"block": 0}, "block=0"),
        ({"fixed": (nan,)}, "finite"),
        ({"block": 4, "fixed": (2.0,)}, "-1..1"),
        ({"bits": 1, "fixed": (0.0, 1.0, 2.0)}, "3 values are fixed"),
        ({"bits": 1, "block": 4, "fixed": (0.0,)}, "ends of blocks"),
    ],
)
def test_arguments_that_are_refused(arguments: dict[str, object], part: str, rng: np.random.Generator) -> None:
    with pytest.raises(ArgumentError, match=part):
        learn_codebook(normal(rng, 64), **arguments)  # type: ignore[arg-type]


def test_data_that_is_refused() -> None:
    for x in (np.zeros(0), np.full(9, 2.0), np.array([nan, inf, 1.0]), np.array([-3.0, -1.0, 0.0])):
        with pytest.raises(ArgumentError, match="needs two, one of them positive"):
            learn_codebook(x)
    with pytest.raises(ArgumentError):
        learn_codebook(np.zeros((2, 8)), block=4)
    with pytest.raises(DtypeError):
        learn_codebook(np.arange(9))
    with pytest.raises(ShapeError):
        learn_codebook(np.ones((2, 2)), block=2, axis=5)
