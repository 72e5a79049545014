"""Strategies: what they draw is valid, reaches what they promise, and the kernels agree with the oracle on it."""

import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from example_counts import everyday
from hypothesis import assume, find, given
from hypothesis import strategies as st
from oracle_arrays import assert_same, narrow, oracle

import lowbit as lb
from lowbit.testing import strategies


@given(strategies.spec_texts())
def test_spec_texts_read_back(text: str) -> None:
    fmt = lb.format(text)
    assert lb.format(fmt.spec) == fmt


@given(strategies.formats(), strategies.block_formats())
def test_formats(fmt: lb.BlockFormat, blocked: lb.BlockFormat) -> None:
    assert not fmt.needs_seed
    assert blocked.block is not None and blocked.scale is not None


def agree(x: np.ndarray, fmt: lb.BlockFormat, call: dict[str, Any]) -> None:
    """The kernels give what the oracle does."""
    expected = narrow(oracle(np.ascontiguousarray(x), fmt, **call).values, x.dtype)
    assert_same(lb.qdq(x, fmt, **call), expected, x, f"{fmt} {call}")


@everyday(25)
@given(st.data(), strategies.roundings())
def test_kernels_equal_the_oracle_on_drawn_tensors(data: st.DataObject, call: dict[str, Any]) -> None:
    agree(data.draw(strategies.tensors(lb.format("mxfp4"), nonfinite=True)), lb.format("mxfp4"), call)


@pytest.mark.slow
@everyday(2000)
@given(st.data(), strategies.formats(), strategies.roundings(), st.sampled_from(("float32", "float16", "bfloat16")))
def test_kernels_equal_the_oracle_on_drawn_formats(
    data: st.DataObject, fmt: lb.BlockFormat, call: dict[str, Any], dtype: str
) -> None:
    assume(fmt.block is None or (fmt.block.elements or 0) <= 256)  # the oracle takes its time
    agree(data.draw(strategies.tensors(fmt, dtype=dtype, nonfinite=True)), fmt, call)


def test_tensors_reach_ties_specials_and_strides() -> None:
    fmt = lb.format("mxfp4")
    middles = {float(Fraction(1, 4)), 0.75, 2.5, 5.0}
    tie = find(strategies.tensors(fmt), lambda x: bool(set(np.abs(x).reshape(-1).tolist()) & middles))
    assert tie.size >= 1
    assert find(strategies.tensors(fmt, nonfinite=True), lambda x: bool(np.isnan(x).any())).size >= 1
    assert not find(strategies.tensors(fmt), lambda x: not x.flags.c_contiguous and x.size > 1).flags.c_contiguous
    assert find(strategies.tensors(fmt), lambda x: bool((np.abs(x[x != 0]) < 2.0**-126).any())).size >= 1
    assert find(strategies.tensors(fmt), lambda x: bool((np.signbit(x) & (x == 0)).any())).size >= 1
    assert find(strategies.tensors(fmt), lambda x: x.size == 0).size == 0


@given(st.data(), strategies.shapes())
def test_layouts_hold_the_same_numbers(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    assert np.array_equal(data.draw(strategies.layouts(x)), x)


@given(strategies.hadamards())
def test_hadamards(transform: lb.Hadamard) -> None:
    assert lb.Hadamard.from_text(str(transform)) == transform


def test_without_hypothesis_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import lowbit.testing; import lowbit.testing.strategies"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "UnsupportedError" in done.stderr and "lowbit[test]" in done.stderr


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_dtypes(dtype: str) -> None:
    x = find(strategies.tensors(lb.format("e4m3"), dtype=dtype), lambda x: x.size > 3)
    assert x.dtype.name == dtype
