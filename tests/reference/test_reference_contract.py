"""The contract's table of disagreements (§10) and its clauses on zeros, bad input and decoding (§2, §8), row by row."""

from math import inf, isnan, nan, nextafter

import numpy as np
import pytest
from format_cases import REGISTERED

from lowbit import reference
from lowbit.errors import FormatError, NonfiniteError, ShapeError
from lowbit.formats import BlockFormat, FloatElement, format
from lowbit.reference.binary32 import FLT_MAX

BELOW_8 = 8 - 2.0**-21  # nextafter(8, 0) in binary32
CASTS = ("bf16", "fp16", "tf32")
BLOCKED = tuple(name for name in REGISTERED if format(name).scale is not None)


def test_float_log2_is_not_used() -> None:
    assert float(np.nextafter(np.float32(8), np.float32(0))) == BELOW_8
    assert reference.qdq([BELOW_8, 1.0], "mxfp4") == [6.0, 1.0]


def test_ties_go_to_even() -> None:
    assert reference.qdq([5.0, 2.5, 0.25, 7.99], "mxfp4") == [4.0, 2.0, 0.0, 6.0]


def test_tiny_blocks_are_exact() -> None:
    for exponent in (-125, -126, -127):
        power = 2.0**exponent
        assert reference.qdq([power, -power, power / 2], "mxfp4") == [power, -power, power / 2]


def test_the_largest_float32() -> None:
    expected = 6 * 2.0**125
    assert expected == pytest.approx(2.552e38, rel=1e-3)
    assert reference.qdq([FLT_MAX, -FLT_MAX, 2.0**126], "mxfp4") == [expected, -expected, 2.0**126]
    assert reference.qdq([FLT_MAX, -FLT_MAX], "e2m1/k32/e8m0:ceil") == [inf, -inf], "4 × 2^126 overflows as in IEEE"


@pytest.mark.parametrize("name", [name for name in BLOCKED if format(name).has_nan])
@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_block_with_nan_or_infinity_is_nan(name: str, bad: float) -> None:
    fmt = format(name)
    quantized = reference.quantize([[1.0, bad, -0.0, 3.0]], fmt)
    assert quantized.codes == [[0, 0, 0, 0]] and all(isnan(value) for value in quantized.values[0])
    (scale,) = quantized.scales[0]
    assert fmt.scale is not None and isnan(fmt.scale.decode(scale))
    assert quantized.tensor_scale is None or quantized.tensor_scale == reference.quantize([[3.0]], fmt).tensor_scale


def test_bad_numbers_stay_in_their_block() -> None:
    x = [nan, *[1.0] * 31, *[2.0] * 32]
    values = reference.qdq(x, "mxfp4")
    assert all(isnan(value) for value in values[:32]) and values[32:] == [2.0] * 32
    assert reference.quantize(x, "mxfp4").scales == [255, 126]


@pytest.mark.parametrize("name", REGISTERED)
def test_signed_zeros(name: str) -> None:
    fmt = format(name)
    element = fmt.element
    wanted = "[0.0, -0.0, 0.0]" if element.has_negative_zero else "[0.0, 0.0, 0.0]"
    zeros = reference.quantize([[0.0, -0.0, 0.0]], fmt)
    assert str(zeros.values[0]) == wanted
    plus_zero = 7 if name == "nf4" else 0
    minus_zero = 1 << (element.bits - 1) if element.has_negative_zero else plus_zero
    assert zeros.codes == [[plus_zero, minus_zero, plus_zero]]
    if fmt.scale is not None:
        assert zeros.scales == [[0]]
    beside = reference.quantize([[0.0, -0.0, 0.0, 8.0]], fmt)
    assert str(beside.values[0][:3]) == wanted and beside.codes[0][1] == minus_zero


def test_small_negative_numbers_become_minus_zero() -> None:
    assert str(reference.qdq([-0.1, 6.0], "mxfp4")) == "[-0.0, 6.0]"
    assert str(reference.qdq([-0.004, 1.0], "mxint8")) == "[0.0, 1.0]", "two's complement has one zero"


def test_decoding_rounds_after_each_product() -> None:
    """fl(fl(element × block scale) × tensor scale), with overflow to infinity and gradual underflow."""
    assert reference.dequantize([7, 15], [126], "nvfp4", tensor_scale=2.0**120) == [inf, -inf]
    assert reference.dequantize([1, 7], [1], "nvfp4", tensor_scale=2.0**-140) == [0.0, 6 * 2.0**-149]
    third = float(np.float32(1) / np.float32(3))
    expected = np.float32(1.5) * np.float32(0.875) * np.float32(third)
    ue4m3 = format("nvfp4").scale
    assert ue4m3 is not None
    code = ue4m3.encode(0.875)
    assert reference.dequantize([3], [code], "nvfp4", tensor_scale=third) == [float(expected)]
    assert all(isnan(v) for v in reference.dequantize([0, 7], [127], "nvfp4", tensor_scale=1.0))
    assert all(isnan(v) for v in reference.dequantize([0, 7], [255], "mxfp4"))


@pytest.mark.parametrize("name", REGISTERED)
def test_dequantize_of_quantize_gives_the_values(name: str) -> None:
    x = [[(-1.3) ** (i + j) * (i - 2.5) for j in range(21)] for i in range(5)]
    quantized = reference.quantize(x, name)
    again = reference.dequantize(quantized.codes, quantized.scales, name, tensor_scale=quantized.tensor_scale)
    assert again == quantized.values == reference.qdq(x, name)


@pytest.mark.parametrize("name", CASTS)
def test_casts(name: str) -> None:
    values = reference.qdq([1.0009765625, -0.0, inf, -inf, nan, 3.4e38, 1e-45], name)
    assert values[0] == {"bf16": 1.0, "fp16": 1.0009765625, "tf32": 1.0009765625}[name]
    assert str(values[1]) == "-0.0" and values[2:4] == [inf, -inf] and isnan(values[4])
    assert values[5] == {"bf16": inf, "fp16": inf, "tf32": 2046 * 2.0**117}[name], "3.4e38 is 1.99829 × 2^127"
    assert values[6] == 0.0
    assert reference.quantize([1.0, -2.0], name).scales is None


def test_casts_to_small_elements_saturate() -> None:
    assert reference.qdq([1e9, -inf, 449.0], "e4m3") == [448.0, -448.0, 448.0]
    assert isnan(reference.qdq([nan], "e4m3")[0])
    overflowing = format("e4m3").replace(overflow="inf_nan")
    assert isnan(reference.qdq([1e9], overflowing)[0]) and reference.qdq([449.0], overflowing) == [448.0]
    assert reference.qdq([-1e9, 61439.0], format("e5m2").replace(overflow="inf_nan")) == [-inf, 57344.0]


def test_formats_without_nan_refuse_bad_numbers_with_the_position() -> None:
    for bad in (nan, inf):
        with pytest.raises(NonfiniteError, match=r"at \(1, 0\): e2m1 has no NaN"):
            reference.quantize([[1.0, 2.0], [bad, nan]], "e2m1")
    finite = FloatElement(name="u", exponent_bits=4, mantissa_bits=3, bias=7, signed=False)
    fmt = BlockFormat(element=format("e2m1").element, block=format("mxfp4").block, scale=finite)
    with pytest.raises(NonfiniteError, match=r"at \(2,\)"):
        reference.quantize([0.0, 1.0, -inf], fmt)


def test_dequantize_checks_its_input() -> None:
    with pytest.raises(ShapeError, match=r"one word a block: \(1,\)"):
        reference.dequantize([1, 2], [1, 2], "mxfp4")
    with pytest.raises(FormatError, match="code 16"):
        reference.dequantize([16], [1], "mxfp4")


def test_float64_numbers_are_rounded_once() -> None:
    """Only the oracle takes them (contract §0): 2.5 + 2^-40 is above the tie that its binary32 neighbour is on."""
    assert reference.qdq([2.5 + 2.0**-40, 4.0], "mxfp4") == [3.0, 4.0]
    assert reference.qdq([nextafter(5.0, 6.0), 4.0], "mxfp4") == [6.0, 4.0]
