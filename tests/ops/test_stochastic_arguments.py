"""Arguments of stochastic rounding that are wrong, incomplete or without effect: one clear error each."""

from typing import Any

import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit.errors import ArgumentError, LowbitError, ShapeError


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((24, 70)).astype(np.float32)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"rounding": "stochastic"}, ArgumentError, "seed"),
        ({"rounding": "stochastic", "seed": -1}, ArgumentError, "seed"),
        ({"rounding": "stochastic", "seed": 2**64}, ArgumentError, "seed"),
        ({"rounding": "stochastic", "seed": True}, ArgumentError, "seed"),
        ({"rounding": "stochastic", "seed": np.True_}, ArgumentError, "seed"),
        ({"rounding": "stochastic", "seed": 1.0}, ArgumentError, "seed"),
        ({"rounding": "stochastic", "seed": "1"}, ArgumentError, "seed"),
        ({"rounding": "stochastic", "seed": 1, "stream": 2**32}, ArgumentError, "stream"),
        ({"rounding": "stochastic", "seed": 1, "stream": 0.0}, ArgumentError, "stream"),
        ({"rounding": "stochastic", "seed": 1, "offset": -1}, ArgumentError, "offset"),
        ({"rounding": "stochastic", "seed": 1, "offset": 2**64}, ArgumentError, "offset"),
        ({"rounding": "stochastic", "seed": 1, "origin": (0, 0)}, ArgumentError, "global_shape"),
        ({"rounding": "stochastic", "seed": 1, "global_shape": (24, 70)}, ArgumentError, "origin"),
        ({"rounding": "stochastic", "seed": 1, "origin": (0,), "global_shape": (24, 70)}, ShapeError, "origin"),
        ({"rounding": "stochastic", "seed": 1, "origin": (1, 0), "global_shape": (24, 70)}, ShapeError, "fit"),
        ({"rounding": "stochastic", "seed": 1, "origin": (-1, 0), "global_shape": (24, 70)}, ArgumentError, "origin"),
        (
            {"rounding": "stochastic", "seed": 1, "offset": 1, "origin": (0, 0), "global_shape": (24, 70)},
            ArgumentError,
            "exclude",
        ),
        ({"seed": 1}, ArgumentError, "no effect"),
        ({"stream": 1}, ArgumentError, "no effect"),
        ({"offset": 1}, ArgumentError, "no effect"),
        ({"origin": (0, 0), "global_shape": (24, 70)}, ArgumentError, "no effect"),
        ({"rounding": "toward_zero", "seed": 0}, ArgumentError, "no effect"),
    ],
)
def test_arguments_that_are_wrong_or_without_effect(
    given: dict[str, Any], error: type[LowbitError], text: str, x: np.ndarray
) -> None:
    for array in (x, torch.from_numpy(x)):
        for call in (lb.qdq, lb.quantize):
            with pytest.raises(error, match=text) as caught:
                call(array, "mxfp4", **given)
            assert "\n" not in str(caught.value)


def test_torch_seeds_that_are_wrong(x: np.ndarray) -> None:
    tensor = torch.from_numpy(x)
    for seed in (torch.tensor([1, 2]), torch.tensor(1.0), torch.tensor(True), torch.tensor(-1)):
        with pytest.raises(ArgumentError, match="seed"):
            lb.qdq(tensor, "mxfp4", rounding="stochastic", seed=seed)
