"""Rows as one block, and long blocks: lengths around every bound at which they are cut, joined or read twice."""

import numpy as np
import pytest
from oracle_arrays import DTYPES, assert_same, narrow, oracle

import lowbit as lb
from lowbit.geometry import LONG, LONG_SEGMENT

LENGTHS = (1, 17, 33, 3999, LONG_SEGMENT, LONG_SEGMENT + 1, LONG - 1, LONG, LONG + 1, LONG + LONG_SEGMENT + 5)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("fmt", ["int8_row", "fp8_e4m3_row", "e2m1/row/e8m0", "nf4/row/f32", "int4/k1000/f32"])
def test_rows_of_any_length(fmt: str, length: int, rng: np.random.Generator) -> None:
    for rows, (name, dtype) in zip((3, 2, 2), DTYPES.items(), strict=True):
        x = narrow(rng.standard_normal((rows, length)).astype(np.float32), dtype)
        x[0, rng.integers(length)] = 0.0
        x[-1] = rng.choice([0.0, -0.0], length)
        if lb.format(fmt).has_nan:
            x[0, rng.integers(length)] = np.nan
        expected = oracle(x, fmt)
        what = f"{fmt} {name} {rows}x{length}"
        assert_same(lb.qdq(x, fmt), expected.in_dtype(dtype), x, what)
        q = lb.quantize(x, fmt)
        assert np.array_equal(q.codes, expected.codes), what
        assert_same(q.dequantize(), expected.in_dtype(dtype), x, f"dequantize {what}")
        drawn = lb.qdq(x, fmt, rounding="stochastic", seed=5)
        pieces = [lb.qdq(x[i : i + 1], fmt, rounding="stochastic", seed=5, offset=i * length) for i in range(rows)]
        assert_same(drawn, np.concatenate(pieces), x, f"stochastic {what}")
