"""Choices between candidates by hand: errors, ties, selectors and the order of additions (contract §4 and §12)."""

from math import nan

import numpy as np
import pytest

from lowbit import reference
from lowbit.errors import FormatError

BIG, BIG_SQUARED = 7.0 * 4096, 2.0**24
"""With scale 2^12 a BIG element saturates at 6 · 4096: d = 4096, d² = 2^24. A 1 there becomes 0: d² = 1."""


def chosen(x: list[float], spec: str) -> int:
    """Which candidate the only block of x took."""
    (block,) = reference.quantize(x, spec).blocks
    return block.chosen


@pytest.mark.parametrize(
    ("x", "select", "exponent"),
    [
        ([7.0, 7.0], "mse", 1),  # 6, 6 or 8, 8: a tie goes to the larger exponent
        ([7.5, 7.5], "mse", 1),
        ([6.5, 0.5], "mse", 0),  # 6, 0.5 against 6, 0
        ([6.5, 1.0], "mse", 1),  # 6, 1 with both
        ([7.125, 1.5], "mse", 1),  # squares 1.27 against 0.77 + 0.25
        ([7.125, 1.5], "mae", 0),  # 1.125 against 0.875 + 0.5
        ([6.0, 1.5], "mse", 0),
    ],
)
def test_rule_mse(x: list[float], select: str, exponent: int) -> None:
    spec = f"e2m1/k2/e8m0:mse/select={select}"
    assert reference.quantize(x, spec).scales == [127 + exponent]


def test_rule_mse_of_zeros_and_at_the_clamp() -> None:
    assert reference.quantize([0.0, -0.0], "e2m1/k2/e8m0:mse").scales == [0]
    assert reference.quantize([2.0**-149, 0.0], "e2m1/k2/e8m0:mse").scales == [0]  # both exponents clamp to -127
    assert reference.quantize([nan, 0.0], "e2m1/k2/e8m0:mse").scales == [255]


def test_four_over_six_by_hand() -> None:
    spec = "e2m1/k2/f32/alternatives=e2m1@4"
    quantized = reference.quantize([8.0, 6.0], spec)  # scale 2 holds both; with 8/6 they become 8 and 5.33
    assert quantized.values == [8.0, 6.0] and quantized.blocks[0].chosen == 1
    assert quantized.scales == [int(np.float32(2).view(np.uint32))]  # nothing but the scale is stored
    assert chosen([6.0, 1.0], spec) == 0  # exact with 6
    assert chosen([12.0, 8.0], spec) == chosen([0.0, 0.0], spec) == 0  # ties: the first


def test_the_winner_is_rounded_as_asked() -> None:
    spec = "e2m1/k3/f32/alternatives=e2m1@4"
    assert reference.qdq([8.0, 6.0, 0.9], spec) == [8.0, 6.0, 1.0]
    assert reference.qdq([8.0, 6.0, 0.9], spec, rounding="toward_zero") == [8.0, 6.0, 0.0]


@pytest.mark.parametrize(
    ("column", "error"),
    [
        ([BIG, 1.0, 0.0, 1.0], BIG_SQUARED + 2),  # rows 0+2 and 1+3: the ones meet first
        ([BIG, 1.0, 1.0, 0.0], BIG_SQUARED),
        ([0.0, BIG, 1.0, 1.0, 0.0], BIG_SQUARED + 2),  # five rows: (0+3)+2 and 1+4
        ([0.0, BIG, 0.0, 1.0, 1.0], BIG_SQUARED),
    ],
)
def test_rows_of_a_tile_add_pairwise(column: list[float], error: float) -> None:
    spec = "e2m1/k8x1/e8m0/alternatives=e2m1@4"
    for x, axis in (([[v] for v in column], (0, 1)), ([column], (1, 0))):
        (block,) = reference.quantize(x, spec, axis=axis).blocks
        assert block.candidates[0].error == error


def test_a_row_adds_left_to_right() -> None:
    for spec in ("e2m1/k4/e8m0/alternatives=e2m1@4", "e2m1/k1x4/e8m0/alternatives=e2m1@4"):
        for row, error in (([BIG, 1.0, 0.0, 1.0], BIG_SQUARED), ([1.0, 0.0, 1.0, BIG], BIG_SQUARED + 2)):
            (block,) = reference.quantize([row], spec).blocks
            assert block.candidates[0].error == error


def test_selectors_lie_above_the_scale_code() -> None:
    quantized = reference.quantize([7.0, -5.0], "e2m1/k2/ue4m3/alternatives=int4")  # int4 with scale 1 is exact
    assert (quantized.codes, quantized.scales, quantized.values) == ([7, 11], [(7 << 3) | 1 << 7], [7.0, -5.0])
    assert reference.quantize([6.0, 0.5], "e2m1/k2/ue4m3/alternatives=int4").scales == [7 << 3]
    wide = reference.quantize([7.0, -5.0], "e2m1/k2/f32/alternatives=int4")
    assert wide.scales == [int(np.float32(1).view(np.uint32)) | 1 << 32]
    assert reference.quantize([nan, 1.0], "e2m1/k2/ue4m3/alternatives=int4").scales == [127]


def test_zero_blocks_take_the_first_candidate() -> None:
    """Even where the element has no zero and a later one is nearer to it."""
    assert reference.quantize([0.0, 0.0], "{-3,-1,1,2}/k2/ue4m3/alternatives={-1,0,0.5,1}").scales == [0]


def test_words_that_name_no_candidate_are_refused() -> None:
    spec = "e2m1/k2/e8m0/alternatives=int4+e1m2"
    values = reference.dequantize([2, 2], [127 | 2 << 8], spec)
    assert values == [0.5, 0.5]
    for word in (127 | 3 << 8, 127 | 4 << 8, -1):
        with pytest.raises(FormatError):
            reference.dequantize([2, 2], [word], spec)


def test_two_levels_with_different_elements_compare_decoded_values() -> None:
    """A = 7 · 448: base = fl(amax/6) · g with g = 6/7, so candidates have scales 448 and 384 (6/7 of it)."""
    x = [7.0 * 448, 5.0 * 448] + [0.0] * 14
    (block,) = reference.quantize(x, "e2m1/k16/ue4m3/ts448/alternatives=int4").blocks
    assert [candidate.scale.value for candidate in block.candidates] == [448.0, 384.0]
    assert block.candidates[0].error == pytest.approx((4 * 448 * 7 / 6 - 5 * 448) ** 2, rel=1e-5)
    assert block.candidates[1].error == pytest.approx(0.0, abs=1e-3) and block.side == 1
