"""The kernels against the golden vectors: all of them, bit for bit, with exactly counted excuses (contract §10).

The oracle's comparison lies in tests/golden; here every vector goes through `lowbit.quantize` and `lowbit.qdq`.
"""

from typing import Any

import ml_dtypes
import numpy as np
from golden_excuses import EXCUSED, INTEGER_ZERO, LARGEST, MINUS_ZERO, compare, tally
from golden_vectors import (
    Case,
    four_over_six_cases,
    microxcaling_cases,
    torchao_mx_cases,
    torchao_nvfp4_cases,
    transformer_engine_cases,
    transformer_engine_rotated_cases,
)
from oracle_arrays import DTYPES, narrow

import lowbit as lb
from lowbit.formats import TE_SIGNS

MICROXCALING_EVEN = {MINUS_ZERO: 2560, LARGEST: 2048, INTEGER_ZERO: 40925}
"""Elements that differ from microxcaling's `even` values, by row: a part of `EXCUSED`, which counts all roundings."""


def kernel_codes(case: Case) -> dict[str, np.ndarray]:
    """Codes and scales by the kernels, and the check that qdq gives what they decode to."""
    arguments: dict[str, Any] = {"tensor_amax": case.tensor_amax, "tensor_scale": case.tensor_scale}
    q = lb.quantize(case.x, case.fmt, **arguments)
    values = lb.qdq(case.x, case.fmt, **arguments)
    assert np.array_equal(values.view(np.uint32), q.dequantize().view(np.uint32)), case.key
    return {"codes": q.codes, "scales": q.scales}


def kernel_values(case: Case) -> dict[str, np.ndarray]:
    """Fake-quantized values by the kernels, as bits."""
    return {"value_bits": lb.qdq(case.x, case.fmt).view(np.uint32)}


def test_torchao_mx() -> None:
    """Five elements, four scale rules: the only excuses are blocks below 2^-124 and blocks with NaN or infinity."""
    assert tally(torchao_mx_cases(), kernel_codes) == EXCUSED["torchao_mx"]


def test_torchao_nvfp4() -> None:
    """One and two levels: no excuses."""
    assert tally(torchao_nvfp4_cases(), kernel_codes) == EXCUSED["torchao_nvfp4"] == {}


def test_transformer_engine() -> None:
    """1x16 and 16x16: the only excuses are zeros whose sign TransformerEngine's reference drops."""
    assert tally(transformer_engine_cases(), kernel_codes) == EXCUSED["transformer_engine_nvfp4"]


def test_transformer_engine_four_over_six() -> None:
    """Errors mae and mse, bounds 256 and 448, runs and tiles: the same excuses."""
    assert tally(four_over_six_cases(), kernel_codes) == EXCUSED["transformer_engine_four_over_six"]


def test_transformer_engine_transposed() -> None:
    cases = transformer_engine_cases(transposed=True)
    assert tally(cases, kernel_codes) == EXCUSED["transformer_engine_nvfp4_transposed"]


def test_transformer_engine_transposed_is_the_other_axis() -> None:
    """The tensor quantized along its other axes in place: the same codes and scales, transposed."""
    for case in transformer_engine_cases(transposed=True):
        axis = (1, 0) if case.block == (16, 16) else 0
        q = lb.quantize(np.ascontiguousarray(case.x.T), case.fmt, axis=axis, tensor_amax=case.tensor_amax)
        compare(case, codes=np.ascontiguousarray(q.codes.T), scales=np.ascontiguousarray(q.scales.T))


def test_tensor_amax_is_the_one_that_transformer_engine_found() -> None:
    for case in transformer_engine_cases():
        own, given = lb.quantize(case.x, case.fmt), lb.quantize(case.x, case.fmt, tensor_amax=case.tensor_amax)
        assert own.tensor_scale == given.tensor_scale and np.array_equal(own.codes, given.codes), case.key


def test_microxcaling() -> None:
    """Eight elements, blocks of 32 and 16, ties to even."""
    cases = (case for case in microxcaling_cases() if case.rounding == "nearest_even")
    assert tally(cases, kernel_values) == MICROXCALING_EVEN


def test_bfloat16_arrays_give_the_same_codes() -> None:
    """The vectors of bfloat16 inputs, handed over as bfloat16 arrays instead of widened ones."""
    for case in (*torchao_mx_cases(), *transformer_engine_cases()):
        if case.dtype == "bf16":
            with np.errstate(invalid="ignore"):
                narrow = case.x.astype(ml_dtypes.bfloat16)
            q = lb.quantize(narrow, case.fmt, tensor_amax=case.tensor_amax)
            compare(case, codes=q.codes, scales=q.scales)


def test_transformer_engine_rotated() -> None:
    """x.T rotated by 16 with fixed signs, then nvfp4. TransformerEngine multiplies by H/4 as a matrix, whose sums may
    round otherwise: at least 99.9% of codes agree and each difference is a neighbour (contract §6).

    Excused are groups with a sum of magnitudes beyond binary32: additions come before the multiplication by c, so that
    these overflow here, and not there. All others turn out to be the same, codes and scales.
    """
    transform, excused, compared = lb.Hadamard(16, signs=TE_SIGNS), 0, 0
    for case in transformer_engine_rotated_cases():
        assert case.codes is not None and case.scales is not None
        x = narrow(case.x, DTYPES["bfloat16"]) if case.dtype == "bf16" else case.x
        q = lb.quantize(x, "nvfp4", transform=transform, tensor_amax=case.tensor_amax)
        groups = np.abs(case.x.astype(np.float64)).reshape(case.x.shape[0], -1, 16).sum(-1) > np.finfo(np.float32).max
        large = np.repeat(groups, 16, axis=1)
        assert np.array_equal(q.codes[~large], case.codes[~large]), case.key
        assert np.array_equal(q.scales[~groups], case.scales[~groups]), case.key
        excused, compared = excused + int(large.sum()), compared + large.size
    assert (excused, compared) == (2048, 90112)
