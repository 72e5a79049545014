"""Irregular grids in blocks: bfloat16 inputs under power-of-two and binary32 scales, kernels against the oracle."""

import numpy as np
import pytest
from format_cases import irregular_casts
from oracle_arrays import all_sixteen_bit_numbers, assert_same, oracle

import lowbit as lb
from lowbit.formats import format as find_format
from lowbit.formats.elements import element_text

IN_BLOCKS = irregular_casts()
"""Plain casts of them are among those of test_conformance_elements."""


def check_in_blocks(name: str, scale: str, x: np.ndarray) -> None:
    """Values and codes of bfloat16 numbers in blocks of an irregular element, against the oracle."""
    fmt = find_format(f"{element_text(find_format(name).element)}/k16/{scale}")
    expected, q = oracle(x, fmt), lb.quantize(x, fmt)
    assert_same(lb.qdq(x, fmt), expected.in_dtype(x.dtype), x, str(fmt))
    assert_same(q.dequantize(), expected.in_dtype(x.dtype), x, f"dequantize {fmt}")
    assert np.array_equal(q.codes, expected.codes)


@pytest.mark.parametrize("scale", ["e8m0", "f32"])
@pytest.mark.parametrize("name", IN_BLOCKS)
def test_a_sample_of_sixteen_bit_inputs_in_blocks(name: str, scale: str, rng: np.random.Generator) -> None:
    """Blocks of neighbouring numbers (one scale, dense) and of any (mostly zeros beside one large number)."""
    x = np.sort(all_sixteen_bit_numbers("bfloat16", finite=True))[int(rng.integers(0, 16)) :: 16]
    check_in_blocks(name, scale, x[:: max(1, x.size // 800)])
    check_in_blocks(name, scale, rng.permutation(x)[:400])


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["e8m0", "f32"])
@pytest.mark.parametrize("name", IN_BLOCKS)
def test_all_sixteen_bit_inputs_in_blocks(name: str, scale: str) -> None:
    check_in_blocks(name, scale, np.sort(all_sixteen_bit_numbers("bfloat16", finite=True)))
