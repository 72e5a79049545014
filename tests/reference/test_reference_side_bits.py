"""Peaks, micro exponents and zero points by hand: every number follows from contract §12, not from the code."""

from math import inf, nan

import numpy as np
import pytest

from lowbit import reference

PEAK, PEAK8 = "e2m1/k32/e8m0/peak=extra_mantissa", "e4m3/k32/e8m0/peak=extra_mantissa"
HIF4 = "e1m2/k8/ue6m2/micro_exponents=4+2"
ZERO = "uint4/k4/f32/zero_point=integer"


def peak_of(y: float, rounding: str = "nearest_even") -> float:
    """What the largest element becomes, with scale 1."""
    return reference.qdq([0.5, y], PEAK, rounding=rounding)[1]


def test_peak_of_e2m1() -> None:
    """The grid of the peak is ±4·(1 + i/8): steps of a half from 4 to 7.5."""
    quantized = reference.quantize([7.0, 1.0, -2.0, 0.3], PEAK)
    assert (quantized.codes, quantized.scales) == ([6, 2, 12, 1], [127 | 1 << 8])
    assert quantized.values == [7.0, 1.0, -2.0, 0.5]
    negative = reference.quantize([1.0, -7.2], PEAK)
    assert (negative.codes, negative.scales, negative.values) == ([2, 14], [127 | 2 << 8], [1.0, -7.0])
    assert reference.quantize([-5.0, 5.0], PEAK).scales == [127 | 1 << 8]  # the first of equals
    assert reference.qdq([-5.0, 5.0], PEAK) == [-5.0, 4.0]


@pytest.mark.parametrize(
    ("y", "rounding", "value"),
    [
        (4.25, "nearest_even", 4.0), (4.75, "nearest_even", 5.0), (7.9, "nearest_even", 7.5),
        (4.25, "nearest_away", 4.5), (7.9, "toward_zero", 7.5), (-7.2, "toward_positive", -7.0),
        (-7.2, "toward_negative", -7.5), (4.9, "to_odd", 4.5), (4.1, "toward_positive", 4.5),
    ],
)  # fmt: skip
def test_the_peak_rounds_as_asked(y: float, rounding: str, value: float) -> None:
    assert peak_of(y, rounding) == value


def test_peak_of_e4m3() -> None:
    """256·(1 + i/128): 300 is on the peak's grid, between 288 and 320 for all others."""
    assert reference.qdq([300.0, 300.0], PEAK8) == [300.0, 288.0]
    assert reference.quantize([300.0, 0.0], PEAK8).codes == [22, 0]
    assert reference.quantize([-511.0, 0.0], PEAK8).codes == [128 + 127, 0]  # e4m3's NaN is a number here: -510


def test_blocks_without_a_peak() -> None:
    assert reference.quantize([0.0, -0.0], PEAK).scales == [0]
    tiny = reference.quantize([2.0**-127, 2.0**-140], PEAK)  # the scale is clamped to 2^-127: y = 1
    assert (tiny.scales, tiny.codes) == ([0], [2, 0])
    assert reference.quantize([2.0**-125, 0.0], PEAK).scales == [1 << 8]  # y = 4
    for x in (nan, inf):
        assert reference.quantize([1.0, x], PEAK).scales == [255]


def test_the_place_of_a_peak_counts_along_the_rows_of_its_tile() -> None:
    x = [[1.0, 1.0, 1.0], [1.0, 7.0, 1.0]]
    spec = "e2m1/k4x4/e8m0/peak=extra_mantissa"
    quantized = reference.quantize(x, spec)
    assert quantized.scales == [[127 | (1 + 4) << 8]]  # three columns are present
    turned = reference.quantize([list(column) for column in zip(*x, strict=True)], spec, axis=(1, 0))
    assert turned.scales == quantized.scales


def test_micro_exponents() -> None:
    """M = 1.75 and two levels: T = 7, thresholds 4 and 2, and the scale is 1."""
    x = [7.0, 1.0, 3.0, 0.5, 1.5, 0.25, 0.5, -0.75]
    quantized = reference.quantize(x, HIF4)
    # bits: the first run of 4 (7 >= 4), then the first run of 2 (7/2 >= 2); not the second (3/2 < 2)
    assert quantized.scales == [48 << 2 | 0b000101 << 8]
    assert quantized.codes == [7, 1, 6, 1, 6, 1, 2, 8 + 3]
    assert quantized.values == x


def test_inner_bits_alone_and_ragged_blocks() -> None:
    x = [1.0, 0.5, 2.5, 0.0, 7.0, 0.0]  # the second run of 2 needs its bit, the first run of 4 does not
    quantized = reference.quantize(x, HIF4)
    assert quantized.scales == [48 << 2 | (0b10 | 0b0110 << 2) << 8]
    assert quantized.values == x


def test_micro_exponents_of_zero_and_nonfinite_blocks() -> None:
    assert reference.quantize([0.0] * 7 + [-0.0], HIF4).scales == [0]
    assert reference.quantize([1.0, nan], HIF4).scales == [255]
    assert str(reference.qdq([-0.0, 7.0], HIF4)) == "[-0.0, 7.0]"


def test_micro_exponents_over_two_levels_and_powers_of_two() -> None:
    x = [7.0 * 448, 448.0, 3.0 * 448, 0.0]
    quantized = reference.quantize(x, "e1m2/k4/ue4m3/ts448/micro_exponents=2+1")
    assert quantized.scales == [126 | (0b01 | 0b0101 << 2) << 7] and quantized.tensor_scale == 1.0
    assert quantized.values == x
    # one level of powers of two: T = 12, so amax 12 has scale 1 and its run of 2 (12 >= 8) is halved
    assert reference.quantize([12.0, 3.0, 6.0, 0.5], "e2m1/k4/e8m0/micro_exponents=2").scales == [127 | 1 << 8]
    assert reference.qdq([12.0, 3.0, 6.0, 0.5], "e2m1/k4/e8m0/micro_exponents=2") == [12.0, 3.0, 6.0, 0.5]


@pytest.mark.parametrize(
    ("x", "zero", "codes", "values"),
    [
        ([-5.0, 0.0, 10.0, 2.5], 5, [0, 5, 15, 7], [-5.0, 0.0, 10.0, 2.0]),  # n = 2 is even, its code 7 is not
        ([3.0, 15.0], 0, [3, 15], [3.0, 15.0]),
        ([-15.0, -3.0], 15, [0, 12], [-15.0, -3.0]),
        ([0.0, -0.0], 0, [0, 0], [0.0, 0.0]),
        ([-3.0, 27.0], 2, [0, 15], [-4.0, 26.0]),  # scale 2: z = 1.5 -> 2, n = -1.5 -> -2 and 13.5 -> 14
        ([-1.0, 29.0], 0, [0, 14], [0.0, 28.0]),  # scale 2: z = 0.5 -> 0
    ],
)
def test_zero_points(x: list[float], zero: int, codes: list[int], values: list[float]) -> None:
    quantized = reference.quantize(x, ZERO)
    scale = np.float32((max(*x, 0.0) - min(*x, 0.0)) / 15)
    assert (quantized.codes, quantized.values) == (codes, values)
    assert quantized.scales == [int(scale.view(np.uint32)) | zero << 32]
    assert "-0.0" not in str(quantized.values)


@pytest.mark.parametrize(
    ("rounding", "integers"),
    [
        ("nearest_even", [2, -2]), ("nearest_away", [3, -3]), ("toward_zero", [2, -2]), ("to_odd", [3, -3]),
        ("toward_positive", [3, -2]), ("toward_negative", [2, -3]),
    ],
)  # fmt: skip
def test_zero_points_round_as_asked(rounding: str, integers: list[int]) -> None:
    assert reference.qdq([-5.0, 10.0, 2.5, -2.5], ZERO, rounding=rounding)[2:] == integers


def test_zero_points_with_extreme_blocks() -> None:
    assert reference.quantize([1.0, nan], ZERO).scales == [0x7FC00000]
    largest = float(np.finfo(np.float32).max)
    assert reference.qdq([largest, -largest], ZERO) == [largest, -largest]  # hi - lo overflows, the scale saturates
    assert reference.quantize([-8.0, 7.0], "uint4/k4/ue4m3/zero_point=integer").scales == [7 << 3 | 8 << 7]
    assert reference.quantize([0.0, 0.0], "uint4/k4/ue4m3/zero_point=integer/scale_floor=one").scales == [7 << 3]
