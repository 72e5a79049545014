"""Properties that hold for every format, on inputs that hypothesis draws as bit patterns.

HYPOTHESIS_PROFILE=thorough gives each property 10,000 examples: some minutes in all.
"""

from bisect import bisect_left
from fractions import Fraction
from typing import Any

import numpy as np
from example_counts import everyday
from format_cases import ALL_FORMATS, CASTS
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle_arrays import bit_patterns

import lowbit as lb
from lowbit.formats import BlockFormat, Codebook, IntElement, Overflow
from lowbit.formats import format as find_format

FLT_MAX = float(np.finfo(np.float32).max)

NOT_FROM_AMAX = {"statistic", "target_max", "scale_domain", "alternatives", "select", "peak", "micro_exponents"}
NOT_FROM_AMAX |= {"zero_point", "correction", "sparsity"}
"""Options of formats whose blocks follow from more than their largest magnitude: not all properties hold for them."""

EVERY = [find_format(name) for name in (*ALL_FORMATS, *CASTS)]
FORMATS = [
    fmt for fmt in EVERY if not NOT_FROM_AMAX & fmt.options().keys() and (fmt.scale is None or fmt.scale.has_nan)
]
BLOCKED = [fmt for fmt in FORMATS if fmt.block is not None and not fmt.block.is_tensor]
CAST = [fmt for fmt in FORMATS if fmt.block is None]
POWER_OF_TWO = [fmt for fmt in BLOCKED if fmt.is_power_of_two_scale]
RUNS = [fmt for fmt in BLOCKED if fmt.block is not None and not fmt.block.is_tile]
ONE_LEVEL = [fmt for fmt in RUNS if fmt.tensor_target is None and fmt.block is not None and not fmt.block.is_row]
ROOM = 2.0**40
"""Inside [1/ROOM, ROOM] nothing underflows or overflows a scale of 8 bits."""


def formats(choices: list[BlockFormat]) -> st.SearchStrategy[BlockFormat]:
    """One of the formats."""
    return st.sampled_from(choices)


@st.composite
def tensors(draw: st.DrawFn, *, low: int = -149, high: int = 127, rows: int = 3, columns: int = 40) -> np.ndarray:
    """Float32 arrays of up to rows x columns: random significands, exponents within a window inside low..high."""
    shape = (draw(st.integers(1, rows)), draw(st.integers(1, columns)))
    bottom = draw(st.integers(low, high))
    top = draw(st.integers(bottom, min(high, bottom + draw(st.sampled_from((1, 4, 12, 60))))))
    seed = draw(st.integers(0, 2**32 - 1))
    significant = draw(st.sampled_from((1, 2, 3, 5, 10, 24)))
    generator = np.random.default_rng(seed)
    whole = generator.integers(1 << (significant - 1), 1 << significant, shape).astype(np.float64)
    magnitude = whole * 2.0 ** (generator.integers(bottom, top + 1, shape) - significant + 1.0)
    signs = generator.choice(np.array([-1.0, 1.0, -1.0, 1.0, 0.0, -0.0]), shape)
    return np.clip(magnitude * signs, -FLT_MAX, FLT_MAX).astype(np.float32)


def qdq(x: np.ndarray, fmt: BlockFormat, **arguments: Any) -> np.ndarray:
    """Fake quantization; two-level formats with a fixed tensor amax so that rows do not depend on each other."""
    if fmt.tensor_target is not None:
        arguments.setdefault("tensor_amax", float(np.abs(x).max(initial=0)))
    return lb.qdq(x, fmt, **arguments)


def mirrored(fmt: BlockFormat) -> bool:
    """Whether the element has the negative of each of its values."""
    values = fmt.element.values()
    return values == tuple(-value + 0.0 for value in reversed(values))


def gap_around(y: Fraction, grid: list[Fraction]) -> Fraction:
    """The distance of the neighbours between which a number inside the grid lies."""
    above = bisect_left(grid, y, lo=1)
    return grid[above] - grid[above - 1]


@given(tensors(), formats(CAST))
def test_casts_are_idempotent(x: np.ndarray, fmt: BlockFormat) -> None:
    once = lb.qdq(x, fmt)
    assume(bool(np.isfinite(once).all()))
    assert np.array_equal(bit_patterns(lb.qdq(once, fmt)), bit_patterns(once))


@given(tensors(low=-40, high=40), formats([fmt for fmt in POWER_OF_TWO if fmt.overflow is Overflow.SATURATE]))
def test_power_of_two_scales_are_idempotent(x: np.ndarray, fmt: BlockFormat) -> None:
    """Fake-quantized values are exact under every later scale that the same rule can choose for them.

    The rules ceil, rceil and even may give the rounded block another scale, but one under which it is still exact
    where it is larger; where it is smaller the values have fewer digits than the grid. Two passes settle everything.
    So does floor with integers that use the code -2^(N-1): a largest magnitude that rounds to it has another exponent.
    """
    twice = lb.qdq(lb.qdq(x, fmt), fmt)
    assert np.array_equal(bit_patterns(lb.qdq(twice, fmt)), bit_patterns(twice))
    reaches_further = fmt.element.min < -fmt.element.max
    if str(fmt.scale_rule) == "floor" and not isinstance(fmt.element, Codebook) and not reaches_further:
        assert np.array_equal(bit_patterns(twice), bit_patterns(lb.qdq(x, fmt)))


@given(tensors(columns=64), formats(CAST))
def test_casts_are_monotone(x: np.ndarray, fmt: BlockFormat) -> None:
    ordered = np.sort(x.reshape(-1))
    rounded = lb.qdq(ordered, fmt)
    assume(not np.isnan(rounded).any())
    assert (rounded[1:] >= rounded[:-1]).all()


@given(tensors(rows=1, columns=64), formats(BLOCKED))
def test_members_of_a_block_keep_their_order(x: np.ndarray, fmt: BlockFormat) -> None:
    """Within a block larger numbers never become smaller ones."""
    assert fmt.block is not None
    width = fmt.block.sizes[-1] or x.size
    block = np.sort(x.reshape(-1)[:width])[None]
    rounded = qdq(block, fmt)[0]
    assume(not np.isnan(rounded).any())
    assert (rounded[1:] >= rounded[:-1]).all()


@given(tensors(), formats([fmt for fmt in FORMATS if mirrored(fmt)]))
def test_negation_commutes(x: np.ndarray, fmt: BlockFormat) -> None:
    """Ties go to the even code, whatever the sign; signs of zero flip where the element has -0."""
    assume(not (isinstance(fmt.element, Codebook)))  # codes are indices: an even index may mirror to an odd one
    negated, direct = qdq(-x, fmt), -qdq(x, fmt)
    if not fmt.element.has_negative_zero:
        negated, direct = negated + np.float32(0), direct + np.float32(0)
    assert np.array_equal(bit_patterns(negated), bit_patterns(direct))


@given(tensors(low=-20, high=20), formats(POWER_OF_TWO), st.integers(-40, 40))
def test_powers_of_two_pass_through(x: np.ndarray, fmt: BlockFormat, exponent: int) -> None:
    """Multiplying by a power of two commutes with MX quantization, bit for bit, inside the range of scales."""
    scaled = np.ldexp(x, exponent)
    assert np.array_equal(bit_patterns(qdq(scaled, fmt)), bit_patterns(np.ldexp(qdq(x, fmt), exponent)))


@given(tensors(low=-20, high=20), st.integers(-30, 30), formats([fmt for fmt in BLOCKED if fmt.is_float32_scale]))
def test_powers_of_two_pass_through_binary32_scales(x: np.ndarray, exponent: int, fmt: BlockFormat) -> None:
    scaled = np.ldexp(x, exponent)
    assert np.array_equal(bit_patterns(qdq(scaled, fmt)), bit_patterns(np.ldexp(qdq(x, fmt), exponent)))


@everyday(60)
@given(tensors(low=-30, high=30, rows=2, columns=24), formats([f for f in RUNS if f.overflow is Overflow.SATURATE]))
def test_errors_are_at_most_half_a_step_unless_saturated(x: np.ndarray, fmt: BlockFormat) -> None:
    """Exactly, with the scale that was stored: |value - x| <= half the gap of the neighbours around x / scale.

    For float scales y = fl(x / s) may itself be off by half a unit of binary32, which moves a tie: hence the slack.
    """
    arguments: dict[str, Any] = {"tensor_scale": 1.0} if fmt.tensor_target is not None else {}
    q = lb.quantize(x, fmt, **arguments)
    grid = [Fraction(value) for value in fmt.element.values()]
    slack = Fraction(0) if fmt.is_power_of_two_scale else Fraction(1, 2**21)
    assert fmt.scale is not None and fmt.block is not None
    width = fmt.block.sizes[-1] or x.shape[1]
    for (row, column), value in np.ndenumerate(x):
        stored = q.scales[row, column // width].item()
        scale = Fraction(stored if fmt.is_float32_scale else fmt.scale.decode(int(stored)))
        element = Fraction(fmt.element.decode(int(q.codes[row, column])))
        if scale == 0:
            continue
        y = Fraction(float(value)) / scale
        if y >= grid[-1] or y <= grid[0]:
            edge = grid[-1] if y >= grid[-1] else grid[0]
            assert element == edge, "beyond the grid: saturated"
            continue
        gap = gap_around(y, grid)
        assert abs(element - y) <= gap / 2 + slack * (abs(y) + gap)


@everyday(60)
@given(tensors(), formats(CAST))
def test_casts_err_by_at_most_half_a_step(x: np.ndarray, fmt: BlockFormat) -> None:
    assume(fmt.element.bits <= 9)
    grid = [Fraction(value) for value in fmt.element.values()]
    for value, rounded in zip(x.reshape(-1)[:24].tolist(), lb.qdq(x, fmt).reshape(-1)[:24].tolist(), strict=True):
        y = Fraction(value)
        if grid[0] <= y <= grid[-1]:
            gap = gap_around(y, grid)
            assert abs(Fraction(rounded) - y) <= gap / 2
        elif fmt.overflow is Overflow.SATURATE:
            assert Fraction(rounded) == (grid[-1] if y > 0 else grid[0])


@given(tensors(rows=2, columns=120), formats(RUNS), st.data())
def test_blocks_are_independent(x: np.ndarray, fmt: BlockFormat, data: st.DataObject) -> None:
    """Changing one block leaves all others as they were (two levels: with the same tensor amax)."""
    assert fmt.block is not None
    width = fmt.block.sizes[-1] or x.shape[1]
    arguments: dict[str, Any] = {"tensor_amax": 3.0} if fmt.tensor_target is not None else {}
    row, block = data.draw(st.integers(0, x.shape[0] - 1)), data.draw(st.integers(0, (x.shape[1] - 1) // width))
    changed = x.copy()
    replacement = data.draw(st.sampled_from((0.0, 1e30, -1e-30, float("nan")) if fmt.has_nan else (0.0, 1e30, -1e-30)))
    changed[row, block * width : (block + 1) * width] = np.float32(replacement)
    before, after = bit_patterns(lb.qdq(x, fmt, **arguments)), bit_patterns(lb.qdq(changed, fmt, **arguments))
    kept = np.ones(x.shape, bool)
    kept[row, block * width : (block + 1) * width] = False
    assert np.array_equal(before[kept], after[kept])


@given(
    tensors(rows=8, columns=30),
    formats([f for f in EVERY if f.block is not None and len(f.block.sizes) == 1]),
    st.randoms(use_true_random=False),
)
def test_permuting_rows_commutes(x: np.ndarray, fmt: BlockFormat, random: Any) -> None:
    order = list(range(len(x)))
    random.shuffle(order)
    assert np.array_equal(bit_patterns(qdq(x[order], fmt)), bit_patterns(qdq(x, fmt)[order]))
    turned = qdq(np.ascontiguousarray(x[order].T), fmt, axis=0)
    assert np.array_equal(bit_patterns(turned.T), bit_patterns(qdq(x, fmt)[order]))


@given(tensors(rows=2, columns=60), formats(ONE_LEVEL))
def test_permuting_members_of_a_block_commutes(x: np.ndarray, fmt: BlockFormat) -> None:
    assert fmt.block is not None
    width = fmt.block.sizes[-1] or 1
    reversed_blocks = np.concatenate([x[:, i : i + width][:, ::-1] for i in range(0, x.shape[1], width)], axis=1)
    expected = lb.qdq(x, fmt)
    turned = np.concatenate([expected[:, i : i + width][:, ::-1] for i in range(0, x.shape[1], width)], axis=1)
    assert np.array_equal(bit_patterns(lb.qdq(reversed_blocks, fmt)), bit_patterns(turned))


@given(tensors(rows=2, columns=50), formats(ONE_LEVEL))
def test_a_ragged_tail_is_as_if_padded_with_zeros(x: np.ndarray, fmt: BlockFormat) -> None:
    assert fmt.block is not None
    width = fmt.block.sizes[-1] or 1
    padded = np.pad(x, ((0, 0), (0, -x.shape[1] % min(width, 512))))
    assert np.array_equal(bit_patterns(lb.qdq(padded, fmt)[:, : x.shape[1]]), bit_patterns(lb.qdq(x, fmt)))


@given(tensors(), formats(EVERY))
def test_storing_and_loading_is_fake_quantization(x: np.ndarray, fmt: BlockFormat) -> None:
    if isinstance(fmt.element, IntElement) and not fmt.element.signed:
        x = np.abs(x)
    q = lb.quantize(x, fmt)
    assert np.array_equal(bit_patterns(q.dequantize()), bit_patterns(lb.qdq(x, fmt)))


@given(
    tensors(low=-30, high=30, rows=1, columns=32), formats([f for f in POWER_OF_TWO if str(f.scale_rule) == "rceil"])
)
def test_rceil_never_saturates(x: np.ndarray, fmt: BlockFormat) -> None:
    """The largest member is at most the grid's largest value times the scale (contract §3)."""
    q = lb.quantize(x, fmt)
    assert fmt.block is not None
    width = fmt.block.sizes[-1] or x.shape[1]
    for block in range(q.scales.shape[1]):
        amax = float(np.abs(x[0, block * width : (block + 1) * width]).max())
        scale = 2.0 ** (int(q.scales[0, block]) - 127)
        assert amax <= fmt.element.max * scale
        assert amax == 0 or amax > fmt.element.max * scale / 2
