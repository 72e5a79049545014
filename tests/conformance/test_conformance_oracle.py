"""Every registered format, and specs only a user would write, against the oracle bit for bit on hostile inputs.

The cases are generated from the registry: a format without a case here is impossible.
"""

from math import lcm
from typing import Any

import numpy as np
import pytest
from conforming import conform, generator
from format_cases import ALL_FORMATS, CASTS, REGISTERED, SEEDED
from oracle_arrays import Expected, bit_patterns, oracle

import lowbit as lb
from lowbit.errors import ArgumentError
from lowbit.formats import format as find_format
from lowbit.testing.hostile_inputs import hostile_tensors

NAMES = (*ALL_FORMATS, *CASTS)


def transposed(expected: Expected) -> Expected:
    """What the transposed tensor becomes along its other axis."""
    scales = None if expected.scales is None else expected.scales.T
    return Expected(expected.values.T, expected.codes.T, scales, expected.tensor_scale)


def other_axis(name: str) -> dict[str, Any]:
    """Arguments that quantize x.T like x."""
    block = find_format(name).block
    return {"axis": (1, 0) if block is not None and block.is_tile else 0}


def check_layouts(x: np.ndarray, name: str) -> None:
    """x as it lies, transposed in place and transposed in memory, with one answer of the oracle for all."""
    expected = oracle(x, name)
    conform(x, name, expected)
    turned = transposed(expected)
    conform(x.T, name, turned, **other_axis(name))
    conform(np.ascontiguousarray(x.T), name, turned, **other_axis(name))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", NAMES)
def test_hostile_inputs(name: str, dtype: str) -> None:
    size = 800 if dtype == "float32" else 300
    for x in hostile_tensors(name, generator(name, dtype), dtype, size):
        check_layouts(x, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_hostile_inputs(name: str) -> None:
    for dtype in ("float32", "bfloat16", "float16"):
        for seed in (1, 2):
            for x in hostile_tensors(name, generator(name, dtype, seed), dtype, 3000):
                check_layouts(x, name)


def test_every_registered_format_is_here() -> None:
    assert set(lb.list_formats()) <= {*REGISTERED, *SEEDED} and set(REGISTERED) <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in ALL_FORMATS if find_format(name).tensor_target is not None])
@pytest.mark.parametrize("scale", [1.0, 0.1, 2.0**-20, 2.0**-128, 2.0**-149, 2.0**120])
def test_static_tensor_scale(name: str, scale: float) -> None:
    """Also a scale that is no binary32 number (0.1): it counts as the nearest one."""
    for x in hostile_tensors(name, generator(name, "static"), size=120):
        expected = oracle(x, name, tensor_scale=scale)
        conform(x, name, expected, tensor_scale=scale)


@pytest.mark.parametrize("name", [name for name in ALL_FORMATS if find_format(name).tensor_target is not None])
@pytest.mark.parametrize("amax", [0.0, 0.1, 1e-42, 2.0**-126, 3.3, 3.4028234663852886e38])
def test_given_tensor_amax(name: str, amax: float) -> None:
    """Also amaxes that are no binary32 numbers (0.1, 3.3), smaller than x's own, or zero: the contract's formula."""
    for x in hostile_tensors(name, generator(name, "amax"), size=120):
        expected = oracle(x, name, tensor_amax=amax)
        conform(x, name, expected, tensor_amax=amax)


WHOLE_TENSOR = [n for n in ALL_FORMATS if (b := find_format(n).block) is not None and b.is_tensor]


@pytest.mark.parametrize("name", [name for name in WHOLE_TENSOR if find_format(name).is_blockwise])
def test_a_block_that_needs_more_than_its_amax_refuses_one(name: str) -> None:
    x = np.ones((2, 3), np.float32)
    for quantize in (lb.qdq, lb.quantize):
        with pytest.raises(ArgumentError, match="does not follow from an amax"):
            quantize(x, name, tensor_amax=1.0)
    with pytest.raises(ArgumentError, match="amax"):
        oracle(x, name, tensor_amax=1.0)


@pytest.mark.parametrize("name", [name for name in WHOLE_TENSOR if not find_format(name).is_blockwise])
@pytest.mark.parametrize("amax", [0.0, 0.1, 1e-42, 500.0])
def test_given_amax_of_a_whole_tensor_block(name: str, amax: float) -> None:
    for x in hostile_tensors(name, generator(name, "amax"), size=200):
        conform(x, name, oracle(x, name, tensor_amax=amax), tensor_amax=amax)


def has_independent_rows(name: str) -> bool:
    """Whether rows of a tensor do not share scales."""
    block = find_format(name).block
    return block is None or not (block.is_tensor or block.is_tile)


@pytest.mark.parametrize("name", [*filter(has_independent_rows, ALL_FORMATS)])
def test_rows_longer_than_one_segment(name: str) -> None:
    """Long rows are cut into segments and joined end to end: the same bits as each row quantized on its own."""
    fmt, rng = find_format(name), generator(name, "long")
    x = (rng.standard_normal((3, 9216)) * 2.0 ** rng.integers(-12, 12, (3, 9216))).astype(np.float32)
    arguments: dict[str, Any] = {"tensor_amax": float(np.abs(x).max())} if fmt.tensor_target is not None else {}
    got = lb.qdq(x, name, **arguments)
    columns = lb.qdq(np.ascontiguousarray(x.T), name, axis=0, **arguments)
    assert np.array_equal(bit_patterns(columns.T), bit_patterns(got))
    assert np.array_equal(bit_patterns(lb.quantize(x, name, **arguments).dequantize()), bit_patterns(got))
    step = 9216 if fmt.block is not None and fmt.block.is_row else (fmt.block.elements or 1) if fmt.block else 48
    step = lcm(step, fmt.sparsity[1]) if fmt.sparsity is not None else step
    piece = max(1, 100 // step) * step
    for start in (0, 1023 // step * step, 4096 // step * step, 9215 // step * step):
        part = np.ascontiguousarray(x[:, start : start + piece])
        alone = lb.qdq(part, name, **arguments)
        assert np.array_equal(bit_patterns(alone), bit_patterns(got[:, start : start + piece]))
