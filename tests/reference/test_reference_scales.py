"""Scale rules and arithmetics by hand: every number below is derived from contract §3 and §4, not from the code."""

from fractions import Fraction

import numpy as np
import pytest

from lowbit import reference
from lowbit.formats import format
from lowbit.reference.binary32 import FLT_MAX, fl, from_bits

ULP = 2.0**-23


def exponent(amax: float, spec: str) -> int:
    """Scale exponent that an e8m0 format gives a block with this amax."""
    code = reference.quantize([amax, 0.0], spec).scales[0]
    assert isinstance(code, int)
    return code - 127


@pytest.mark.parametrize(
    ("rule", "amax", "expected"),
    [
        # e2m1: M = 6 = 1.5 × 2^2, Emax = 2
        ("floor", 4.0, 0), ("floor", 4.0 - 4 * ULP, -1), ("floor", 8.0 - 4 * ULP, 0), ("floor", 8.0, 1),
        ("ceil", 4.0, 0), ("ceil", 4.0 + 4 * ULP, 1), ("ceil", 8.0, 1), ("ceil", 8.0 + 8 * ULP, 2),
        ("rceil", 6.0, 0), ("rceil", 6.0 + 4 * ULP, 1), ("rceil", 3.0 + 2 * ULP, 0), ("rceil", 3.0, -1),
        # half a unit of one mantissa bit is 0.25: significands from 1.75 on round up
        ("even", 7.0 - 4 * ULP, 0), ("even", 7.0, 1), ("even", 4.0, 0), ("even", 8.0, 1),
    ],
)  # fmt: skip
def test_power_of_two_rules_for_e2m1(rule: str, amax: float, expected: int) -> None:
    assert exponent(amax, f"e2m1/k32/e8m0:{rule}") == expected
    shifted = amax * 2.0**-100
    assert exponent(shifted, f"e2m1/k32/e8m0:{rule}") == expected - 100


@pytest.mark.parametrize(
    ("spec", "amax", "expected"),
    [
        ("e4m3/k32/e8m0", 448.0, 0),
        ("e4m3/k32/e8m0", 511.0, 0),  # saturates, as OCP MX has it
        ("e4m3/k32/e8m0:even", 480.0, 0),  # significand 1.875 + 1/16 < 2
        ("e4m3/k32/e8m0:even", 496.0, 1),  # 1.9375 + 1/16 = 2
        ("e4m3/k32/e8m0:rceil", 448.0, 0),
        ("e4m3/k32/e8m0:rceil", 449.0, 1),
        ("e5m2/k32/e8m0", 57344.0, 0),
        ("e3m0/k32/e8m0:even", 24.0, 1),  # 1.5 + 0.5 = 2
        ("e3m0/k32/e8m0:even", 23.9, 0),
        ("int8f6/k32/e8m0", 1.99, 0),
        ("int8f6/k32/e8m0", 2.0, 1),
        ("int8/k32/e8m0", 127.0, 0),
        ("int8/k32/e8m0:rceil", 127.5, 1),
        ("int4/k32/e8m0", 7.9, 0),
        ("nf4/k32/e8m0", 1.0, 0),
        ("nf4/k32/e8m0:rceil", 1.1, 1),
    ],
)
def test_power_of_two_rules_for_other_elements(spec: str, amax: float, expected: int) -> None:
    assert exponent(amax, spec) == expected


@pytest.mark.parametrize(
    ("amax", "spec", "expected"),
    [
        (FLT_MAX, "e1m2/k32/e8m0", 127),
        (FLT_MAX, "e1m2/k32/e8m0:ceil", 127),  # wants 128
        (2.0**-149, "e2m1/k32/e8m0", -127),  # wants -151
        (2.0**-126, "e2m1/k32/e8m0", -127),
        (2.0**-124, "e2m1/k32/e8m0", -126),
        (2.0**-149, "e2m1/k32/e8m0:rceil", -127),
    ],
)
def test_clamp_to_the_range_of_e8m0(amax: float, spec: str, expected: int) -> None:
    assert exponent(amax, spec) == expected


def test_subnormal_blocks_are_exact() -> None:
    """amax 2^-127 has scale 2^-127 (clamped): multiples of 2^-128 are elements times the scale."""
    block = [2.0**-127, 2.0**-128, 1.5 * 2.0**-127, 2.0**-149]
    quantized = reference.quantize(block, "mxfp4")
    assert quantized.scales == [0] and quantized.values == [2.0**-127, 2.0**-128, 1.5 * 2.0**-127, 0.0]
    block = [2.0**-125, 3 * 2.0**-127, 2.0**-128, -(2.0**-129)]
    assert reference.qdq(block, "mxfp4") == [2.0**-125, 3 * 2.0**-127, 2.0**-128, 0.0]
    assert reference.quantize([2.0**-149], "e5m2/k32/e8m0").values == [0.0], "2^-22 of the grid; its step is 2^-16"
    assert reference.quantize([2.0**-143], "e5m2/k32/e8m0").values == [2.0**-143]


def test_one_level_float_scales() -> None:
    """e2m1/k16/ue4m3: target = fl(amax / 6), rounded to the scale's grid; elements are divided by the rounded scale."""
    quantized = reference.quantize([1.0, 0.5, -0.17], "e2m1/k16/ue4m3")
    scale = 0.171875  # 1/6 = 0.1667 lies between 0.15625 and 0.171875
    assert quantized.scales == [format("e2m1/k16/ue4m3").scale.encode(scale)]  # pyright: ignore[reportOptionalMemberAccess]
    assert quantized.values == [6 * scale, 3 * scale, -scale]
    below = reference.quantize([0.95, 0.5], "e2m1/k16/ue4m3")  # 0.15833 rounds down to 0.15625
    above = reference.quantize([0.95, 0.5], "e2m1/k16/ue4m3:ceil")
    assert below.values[0] == 6 * 0.15625 and above.values[0] == 6 * 0.171875
    assert reference.quantize([1e6, 1.0], "e2m1/k16/ue4m3").values == [6 * 448.0, 0.0], "the scale saturates"


def test_binary32_scales() -> None:
    """e4m3/tensor/f32: s = fl(amax / 448) is itself the stored scale, given as its bit pattern."""
    quantized = reference.quantize([3.0, -1.0, 0.013], "fp8_e4m3")
    scale = from_bits(quantized.scales[0])
    assert scale == fl(Fraction(3) / 448)
    assert quantized.codes == [0x7E, 0x80 | format("fp8_e4m3").element.encode(144.0), 0x40]
    assert quantized.values[0] == fl(Fraction(scale) * 448)
    zero = reference.quantize([0.0, -0.0], "fp8_e4m3")
    assert zero.scales == [0] and zero.codes == [0, 0x80] and str(zero.values) == "[0.0, -0.0]"
    tiny = reference.quantize([2.0**-149, -(2.0**-149)], "fp8_e4m3")  # amax / 448 underflows: the block is zero
    assert tiny.scales == [0] and tiny.codes == [0, 0x80] and str(tiny.values) == "[0.0, -0.0]"


@pytest.mark.parametrize(
    ("spec", "scale", "codes"),
    [
        ("e2m1/k16/ue4m3", 0.0, [0, 8]),
        ("e2m1/k16/ue4m3/scale_floor=one", 1.0, [0, 8]),
        ("e2m1/k16/ue4m3/scale_floor=min_normal", 2.0**-6, [0, 8]),
        ("e2m1/k16/ue4m3/arithmetic=torchao", 2.0**-6, [0, 8]),
        ("e2m1/k16/ue4m3/arithmetic=torchao/scale_floor=zero", 0.0, [0, 8]),
        ("e2m1/k16/ue5m3", 2.0**-13 * 1.375, [7, 15]),
        ("e2m1/k16/ue5m3/scale_floor=min_normal", 2.0**-13 * 1.375, [7, 15]),
    ],
)
def test_scale_floor(spec: str, scale: float, codes: list[int]) -> None:
    """amax / 6 = 2^-12.58, below half the smallest UE4M3 number 2^-9 but inside UE5M3."""
    quantized = reference.quantize([0.001, -0.001], spec)
    element = format(spec).scale
    assert element is not None and element.decode(quantized.scales[0]) == scale
    assert quantized.codes == codes


def test_scale_floor_of_blocks_of_zeros() -> None:
    for spec, code in (
        ("e2m1/k16/ue4m3", 0),
        ("e2m1/k16/ue4m3/scale_floor=one", 56),
        ("e2m1/k16/ue4m3/scale_floor=min_normal", 8),
        ("nvfp4", 0),
        ("mxfp4", 0),
        ("fp8_e4m3_row", 0),
    ):
        quantized = reference.quantize([0.0, -0.0], spec)
        assert quantized.scales == [code] and quantized.codes[0] == 0 and quantized.values == [0.0, 0.0], spec


def test_two_levels_step_by_step() -> None:
    """The contract's formulas for one block with amax 6 in a tensor with A = 2688: g = 1, s = 1, enc = 1, t = 1."""
    x = [6.0, 5.0, -0.25] + [0.0] * 13 + [2688.0] + [0.0] * 15
    quantized = reference.quantize(x, "nvfp4")
    assert quantized.tensor_scale == 1.0
    assert [format("nvfp4").scale.decode(code) for code in quantized.scales] == [1.0, 448.0]  # pyright: ignore[reportOptionalMemberAccess]
    assert quantized.values == [6.0, 4.0, -0.0] + [0.0] * 13 + [2688.0] + [0.0] * 15


def test_block_far_below_the_tensor_is_zero() -> None:
    """Contract §10, row 9. The codes are the largest, as in TransformerEngine: its factor is clamped to FLT_MAX."""
    x = [2688.0] + [0.0] * 15 + [1e-3, -1e-3, 0.0, -0.0] + [0.0] * 12
    quantized = reference.quantize(x, "nvfp4")
    assert quantized.scales == [126, 0]
    assert str(quantized.values[16:20]) == "[0.0, -0.0, 0.0, -0.0]"
    assert quantized.codes[16:20] == [7, 15, 0, 8]
    floored = reference.quantize(x, "nvfp4").values != reference.qdq(x, format("nvfp4").replace(arithmetic="torchao"))
    assert not floored, "1e-3 is below half of 0.5 × 2^-6, so torchao's floor makes no difference to the values here"
    x[16] = 0.01
    assert reference.qdq(x, format("nvfp4").replace(arithmetic="torchao"))[16] == 2.0**-7
    assert reference.qdq(x, "nvfp4")[16] != 2.0**-7


def test_the_tensor_target_bounds_block_scales() -> None:
    """S = 256 with an amax that is too small: s = 256, although 448 exists; t = 1 / 1536, so 6 × 256 × t = 1."""
    quantized = reference.quantize([100.0, 0.5], "e2m1/k16/ue4m3/ts256", tensor_amax=1.0)
    assert quantized.scales == [0x78] and quantized.values == [1.0, 0.5]


def test_tensor_amax_and_static_scale() -> None:
    x = [1.0, -2.0, 0.3] + [0.0] * 29
    whole = reference.quantize([*x, 77.0], "nvfp4")
    piece = reference.quantize(x, "nvfp4", tensor_amax=77.0)
    assert piece.codes == whole.codes[:32] and piece.scales == whole.scales[:2]
    assert piece.tensor_scale == whole.tensor_scale == fl(Fraction(77) / 2688)
    static = reference.quantize(x, "nvfp4", tensor_scale=piece.tensor_scale)
    assert static.tensor_scale == piece.tensor_scale
    unit = reference.quantize(x, "nvfp4", tensor_scale=1.0)
    assert unit.values[:2] == [3 * 0.34375, -6 * 0.34375], "s = q(2 / 6) = 0.34375; 1 / s = 2.9 and 2 / s = 5.8"


@pytest.mark.parametrize("arithmetic", ["transformer_engine", "torchao", "divide"])
def test_tensors_of_zeros_and_of_tiny_numbers(arithmetic: str) -> None:
    """A = 0, or so small that g = 2688 / A overflows: g is clamped to FLT_MAX and t = fl(1 / g), never zero."""
    fmt = format("nvfp4").replace(arithmetic=arithmetic)
    clamped = 2.0**-128
    assert fl(1 / Fraction(FLT_MAX)) == clamped
    zeros = reference.quantize([0.0, -0.0], fmt)
    assert str(zeros.values) == "[0.0, -0.0]" and zeros.codes == [0, 8] and zeros.tensor_scale == clamped
    tiny = reference.quantize([2.0**-128, -(2.0**-149), 0.0], fmt)
    assert tiny.tensor_scale == clamped
    element = 6 if arithmetic == "divide" else 1  # the clamped inverse scale makes y = 2^-128 × FLT_MAX of 1 / 0.171875
    assert tiny.values == [element * 0.171875 * clamped, 0.0, 0.0]


@pytest.mark.parametrize("arithmetic", ["transformer_engine", "torchao", "divide"])
def test_large_tensors(arithmetic: str) -> None:
    values = reference.qdq([FLT_MAX, -FLT_MAX / 3, 1.0], format("nvfp4").replace(arithmetic=arithmetic))
    tensor_scale = np.float32(FLT_MAX) / np.float32(2688)
    assert values == [float(np.float32(2688) * tensor_scale), -float(np.float32(896) * tensor_scale), 0.0]


def test_the_three_arithmetics_agree_but_for_the_last_bits() -> None:
    """About 0.03% of codes differ (contract §4): at most one of 64 here, and no scale."""
    x = [((37 * i) % 64 - 31.5) * 1.02**i for i in range(64)]
    results = [reference.quantize(x, format("nvfp4").replace(arithmetic=a)) for a in ("transformer_engine", "divide")]
    assert results[0].scales == results[1].scales
    differing = sum(a != b for a, b in zip(results[0].codes, results[1].codes, strict=True))
    assert differing <= 1
