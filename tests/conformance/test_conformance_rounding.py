"""Every rounding mode of every format against the oracle: hostile inputs, midpoints, thresholds of random numbers."""

from typing import Any
from zlib import crc32

import numpy as np
import pytest
from conforming import conform, generator
from format_cases import ALL_FORMATS, CASTS, SMALL_ELEMENTS
from golden_vectors import gfloat_cases
from oracle_arrays import assert_same, oracle
from rounding_modes import DETERMINISTIC, OTHERS, STOCHASTIC, draws, near_thresholds

import lowbit as lb
from lowbit import reference
from lowbit.formats import BlockFormat, Codebook, Element, Rounding, Stochastic
from lowbit.formats.elements import element_text
from lowbit.testing.hostile_inputs import critical_numbers, hostile_tensors

NAMES = (*ALL_FORMATS, *CASTS)
WIDE_CASTS = ("bf16", "fp16", "tf32", "e8m7/overflow=saturate", "e5m10/overflow=saturate", "e8m2", "int16/row/f32")


def some_modes(name: str) -> list[Any]:
    """Every deterministic mode and every stochastic rule, its number of bits depending on the format's name."""
    chosen = [mode for i, mode in enumerate(STOCHASTIC) if i % 3 == (crc32(name.encode()) + i // 3) % 3]
    return [*DETERMINISTIC[1:], *chosen]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_inputs_in_every_mode(name: str) -> None:
    for number, mode in enumerate(some_modes(name)):
        dtype = ("float32", "bfloat16", "float32", "float16")[number % 4]
        for x in hostile_tensors(name, generator(name, dtype, number + 3), dtype, 60):
            arguments = {"rounding": mode, **draws(mode, offset=number * 1000)}
            conform(x, name, oracle(x, name, **arguments), **arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_hostile_inputs_in_every_mode(name: str) -> None:
    for number, mode in enumerate(OTHERS):
        for dtype in ("float32", "bfloat16", "float16"):
            for x in hostile_tensors(name, generator(name, dtype, number + 50), dtype, 500):
                arguments = {"rounding": mode, **draws(mode)}
                conform(x, name, oracle(x, name, **arguments), **arguments)


@pytest.mark.parametrize("scale", [2.0**-149, 2.0**-20, 0.1, 2.0**120])
@pytest.mark.parametrize("name", [n for n in ALL_FORMATS if lb.format(n).tensor_target is not None])
def test_static_tensor_scales_in_every_mode(name: str, scale: float) -> None:
    for mode in some_modes(name):
        for x in hostile_tensors(name, generator(name, "static"), size=40):
            arguments = {"rounding": mode, "tensor_scale": scale, **draws(mode)}
            conform(x, name, oracle(x, name, **arguments), **arguments)


def rounded(numbers: np.ndarray, e: Element, mode: str | Stochastic, random: np.ndarray | None = None) -> np.ndarray:
    """The oracle's values of numbers, one by one."""
    if isinstance(mode, Stochastic):
        assert random is not None
        pairs = zip(numbers.tolist(), random.tolist(), strict=True)
        values = [reference.round(y, e, mode.rule.value, bits=mode.bits, random=r) for y, r in pairs]
    else:
        values = [reference.round(y, e, mode) for y in numbers.tolist()]
    return np.array(values, np.float32)


@pytest.mark.parametrize("mode", DETERMINISTIC[1:])
@pytest.mark.parametrize("e", SMALL_ELEMENTS, ids=element_text)
def test_every_midpoint_and_its_neighbours(e: Element, mode: str) -> None:
    """Every value, every midpoint, the binary32 numbers beside them, as a cast and in blocks of scale one."""
    x = critical_numbers(e)
    if len(x) > 600:
        x = x[np.sort(np.random.default_rng(len(x)).permutation(len(x))[:600])]
    cast = BlockFormat(element=e)
    expected = rounded(x, e, mode)
    assert_same(lb.qdq(x, cast, rounding=mode), expected, x, mode)
    assert_same(lb.quantize(x, cast, rounding=mode).dequantize(), expected, x, mode)
    inside = x[np.abs(x) <= np.float32(e.max)]
    block = np.concatenate([np.full(1, e.max, np.float32), inside])
    got = lb.qdq(block, f"{element_text(e)}/k{len(block)}/e8m0", rounding=mode)
    assert_same(got[1:], rounded(inside, e, mode), inside, f"block, {mode}")


@pytest.mark.parametrize("e", SMALL_ELEMENTS, ids=element_text)
def test_thresholds_of_the_random_numbers(e: Element, rng: np.random.Generator) -> None:
    """Numbers at exactly the distance where their own random integer makes them go up, and right beside it."""
    for mode in STOCHASTIC:
        arguments: dict[str, Any] = {"rounding": mode, "seed": 5, "offset": 1000}
        random = lb.random_bits(160, bits=mode.bits, seed=5, offset=1000)
        x = near_thresholds(e, random, mode.bits, rng)
        expected = rounded(x, e, mode, random)
        assert_same(lb.qdq(x, BlockFormat(element=e), **arguments), expected, x, f"cast, {mode}")
        x[0] = e.max
        expected[0] = e.max
        np.clip(x, -np.float32(e.max), np.float32(e.max), out=x)
        expected = rounded(x, e, mode, random)
        assert_same(lb.qdq(x, f"{element_text(e)}/k160/e8m0", **arguments), expected, x, f"block, {mode}")
        q = lb.quantize(x, f"{element_text(e)}/k160/e8m0", **arguments)
        assert_same(q.dequantize(), expected, x, f"codes, {mode}")


@pytest.mark.parametrize("mode", OTHERS, ids=str)
def test_wide_elements(mode: Any, rng: np.random.Generator) -> None:
    """Formats whose grids are too large to visit: random patterns, ties and largest numbers."""
    for name in WIDE_CASTS:
        bits = rng.integers(0, 1 << 32, 400, dtype=np.uint64).astype(np.uint32)
        ties = (bits[:100] >> 13 << 13) + np.uint32(1 << 12)
        tops = (np.array([65504, 65519.996, 65520, 65536, 1e6, 3.3895e38, 3.4e38], np.float32)).view(np.uint32)
        x = np.concatenate([bits, ties, ties - 1, ties + 1, tops, tops | np.uint32(1 << 31)]).view(np.float32)
        x = x[np.isfinite(x)] if lb.format(name).scale is not None else x
        arguments = {"rounding": mode, **draws(mode)}
        conform(x, name, oracle(x, name, **arguments), **arguments)


def test_golden_values_of_gfloat() -> None:
    """gfloat's stochastic rounding of every number that binary32 has, at an index that draws the bits it was given."""
    seen = 0
    for case in gfloat_cases():
        if case.random is None:
            x = case.numbers.astype(np.float32)
            exact = x == case.numbers
            got = lb.qdq(x[exact], BlockFormat(element=lb.element(case.element)), rounding=case.rounding)
            assert np.array_equal(got, case.expected[exact].astype(np.float32)), case.key
            continue
        if case.bits not in (8, 16):
            continue
        table = lb.random_bits(1 << 12 if case.bits == 8 else 1 << 20, bits=case.bits, seed=3)
        where = np.full(1 << case.bits, -1)
        where[table] = np.arange(len(table))
        fmt = BlockFormat(element=lb.element(case.element))
        mode = Stochastic(bits=case.bits, rule=lb.StochasticRule(case.rounding))
        for number, r, expected in zip(case.numbers[::5], case.random[::5], case.expected[::5], strict=True):
            x = np.array([number], np.float32)
            if x[0] == number and where[r] >= 0:
                got = lb.qdq(x, fmt, rounding=mode, seed=3, offset=int(where[r]))[0]
                assert got == expected and np.signbit(got) == np.signbit(expected), (case.key, number, r)
                seen += 1
    assert seen > 10_000


def test_codebooks_that_straddle_zero() -> None:
    """Without a zero in the list, toward_zero takes the value nearest to zero (the lower of two), away the other."""
    e = lb.element("{-3,-1,1,4}")
    assert isinstance(e, Codebook)
    x = np.array([-0.5, 0.0, -0.0, 0.5, -2.0, 2.5, 3.9], np.float32)
    for mode, expected in (
        (Rounding.TOWARD_ZERO, [-1, -1, -1, -1, -1, 1, 1]),
        (Rounding.NEAREST_AWAY, [-1, 1, 1, 1, -3, 4, 4]),
        (Rounding.TOWARD_POSITIVE, [1, 1, 1, 1, -1, 4, 4]),
        (Rounding.TOWARD_NEGATIVE, [-1, -1, -1, -1, -3, 1, 1]),
    ):
        assert rounded(x, e, mode.value).tolist() == expected, mode
        assert lb.qdq(x, BlockFormat(element=e), rounding=mode).tolist() == expected, mode
