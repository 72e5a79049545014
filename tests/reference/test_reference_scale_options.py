"""Statistics, rules, targets and the encode domain by hand: the numbers follow from contract §12, not from the code."""

from math import copysign, inf, nan

import numpy as np
import pytest

from lowbit import reference
from lowbit.errors import ArgumentError, NonfiniteError

QUEST = "e2m1/k4/e8m0:nearest/statistic=rms"
FLOOR = "e2m1/k4/e8m0:floor/statistic=rms"
UP = "e2m1/k4/e8m0:rceil/statistic=rms"
TARGET_TWO = "e2m1/k2/e8m0:{}/statistic=rms/target_max=2"


def exponent(x: list[float], spec: str) -> int:
    """Scale exponent of the only block of x."""
    (code,) = reference.quantize(x, spec).scales
    return code - 127


@pytest.mark.parametrize(
    ("x", "spec", "expected"),
    [
        # T = fl(6 / 2.92247856) = 2.0530...; rms 1 gives v = 0.487 = 2^-1.04
        ([1.0, 1.0, -1.0, 1.0], QUEST, -1),
        ([1.0, 1.0, -1.0, 1.0], FLOOR, -2),
        ([1.0, 1.0, -1.0, 1.0], UP, -1),
        ([3.0, -3.0, 3.0, 3.0], QUEST, 1),  # v = 1.461 > sqrt(2)
        ([3.0, -3.0, 3.0, 3.0], FLOOR, 0),
        ([2.9, 2.9, 2.9, 2.9], QUEST, 0),  # v = 1.4125 < sqrt(2)
        ([2.9, 2.9, 2.9, 2.9], UP, 1),
        ([1.0, 1.0, 1.0], QUEST, -1),  # a short block counts the elements it has
        ([2.0, 0.0, 0.0, 0.0], QUEST, -1),  # rms 1
        # v² = (0 + 16) / 2 / 2² = 2: half a power, exactly
        ([0.0, 4.0], TARGET_TWO.format("nearest"), 1),
        ([0.0, 4.0], TARGET_TWO.format("floor"), 0),
        ([0.0, 4.0], TARGET_TWO.format("rceil"), 1),
        ([0.0, np.nextafter(np.float32(4), np.float32(0)).item()], TARGET_TWO.format("nearest"), 0),
        ([2.0, 2.0], TARGET_TWO.format("rceil"), 0),  # v = 1
        ([2.0**-149, 2.0**-149], TARGET_TWO.format("floor"), -127),  # wants -150
        ([2.0**127, 2.0**127], TARGET_TWO.format("floor"), 126),
    ],
)
def test_root_mean_square(x: list[float], spec: str, expected: int) -> None:
    assert exponent(x, spec) == expected


def test_root_mean_square_of_float_scales_and_of_zeros() -> None:
    """m = 30 / 4 in binary64; amax := fl(sqrt(m)), then as ever."""
    quantized = reference.quantize([1.0, 2.0, 3.0, 4.0], "e4m3/k4/f32/statistic=rms/target_max=2")
    assert quantized.scales == [int((np.float32(np.sqrt(7.5)) / np.float32(2)).view(np.uint32))]
    assert reference.quantize([0.0, -0.0], QUEST).scales == [0]
    assert reference.quantize([nan, 1.0], QUEST).scales == [255]


@pytest.mark.parametrize(("amax", "expected"), [(8.48, 0), (8.49, 1), (4.25, 0), (4.24, -1), (6.0, 0)])
def test_rule_nearest_of_amax(amax: float, expected: int) -> None:
    """amax / 6 against sqrt(2) and sqrt(1/2): 8.485..., 4.242..."""
    assert exponent([amax, 0.0], "e2m1/k4/e8m0:nearest") == expected
    assert exponent([amax * 2.0**90, 0.0], "e2m1/k4/e8m0:nearest") == expected + 90


def test_target_max_replaces_the_element_maximum() -> None:
    assert reference.qdq([8.0, 4.0, 1.0, 2.0], "e2m1/k4/f32/target_max=4") == [8.0, 4.0, 1.0, 2.0]  # scale 2
    assert exponent([4.0, 0.0], "e2m1/k4/e8m0/target_max=3") == 1  # floor(log2 4) - floor(log2 3)
    assert exponent([4.0, 0.0], "e2m1/k4/e8m0:rceil/target_max=4") == 0
    assert exponent([4.5, 0.0], "e2m1/k4/e8m0:rceil/target_max=4") == 1
    x = [1792.0] + [0.0] * 15  # A = 448 · 4, so g = 1 and the block scale is 448
    quantized = reference.quantize(x, "e2m1/k16/ue4m3/ts448/target_max=4")
    assert (quantized.codes[0], quantized.scales, quantized.tensor_scale) == (6, [126], 1.0)
    beyond = reference.quantize([8.0, 1.0], "e2m1/k2/f32/target_max=8")  # scale 1: 8 saturates at 6
    assert beyond.values == [6.0, 1.0]


def test_encode_domain() -> None:
    spec = "e2m1/k2/ue4m3/scale_domain=encode"
    assert reference.quantize([3.0, 1.0], spec).scales == [64]  # e = 6/3 = 2
    assert reference.qdq([3.0, 1.0], spec) == [3.0, 1.0]
    # 6/7 rounds to 0.875; y = 6.125 -> 6, times the inverse fl(1/0.875)
    assert reference.qdq([7.0, 0.0], spec) == [float(np.float32(6) * (np.float32(1) / np.float32(0.875))), 0.0]
    assert reference.quantize([0.0, 0.0], spec).scales == [126]  # the largest scale
    assert reference.quantize([0.001, 0.0], spec).scales == [126]  # wants 6000


def test_encode_scales_that_vanish() -> None:
    x = [-(2.0**20), 1.0]  # 6 / 2^20 rounds to 0
    zeros = reference.qdq(x, "e2m1/k2/ue4m3/scale_domain=encode")
    assert [copysign(1.0, value) for value in zeros] == [-1.0, 1.0] and zeros == [0.0, 0.0]
    assert reference.qdq(x, "e2m1/k2/ue4m3/scale_domain=encode/scale_floor=one") == [-6.0, 1.0]


def test_encode_domain_with_two_levels() -> None:
    """S = 1, A = 12: t = 2, so a = amax/2; the first block has e = 1, the second e = 6/1.5 = 4."""
    x = [[12.0, 2.0], [3.0, 1.0]]
    quantized = reference.quantize(x, "e2m1/k2/ue4m3/ts1/scale_domain=encode")
    assert (quantized.tensor_scale, quantized.scales) == (2.0, [[56], [72]])
    assert quantized.values == x


def test_scales_without_a_zero() -> None:
    assert reference.quantize([0.0, -0.0], "e1m2/k4/ue6m2").scales == [0]  # 2^-48
    assert reference.quantize([1.75, 0.25], "e1m2/k4/ue6m2").scales == [48 << 2]
    assert reference.quantize([2.0**-60, 0.0], "e1m2/k4/ue6m2").scales == [0]
    assert reference.quantize([2.0**60, 0.0], "e1m2/k4/ue6m2").scales == [254]  # 1.5 · 2^15
    assert reference.quantize([inf, 0.0], "e1m2/k4/ue6m2").scales == [255]


def test_scales_of_fewer_exponents_than_e8m0() -> None:
    spec = "e2m1/k2/ue5m0"
    scales = [reference.quantize([amax, 0.0], spec).scales for amax in (0.0, 4.0, 2.0**-20, 2.0**30)]
    assert scales == [[0], [15], [0], [31]]
    with pytest.raises(NonfiniteError):
        reference.qdq([nan, 1.0], spec)


@pytest.mark.parametrize(
    "spec",
    [
        "e2m1/tensor/e8m0:nearest/statistic=rms",
        "e2m1/tensor/e8m0:mse",
        "e2m1/tensor/f32/alternatives=e2m1@4",
        "uint8/tensor/f32/zero_point=integer",
    ],
)
def test_a_given_amax_does_not_stand_for_a_whole_tensor_block_that_needs_more(spec: str) -> None:
    with pytest.raises(ArgumentError, match="tensor_amax"):
        reference.qdq([1.0, 2.0], spec, tensor_amax=4.0)
