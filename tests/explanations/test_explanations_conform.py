"""Every format, explained, against the oracle on the whole tensor and against the kernels, bit for bit."""

import json
import struct
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from format_cases import ALL_FORMATS, CASTS, REGISTERED
from oracle_arrays import bit_patterns, narrow, oracle, scale_codes

import lowbit as lb
from lowbit.explanations import Explanation
from lowbit.explanations.numbers import bits_text
from lowbit.formats import format as find_format
from lowbit.testing.hostile_inputs import hostile_tensors

NAMES = (*ALL_FORMATS, *CASTS)
MODES = (
    "nearest_away",
    "toward_zero",
    "toward_positive",
    "toward_negative",
    "to_odd",
    *(lb.Stochastic(bits=bits, rule=rule) for bits in (8, 16, 32) for rule in lb.StochasticRule),
)


def places(x: np.ndarray, rng: np.random.Generator, count: int) -> list[tuple[int, ...]]:
    """Some indices of a tensor: its corners, its largest magnitude, and others."""
    corners = [(0,) * x.ndim, tuple(length - 1 for length in x.shape)]
    largest = np.unravel_index(int(np.nan_to_num(np.abs(x.astype(np.float32)), posinf=0).argmax()), x.shape)
    others = [tuple(int(rng.integers(0, length)) for length in x.shape) for _ in range(count)]
    return [*corners, tuple(int(place) for place in largest), *others]


def same(value: float, expected: Any) -> bool:
    """Equal by bits, any NaN equal to any other."""
    return bits_text(value) == bits_text(float(expected))


def check_steps(e: Explanation) -> None:
    """The steps end in the fields, and text and JSON can be made of them."""
    if e.scale_word is not None:
        assert e.step("word").value == e.scale_word
        assert e.index in set(e.members()) if len(list(e.members())) < 5000 else True
    codes = [step for step in e.steps if step.symbol == "code"]
    assert all(step.value == e.code for step in codes)
    assert same(e.step("value", "value").value, e.exact_value)  # type: ignore[arg-type]
    assert max(map(len, str(e).splitlines())) <= 100
    data = json.loads(e.to_json())
    assert data["code"] == e.code and len(data["steps"]) == len(e.steps)
    assert "<table>" in e._repr_html_()


def check(x: np.ndarray, name: str, indices: list[tuple[int, ...]], **arguments: Any) -> None:
    """Explanations of `x` at these indices equal the oracle's codes, words and values of the whole tensor."""
    expected = oracle(x, name, **arguments)
    values = narrow(expected.values, x.dtype)
    for index in indices:
        e = lb.explain(x, name, index, **arguments)
        assert e.code == expected.codes[index], (name, index)
        assert same(e.value, values[index]), (name, index, e.value, values[index])
        assert same(e.exact_value, expected.values[index])
        if expected.scales is not None:
            assert e.scale_word == expected.scales[e.block_index], (name, index)
        assert (e.tensor_scale is None) == (expected.tensor_scale is None)
        assert e.tensor_scale is None or e.tensor_scale == expected.tensor_scale
        check_steps(e)


@pytest.mark.parametrize(
    "name", [name if name in REGISTERED else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_every_format_equals_the_oracle(name: str) -> None:
    rng = np.random.default_rng(crc32(name.encode()))
    seed: dict[str, Any] = {"seed": 11} if find_format(name).needs_seed else {}
    for number, x in enumerate(hostile_tensors(name, rng, size=240)):
        kind = ("float32", "bfloat16", "float16")[number % 3]
        if kind != "float32":
            x = next(iter(hostile_tensors(name, rng, kind, size=100)))
        check(x, name, places(x, rng, 2), **seed)


@pytest.mark.parametrize("name", NAMES)
def test_every_format_equals_the_kernels(name: str) -> None:
    rng = np.random.default_rng(crc32(name.encode()) + 1)
    seed: dict[str, Any] = {"seed": 11} if find_format(name).needs_seed else {}
    for x in hostile_tensors(name, rng, size=200):
        block = find_format(name).block
        turned: dict[str, Any] = {"axis": (1, 0) if block is not None and block.is_tile else 0}
        for array, arguments in ((x, seed), (x.T, turned | seed)):
            values, q = lb.qdq(array, name, **arguments), lb.quantize(array, name, **arguments)
            for index in places(array, rng, 1):
                e = lb.explain(array, name, index, **arguments)
                assert e.code == q.codes[index]
                assert same(e.value, values[index])
                if q.scales is not None:
                    assert e.scale_word == scale_codes(q.scales)[e.block_index]


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "mxint8", "nf4", "fp8_e4m3_row", "bf16", "e5m2", "int4_g32"])
def test_every_rounding_mode(name: str, mode: Any) -> None:
    rng = np.random.default_rng(5)
    random: dict[str, Any] = {"seed": 2**40 + 3, "stream": 9, "offset": 1000} if isinstance(mode, lb.Stochastic) else {}
    for x in list(hostile_tensors(name, rng, size=160))[::2]:
        check(x, name, places(x, rng, 3), rounding=mode, **random)


def test_adaptive_formats_in_stochastic_rounding() -> None:
    rng = np.random.default_rng(6)
    for name in (
        "e2m1/k16/ue4m3/ts448/alternatives=e2m1@4",
        "e2m1/k32/e8m0/peak=extra_mantissa",
        "e1m2/k64/e8m0/micro_exponents=8+4",
        "uint4/k16/f32/zero_point=integer",
        "e2m1/k16/ue4m3/ts256/correction=eden/correction_group=64",
        "e2m1/k32/e8m0/sparsity=2:4",
    ):
        for x in list(hostile_tensors(name, rng, size=160))[:4]:
            check(x, name, places(x, rng, 3), rounding="stochastic", seed=3)


@pytest.mark.parametrize("arguments", [{"tensor_amax": 3.3}, {"tensor_scale": 0.1}, {"tensor_amax": 0.0}])
@pytest.mark.parametrize(
    "name", ["nvfp4", "e2m1/k16/ue4m3/ts/arithmetic=torchao", "e2m1/k16/ue4m3/ts/arithmetic=divide"]
)
def test_given_tensor_scales(name: str, arguments: dict[str, float], rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 40)).astype(np.float32)
    check(x, name, places(x, rng, 3), **arguments)


def test_a_shard_draws_the_bits_of_the_whole(rng: np.random.Generator) -> None:
    whole = rng.standard_normal((8, 64)).astype(np.float32)
    arguments: dict[str, Any] = {"rounding": "stochastic", "seed": 4, "tensor_amax": float(np.abs(whole).max())}
    e = lb.explain(whole, "nvfp4", (5, 35), **arguments)
    shard = lb.explain(whole[4:, 32:], "nvfp4", (1, 3), origin=(4, 32), global_shape=(8, 64), **arguments)
    piece = lb.explain(whole[4:], "nvfp4", (1, 35), offset=4 * 64, **arguments)
    assert e.step("words").value == shard.step("words").value == piece.step("words").value
    assert e.code == shard.code == piece.code and e.value == shard.value == piece.value


def test_binary32_steps_show_the_bits_of_their_values(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 32)).astype(np.float32)
    for step in lb.explain(x, "nvfp4", (1, 5)).steps:
        if step.bits.startswith("0x") and step.symbol not in ("word", "r"):
            assert struct.unpack(">f", bytes.fromhex(step.bits[2:]))[0] == step.value
    assert bit_patterns(x)[1, 5] == int(lb.explain(x, "nvfp4", (1, 5)).step("x").bits, 16)


def test_a_shard_of_corrected_scales(rng: np.random.Generator) -> None:
    whole = rng.standard_normal((8, 64)).astype(np.float32)
    arguments: dict[str, Any] = {"seed": 4, "tensor_amax": float(np.abs(whole).max())}
    e = lb.explain(whole, "nvfp4_eden", (5, 35), **arguments)
    shard = lb.explain(whole[4:, 32:], "nvfp4_eden", (1, 3), origin=(4, 32), global_shape=(8, 64), **arguments)
    assert e.step("n", "corrected").value == shard.step("n", "corrected").value == 5 * 4 + 2
    assert e.scale_word == shard.scale_word and e.value == shard.value
    with pytest.raises(lb.errors.ArgumentError, match="origin"):
        lb.explain(whole[4:], "nvfp4_eden", (1, 35), offset=256, **arguments)
