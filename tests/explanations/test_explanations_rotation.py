"""Explanations in a rotated basis: those of the rotated tensor, with the group's steps ahead."""

from typing import Any

import numpy as np
import pytest
from oracle_arrays import narrow

import lowbit as lb
from lowbit import reference
from lowbit.formats import Hadamard

TRANSFORMS = (Hadamard(16), Hadamard(8, signs=3), Hadamard(12, signs=2**40), Hadamard(4, signs=(1, -1, -1, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
@pytest.mark.parametrize(("fmt", "axis"), [("nvfp4", -1), ("mxfp4", 0), ("nvfp4_2d", (0, 1)), ("nvfp4_2d", (1, 0))])
def test_equals_the_explanation_of_the_rotated_tensor(
    fmt: str, axis: Any, transform: Hadamard, dtype: Any, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((20, 37)).astype(dtype)
    along = axis[1] if isinstance(axis, tuple) else axis
    exact = reference.rotate(x.astype(np.float64).tolist(), transform, axis=along)
    turned = narrow(np.array(exact, np.float32), x.dtype)
    for index in ((0, 0), (-1, -1), (7, 13)):
        e = lb.explain(x, fmt, index, axis=axis, transform=transform)
        expected = lb.explain(turned, fmt, index, axis=axis)
        assert (e.code, e.value, e.scale_word, e.index) == (
            expected.code, expected.value, expected.scale_word, expected.index,
        )  # fmt: skip
        assert e.steps[-len(expected.steps) :] == expected.steps
        assert narrow(np.array(e.step("c·HDv").value, np.float32), x.dtype) == e.step("x").value
        assert str(transform) in str(e) and max(map(len, str(e).splitlines())) <= 100


def test_stochastic_bits_follow_from_the_index_in_the_rotated_tensor(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 20)).astype(np.float32)
    e = lb.explain(x, "mxfp4", (2, 31), transform=Hadamard(16), rounding="stochastic", seed=1)
    assert e.shape == (3, 32) and e.step("n").value == 2 * 32 + 31


def test_a_transform_is_checked() -> None:
    with pytest.raises(lb.errors.ArgumentError, match="transform"):
        lb.explain(np.ones(4, np.float32), "mxfp4", 0, transform="hadamard4")  # type: ignore[arg-type]
