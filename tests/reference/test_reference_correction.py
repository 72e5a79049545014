"""Corrected scales and sparsity: contract §12 by hand, and against the same formulas in binary64."""

from bisect import bisect_right
from math import inf, isnan, nan

import pytest

from lowbit import formats, reference
from lowbit.errors import ArgumentError

EDEN = "e2m1/k2/ue4m3/correction=eden/correction_group=4"
X = [6.0, 5.0, 3.0, 1.0]
"""Scales 1 and 1/2; elements 6, 4 (a tie) and 6, 2: <x,x> = 71 and <x,q> = 66 over the group of four."""

SCALES = formats.element("ue4m3").values()


def expected_scale(exact: float, block: int, seed: int, stream: int) -> float:
    """`exact` rounded up with the probability of its place in the gap, by 32 bits of Philox4x32-10, midpoint rule."""
    index = bisect_right(SCALES, exact) - 1
    low, high = SCALES[index : index + 2]
    counter = (block // 4, 0, stream ^ 0x80000000, 0)
    random = reference.philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))[block % 4]
    return high if (exact - low) / (high - low) + (2 * random + 1) / 2**33 >= 1 else low


@pytest.mark.parametrize("seed", [0, 1, 2, 77, 2**33 + 5, 2**64 - 1])
@pytest.mark.parametrize("stream", [0, 9])
def test_eden_by_hand(seed: int, stream: int) -> None:
    quantized = reference.quantize([X, X], EDEN, seed=seed, stream=stream)
    assert quantized.codes == [[7, 6, 7, 4]] * 2  # elements stay
    ratio = 71 / 66
    for row in range(2):
        scales = [formats.element("ue4m3").decode(code) for code in quantized.scales[row]]
        assert scales[0] == expected_scale(1.0 * ratio, 2 * row, seed, stream)
        assert scales[1] == expected_scale(0.5 * ratio, 2 * row + 1, seed, stream)
        assert quantized.values[row] == [6 * scales[0], 4 * scales[0], 6 * scales[1], 2 * scales[1]]
    assert [block.ratio for block in quantized.blocks] == [ratio] * 4


def test_eden_is_right_on_average() -> None:
    """The mean scale over seeds is 71/66 within four standard deviations of a Bernoulli draw."""
    draws = [reference.quantize(X, EDEN, seed=seed).scales[0] == (7 << 3) + 1 for seed in range(400)]
    probability = (71 / 66 - 1) * 8  # 1 or 1.125
    assert abs(sum(draws) / 400 - probability) < 4 * (probability * (1 - probability) / 400) ** 0.5


def test_eden_groups_by_default_are_blocks_and_run_along_the_axis() -> None:
    alone = reference.quantize(X, "e2m1/k2/ue4m3/correction=eden", seed=1)
    assert [block.ratio for block in alone.blocks] == [61 / 56, 1.0]
    column = reference.quantize([[x, 0.0] for x in X], EDEN, axis=0, seed=3)
    assert [block.ratio for block in column.blocks] == [71 / 66, 1.0, 71 / 66, 1.0]  # zeros have no ratio of their own
    ragged = reference.quantize([*X, 6.0, 5.0], EDEN, seed=3)
    assert ragged.blocks[2].ratio == 61 / 56


def test_eden_leaves_out_blocks_with_nan() -> None:
    quantized = reference.quantize([6.0, 5.0, inf, 1.0], EDEN, seed=1)
    assert quantized.scales[1] == 127 and isnan(quantized.values[3])
    assert quantized.blocks[0].ratio == 61 / 56
    assert reference.quantize([nan, 1.0], EDEN, seed=1).scales == [127]


def test_eden_saturates_at_the_largest_scale() -> None:
    x = [448.0 * 6, 448.0 * 5]
    assert {reference.quantize(x, EDEN, seed=seed).scales[0] for seed in range(20)} == {126}


def test_eden_with_two_levels_uses_decoded_values() -> None:
    """A = 6 with S = 256: t = 1/256, the block scale 256 stands for 1 and the ratio is that of X."""
    quantized = reference.quantize(X[:2] + [0.0] * 14, "e2m1/k16/ue4m3/ts256/correction=eden", seed=5)
    assert quantized.blocks[0].ratio == 61 / 56
    exact = 256 * (61 / 56)
    assert formats.element("ue4m3").decode(quantized.scales[0]) == expected_scale(exact, 0, 5, 0)


def test_eden_with_stochastic_elements() -> None:
    """Elements take their own bits (no XOR), scales theirs; the ratio is that of the elements drawn."""
    quantized = reference.quantize(X, EDEN, seed=11, rounding="stochastic")
    plain = reference.quantize(X, "e2m1/k2/ue4m3", seed=11, rounding="stochastic")
    assert quantized.codes == plain.codes
    ratio = sum(x * x for x in X) / sum(x * q for x, q in zip(X, plain.values, strict=True))
    assert quantized.blocks[0].ratio == ratio


def test_eden_needs_a_seed_and_the_whole_tensor() -> None:
    with pytest.raises(ArgumentError, match="seed"):
        reference.qdq(X, EDEN)
    with pytest.raises(ArgumentError, match="offset"):
        reference.qdq(X, EDEN, seed=1, offset=4)
    with pytest.raises(ArgumentError, match="no effect"):
        reference.qdq(X, "e2m1/k2/ue4m3", seed=1)


@pytest.mark.parametrize(
    ("x", "kept"),
    [
        ([1.0, -3.0, 2.0, 3.0], [0.0, -3.0, 0.0, 3.0]),
        ([2.0, -2.0, 2.0, 1.0], [2.0, -2.0, 0.0, 0.0]),  # of equals the earlier stay
        ([1.0, 2.0, 3.0, 4.0, -0.5, 0.25], [0.0, 0.0, 3.0, 4.0, -0.5, 0.25]),  # a short run keeps both
        ([-1.0, -2.0, -3.0, -4.0], [0.0, 0.0, -3.0, -4.0]),
    ],
)
def test_two_of_four(x: list[float], kept: list[float]) -> None:
    assert str(reference.qdq(x, "bf16/k8/f32/sparsity=2:4/target_max=1")) == str(
        reference.qdq(kept, "bf16/k8/f32/target_max=1")
    )


def test_sparsity_runs_along_the_axis_and_not_along_blocks() -> None:
    x = [[4.0, 1.0], [3.0, 2.0], [2.0, 4.0]]
    assert reference.qdq(x, "e2m1/k2/e8m0/sparsity=1:2") == [[4.0, 0.0], [3.0, 0.0], [0.0, 4.0]]
    assert reference.qdq(x, "e2m1/k2/e8m0/sparsity=1:3", axis=0) == [[4.0, 0.0], [0.0, 0.0], [0.0, 4.0]]
    assert reference.qdq([4.0, 1.0, 2.0, 3.0], "e2m1/k3/e8m0/sparsity=1:2") == [4.0, 0.0, 0.0, 3.0]


def test_sparsity_keeps_nan_before_infinity_before_numbers() -> None:
    spec = "e2m1/k4/e8m0/sparsity=1:4"
    assert [isnan(value) for value in reference.qdq([nan, inf, 5.0, 1.0], spec)] == [True] * 4
    assert reference.quantize([5.0, -inf, 1.0, 0.0], spec).scales == [255]
    assert reference.quantize([[4.0, 1.0], [8.0, 1.0]], "e2m1/k2/ue4m3/ts/sparsity=1:2").tensor_scale == pytest.approx(
        8 / (448 * 6)
    )
