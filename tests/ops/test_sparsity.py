"""n:m sparsity composed with formats: against the oracle, along any axis, in place, ties and specials."""

import numpy as np
import pytest
from oracle_arrays import assert_same, oracle, scale_codes

import lowbit as lb
from lowbit.testing.hostile_inputs import hostile_tensors

SPARSE = (
    "e2m1/k16/ue4m3/ts448/sparsity=2:4",
    "e2m1/k32/e8m0/sparsity=1:3",
    "int4/row/f32/sparsity=4:8",
    "int8f6/k32/e8m0:rceil/sparsity=63:64",
    "e2m1/k32/e8m0:mse/sparsity=2:4",
)


@pytest.mark.parametrize("fmt", SPARSE)
@pytest.mark.parametrize("axis", [0, -1])
def test_equals_the_oracle(fmt: str, axis: int) -> None:
    for x in hostile_tensors(fmt, np.random.default_rng(7)):
        expected = oracle(x, fmt, axis=axis)
        assert_same(lb.qdq(x, fmt, axis=axis), expected.values, x, fmt)
        stored = lb.quantize(x, fmt, axis=axis)
        assert np.array_equal(stored.codes, expected.codes)
        assert expected.scales is not None
        assert np.array_equal(scale_codes(stored.scales), expected.scales)


@pytest.mark.parametrize("fmt", SPARSE)
def test_in_place_and_out(fmt: str) -> None:
    x = np.random.default_rng(3).standard_normal((5, 130), dtype=np.float32)
    expected = lb.qdq(x, fmt)
    out, same = np.full_like(x, np.nan), x.copy()
    assert np.array_equal(lb.qdq(x, fmt, out=out), expected)
    assert np.array_equal(lb.qdq(same, fmt, out=same), expected)


def test_the_earlier_of_equals_stays() -> None:
    x = np.array([1.0, -1.0, 1.0, 1.0, 0.0, -0.0, 2.0, 0.5, 3.0], np.float32)
    assert lb.qdq(x, "e2m1/k32/e8m0/sparsity=2:4").tolist() == [1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.5, 3.0]
