"""Inputs of the contract's table of disagreements (docs/numerics.md §10), through the oracle and through libraries."""

from math import inf, nan

import numpy as np
import pytest
import torch
from checked_peers import ALWAYS, installed_as_recorded

from lowbit import reference
from lowbit.errors import NonfiniteError
from lowbit.testing.peers import find_peer

Numbers = list[float]
LARGEST = float(np.finfo(np.float32).max)
BELOW_8 = 8 - 2.0**-21
TORCHAO = "e2m1/k16/ue4m3/ts448/arithmetic=torchao"
TINY = 6 * 2.0**-127
BLOCKS = "int4f2/row/e8m0"


def binary32(*numbers: float) -> Numbers:
    return np.array(numbers, np.float32).tolist()


RESULTS: list[tuple[int, str, str, Numbers, Numbers, Numbers]] = [
    (1, "gfloat", "mxfp4", [BELOW_8], [8.0], [6.0]),
    (1, "brevitas", "mxfp4", [BELOW_8], [8.0], [6.0]),
    (1, "pychop", "mxfp4", [BELOW_8], [8.0], [6.0]),
    (2, "qtorch", "e2m1", [5.0, 2.5, 0.25], [6.0, 3.0, 0.5], [4.0, 2.0, 0.0]),
    (5, "gfloat", "mxfp4", [LARGEST], [2.0**128], [6 * 2.0**125]),
    (5, "pychop", "mxfp4", [LARGEST], [inf], [6 * 2.0**125]),
    (5, "brevitas", "mxfp4", [LARGEST, 0.0], [nan, nan], [6 * 2.0**125, 0.0]),
    (8, "qtorch", "e2m1", [-0.0], [0.0], [-0.0]),
    (10, "torchao", "mxfp4_rceil", [192 + 2.0**-16, 20.8], [192.0, 16.0], [192.0, 32.0]),
    (11, "torchao", "mxfp4_rceil", [TINY, TINY / 2], [0.0, 0.0], [TINY, TINY / 2]),
    (12, "torchao", TORCHAO, [0.0, 0.0], [nan, nan], [0.0, 0.0]),
    (13, "torchao", TORCHAO, [0.0, 7.8e-36], binary32(-1.9499996e-36, 7.7999984e-36), binary32(0, 7.899322e-36)),
    (13, "torchao", TORCHAO, [1e-45], [nan], [0.0]),
    (14, "torchao", TORCHAO, [nan, *[0.0] * 15, 6.0], [nan] * 17, [nan] * 16 + binary32(6.0000005)),
    (15, "torchao", TORCHAO, [0.1], binary32(0.10000001), binary32(0.1)),
    (16, "brevitas", "mxint8", [1.984375], [0.9921875], [1.984375]),
    (17, "qtorch", "e2m1", [0.75 - 2.0**-24], [1.0], [0.5]),
    (18, "qtorch", BLOCKS, [1.375 - 2.0**-23], [1.5], [1.25]),
    (19, "qtorch", BLOCKS, [1.1e38], [-1.75 * 2.0**126], [1.25 * 2.0**126]),
    (21, "ml_dtypes", "e2m1", [nan], [-0.0], []),
    (21, "qtorch", "e2m1", [nan], [6.0], []),
    (21, "gfloat", "e2m1", [nan], [nan], []),
    (21, "qtorch", "int8f4", [nan], [nan], []),
    (22, "ml_dtypes", "e2m1", [inf], [6.0], []),
    (22, "gfloat", "e2m1", [inf], [6.0], []),
    (22, "qtorch", "e2m1", [inf], [6.0], []),
    (22, "qtorch", "int8f4", [inf], [127 / 16], []),
]
"""Row, library, format, input, what the library gives, and the contract; nothing where that is an error."""

IDS = [f"row {row}, {name}, {format}" for row, name, format, *_ in RESULTS]
MARKED = [case if case[1] in ALWAYS else pytest.param(*case, marks=pytest.mark.slow) for case in RESULTS]


def filled(numbers: Numbers) -> Numbers:
    """With zeros up to whole blocks."""
    return binary32(*numbers) + [0.0] * (-len(numbers) % 32)


def by_library(name: str, format: str, x: np.ndarray) -> np.ndarray:
    """What the last of its functions for the format makes of it: the one that gives values."""
    adapter = [item for item in find_peer(name).adapters() if item.format == format][-1]
    with np.errstate(over="ignore"):
        result = adapter.quantizer(torch.from_numpy(x) if adapter.tensors == "torch" else x)
    return np.asarray(result, np.float64).reshape(x.shape)


def same(got: Numbers, wanted: Numbers) -> None:
    """Equal numbers, zeros by their sign; NaN is NaN."""
    assert [repr(x) for x in got] == [repr(x) for x in wanted]


@pytest.mark.parametrize(("format", "x", "ours"), [(case[2], case[3], case[5]) for case in RESULTS], ids=IDS)
def test_the_contract_on_inputs_of_the_table(format: str, x: Numbers, ours: Numbers) -> None:
    if not ours:
        with pytest.raises(NonfiniteError):
            reference.qdq(x, format)
        return
    same(reference.qdq([filled(x)], format)[0][: len(x)], ours)


@pytest.mark.parametrize(("row", "name", "format", "x", "theirs", "ours"), MARKED, ids=IDS)
def test_libraries_on_inputs_of_the_table(
    row: int, name: str, format: str, x: Numbers, theirs: Numbers, ours: Numbers
) -> None:
    assert theirs != ours or row == 8, "-0 and 0 are equal"
    installed_as_recorded(name)
    same(by_library(name, format, np.array([filled(x)], np.float32))[0][: len(x)].tolist(), theirs)


def matrix() -> np.ndarray:
    """Two rows of 33: a short block with 1, and 256 at the start of the next row (row 20)."""
    x = np.zeros((2, 33), np.float32)
    x[0, -1], x[1, 0] = 1, 256
    return x


def test_short_blocks_end_with_their_row() -> None:
    assert np.array_equal(reference.qdq(matrix().tolist(), "mxfp4"), matrix())


@pytest.mark.slow
def test_short_blocks_in_libraries() -> None:
    installed_as_recorded("pychop")
    assert by_library("pychop", "mxfp4", matrix())[:, [0, -1]].tolist() == [[0, 0], [256, 0]]
    installed_as_recorded("torchao")
    with pytest.raises(AssertionError, match="must be divisible by block_size 32"):
        by_library("torchao", "mxfp4", matrix())


@pytest.mark.slow
@pytest.mark.parametrize("format", ["mxfp4", "nvfp4"])
def test_tensors_that_are_not_contiguous(format: str) -> None:
    """Row 23."""
    installed_as_recorded("torchao")
    with pytest.raises(AssertionError, match=r"unsupported|contiguous"):
        by_library("torchao", format, np.ones((64, 32), np.float32).T)
