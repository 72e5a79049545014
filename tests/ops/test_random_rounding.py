"""Stochastic rounding depends on seed, stream and logical index alone: one test for everything else it might see."""

import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from oracle_arrays import assert_same, bit_patterns, widen
from torch.utils.checkpoint import checkpoint

import lowbit as lb
from lowbit import reference
from lowbit.errors import ArgumentError, UnsupportedError

SEED = 0xFEDCBA9876543210
BITS = (8, 16, 32)
FORMATS = ("mxfp4", "nvfp4", "mxint8", "fp8_e4m3_row", "nf4", "bf16", "e3m0/k32/e8m0", "e2m1/k5/ue5m3")


def arguments(bits: int = 8, **more: Any) -> dict[str, Any]:
    return {"rounding": lb.Stochastic(bits=bits), "seed": SEED, "stream": 11, **more}


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """Float32 (24, 70): rows end in a ragged block, and in the middle of a counter."""
    return (rng.standard_normal((24, 70)) * np.exp(rng.standard_normal((24, 1)))).astype(np.float32)


def fixed(fmt: str, x: np.ndarray) -> dict[str, Any]:
    """The tensor's amax where the format looks for one."""
    return {"tensor_amax": float(np.abs(x).max())} if lb.format(fmt).tensor_target is not None else {}


@pytest.mark.parametrize("bits", BITS)
def test_bits_are_those_of_the_oracle(bits: int) -> None:
    """Philox's known answer for counter and key zero, and the oracle's bits (which has all known answers) elsewhere."""
    words = (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    octets = b"".join(word.to_bytes(4, "little") for word in words)
    assert lb.random_bits(128 // bits, bits=bits, seed=0).astype(f"<u{bits // 8}").tobytes() == octets
    for offset in (0, 3, 1023, 2**33 + 5, (128 // bits << 32) - 1000, 2**64 - 3000):
        got = lb.random_bits(2900, bits=bits, seed=SEED, stream=2**32 - 1, offset=offset)
        assert got.dtype.itemsize == bits // 8
        for i in (*range(40), *range(1000, 1040), *range(2860, 2900)):
            assert got[i] == reference.random_bits(offset + i, bits=bits, seed=SEED, stream=2**32 - 1)


def test_bits_of_shapes() -> None:
    whole = lb.random_bits((6, 7, 50), bits=16, seed=1)
    assert np.array_equal(whole.reshape(-1), lb.random_bits(2100, bits=16, seed=1))
    shard = lb.random_bits((2, 3, 20), bits=16, seed=1, origin=(3, 1, 25), global_shape=(6, 7, 50))
    assert np.array_equal(shard, whole[3:5, 1:4, 25:45])
    assert lb.random_bits((), seed=1).shape == () and lb.random_bits((0, 3), seed=1).shape == (0, 3)
    wrongs: list[dict[str, Any]] = [{"bits": 7}, {"bits": 8, "seed": -1}, {"stream": 1 << 32}]
    for wrong in wrongs:
        with pytest.raises(ArgumentError):
            lb.random_bits(3, **{"seed": 1, **wrong})


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads(threads: int, rng: np.random.Generator) -> None:
    big = rng.standard_normal((700, 1111)).astype(np.float32)
    before = lb.get_num_threads()
    lb.set_num_threads(1)
    expected = {bits: lb.qdq(big, "mxfp4", **arguments(bits)) for bits in BITS}
    lb.set_num_threads(threads)
    try:
        for bits in BITS:
            assert np.array_equal(lb.qdq(big, "mxfp4", **arguments(bits)), expected[bits])
            assert np.array_equal(lb.quantize(big, "mxfp4", **arguments(bits)).dequantize(), expected[bits])
    finally:
        lb.set_num_threads(before)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("bits", BITS)
def test_strides_and_memory_order(fmt: str, bits: int, x: np.ndarray) -> None:
    cube = x.reshape(4, 6, 70)
    spread = np.zeros((4, 12, 210), np.float32)[:, ::2, ::3]
    spread[...] = cube
    views = [cube[::-1, :, ::-1].copy()[::-1, :, ::-1], spread]
    views += [
        np.ascontiguousarray(cube.transpose(o)).transpose(np.argsort(o)) for o in itertools.permutations(range(3))
    ]
    for axis in (0, 1, 2):
        expected = lb.qdq(cube, fmt, axis=axis, **arguments(bits, offset=5))
        codes = lb.quantize(cube, fmt, axis=axis, **arguments(bits, offset=5)).codes
        for view in views:
            assert_same(lb.qdq(view, fmt, axis=axis, **arguments(bits, offset=5)), expected, cube, fmt)
            q = lb.quantize(view, fmt, axis=axis, **arguments(bits, offset=5))
            assert np.array_equal(q.codes, codes)
            assert_same(q.dequantize(), expected, cube, fmt)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("fmt", ["e2m1", "e4m3", "int8", "{-4,-1,0,0.125,3}"])
def test_axes_of_one_static_scale(fmt: str, bits: int, x: np.ndarray) -> None:
    """With one scale for the whole tensor the codes along axis 0, along axis -1 and of the flat tensor are the same."""
    whole, draw = f"{fmt}/tensor/f32", arguments(bits, tensor_amax=7.0)
    flat = lb.quantize(x.reshape(-1), whole, **draw).codes.reshape(x.shape)
    for axis in (0, -1):
        assert np.array_equal(lb.quantize(x, whole, axis=axis, **draw).codes, flat)
    one = np.sign(x) * np.float32(1) + x * np.float32(0.01)  # block maxima that all give the same scale
    blocks = [lb.quantize(one, f"{fmt}/k8/e8m0", axis=axis, **arguments(bits)) for axis in (0, -1)]
    alone = lb.quantize(one.reshape(-1), f"{fmt}/k8/e8m0", **arguments(bits)).codes.reshape(x.shape)
    if len({*np.unique(blocks[0].scales), *np.unique(blocks[1].scales)}) == 1:
        assert np.array_equal(blocks[0].codes, blocks[1].codes) and np.array_equal(blocks[0].codes, alone)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("bits", BITS)
def test_pieces_by_offset(fmt: str, bits: int, x: np.ndarray) -> None:
    draw = arguments(bits, **fixed(fmt, x))
    whole = lb.qdq(x, fmt, **draw, offset=2**40 + 9)
    for cuts in ([1], [3, 4, 17], [*range(1, 24)]):
        bounds = [0, *cuts, 24]
        for first, last in itertools.pairwise(bounds):
            piece = lb.qdq(x[first:last], fmt, **draw, offset=2**40 + 9 + 70 * first)
            assert np.array_equal(bit_patterns(piece), bit_patterns(whole[first:last]))


@pytest.mark.parametrize("bits", BITS)
def test_shards_by_origin(bits: int, rng: np.random.Generator) -> None:
    cube = rng.standard_normal((4, 9, 128)).astype(np.float32)
    for fmt in ("mxfp4", "nvfp4_2d", "nf4", "bf16"):
        axis: Any = -1
        draw = arguments(bits, **fixed(fmt, cube))
        rows, columns = (9, 64) if fmt == "nvfp4_2d" else (4, 64)
        whole = lb.qdq(cube, fmt, axis=axis, **draw)
        for i, j, k in itertools.product(range(0, 4, 2), range(0, 9, rows), range(0, 128, columns)):
            part = (slice(i, i + 2), slice(j, j + rows), slice(k, k + columns))
            for shard in (cube[part], np.asfortranarray(cube[part])):
                got = lb.qdq(shard, fmt, axis=axis, **draw, origin=(i, j, k), global_shape=cube.shape)
                assert np.array_equal(bit_patterns(got), bit_patterns(whole[part]))
                as_arrays: dict[str, Any] = {"origin": [i, j, k], "global_shape": np.array(cube.shape)}
                q = lb.quantize(shard, fmt, axis=axis, **draw, **as_arrays)
                assert np.array_equal(bit_patterns(q.dequantize()), bit_patterns(whole[part]))


def test_shards_are_the_oracles(x: np.ndarray) -> None:
    draw = arguments(32, origin=(5, 100), global_shape=(2**20, 2**30))
    expected = np.array(reference.qdq(x.tolist(), "mxfp4", **draw), np.float32)
    assert_same(lb.qdq(x, "mxfp4", **draw), expected, x, "shard")


def test_offsets_near_the_last_index(x: np.ndarray) -> None:
    draw = arguments(8, offset=2**64 - x.size)
    assert_same(lb.qdq(x, "mxfp4", **draw), np.array(reference.qdq(x.tolist(), "mxfp4", **draw), np.float32), x, "last")
    with pytest.raises(ArgumentError, match="offset"):
        lb.qdq(x, "mxfp4", **arguments(8, offset=2**64 - x.size + 1))


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
def test_narrow_and_widened_tensors(dtype: Any, x: np.ndarray) -> None:
    narrow = x.astype(dtype)
    for fmt in FORMATS:
        for bits in BITS:
            a, b = lb.quantize(narrow, fmt, **arguments(bits)), lb.quantize(widen(narrow), fmt, **arguments(bits))
            assert np.array_equal(a.codes, b.codes)
            values = lb.qdq(narrow, fmt, **arguments(bits))
            assert_same(values, widen(b.dequantize()).astype(dtype), x, fmt)


@pytest.mark.parametrize("fmt", ["mxfp4", "nvfp4", "nf4"])
def test_torch_eager_compiled_and_numpy(fmt: str, x: np.ndarray) -> None:
    expected = lb.qdq(x, fmt, **arguments(8, offset=3))

    def fn(v: torch.Tensor, seed: Any) -> torch.Tensor:
        return lb.qdq(v * 1.0, fmt, rounding=lb.Stochastic(bits=8), seed=seed, stream=11, offset=3)

    torch._dynamo.reset()
    for tensor in (torch.from_numpy(x), torch.from_numpy(x).t().contiguous().t()):
        for seed in (SEED, torch.tensor(SEED, dtype=torch.uint64)):
            assert np.array_equal(fn(tensor, seed).numpy(), expected)
            compiled = torch.compile(fn, fullgraph=True, backend="aot_eager")
            assert np.array_equal(compiled(tensor, seed).numpy(), expected)
    q = lb.quantize(torch.from_numpy(x), fmt, **arguments(8, offset=torch.tensor(3)))
    assert np.array_equal(q.dequantize().numpy(), expected)
    out = torch.empty(x.shape)
    assert np.array_equal(lb.qdq(torch.from_numpy(x), fmt, out=out, **arguments(8, offset=3)).numpy(), expected)


def test_a_seed_in_a_tensor_does_not_compile_anew() -> None:
    graphs: list[Any] = []

    def backend(module: Any, inputs: Any) -> Any:
        graphs.append(module)
        return module

    torch._dynamo.reset()
    fn = torch.compile(lambda v, s: lb.qdq(v, "mxfp4", rounding="stochastic", seed=s), backend=backend, fullgraph=True)
    v = torch.linspace(-3, 3, 64)
    results = [fn(v, torch.tensor(seed)) for seed in range(5)]
    assert len(graphs) == 1 and not torch.equal(results[0], results[1])
    assert torch.equal(results[4], lb.qdq(v, "mxfp4", rounding="stochastic", seed=4))


@pytest.mark.parametrize("reentrant", [False, True])
def test_recomputation_gives_the_same_bits(reentrant: bool, x: np.ndarray) -> None:
    v = torch.from_numpy(x).requires_grad_()
    seen: list[torch.Tensor] = []

    def block(u: torch.Tensor) -> torch.Tensor:
        y = lb.qdq(u, "mxfp4", **arguments(8))
        seen.append(y.detach().clone())
        return y.square()

    checkpoint(block, v, use_reentrant=reentrant).sum().backward()
    assert len(seen) == 2 and torch.equal(seen[0], seen[1])
    assert v.grad is not None and torch.equal(v.grad, 2 * seen[0])


def test_vmap_needs_a_seed_for_each_sample() -> None:
    v, seeds = torch.randn(3, 40), torch.tensor([4, 5, 6])

    def one(sample: torch.Tensor, seed: Any) -> torch.Tensor:
        return lb.qdq(sample, "mxfp4", rounding="stochastic", seed=seed)

    expected = torch.stack([one(sample, int(seed)) for sample, seed in zip(v, seeds, strict=True)])
    assert torch.equal(torch.func.vmap(one)(v, seeds), expected)
    assert torch.equal(torch.func.vmap(one, in_dims=(None, 0))(v[0], seeds)[1], one(v[0], 5))
    with pytest.raises(UnsupportedError, match="seed"):
        torch.func.vmap(lambda sample: one(sample, 4))(v)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("rule", ["midpoint", "nearest_even", "nearest_odd"])
def test_means_are_unbiased(bits: int, rule: Any) -> None:
    """The number of ups at distance d is binomial: within 5 deviations of n d, and of half a unit of 2^-b."""
    n = 1 << 18
    for d in (0.5, 0.25, 0.1, 0.9, 0.003):
        x = np.full(n, 2 + d, np.float32)
        ups = int((lb.qdq(x, "e2m1", rounding=lb.Stochastic(bits=bits, rule=rule), seed=17) == 3).sum())
        assert abs(ups - n * d) <= 5 * (n * d * (1 - d)) ** 0.5 + n * 2.0 ** -(bits + 1), (d, ups)


def test_tiny_values_round_up_sometimes() -> None:
    n = 1 << 16
    x = np.full(n, 0.5 * 2.0**-8, np.float32)  # d = 2^-8 of the smallest value
    for bits in BITS:
        up = lb.qdq(x, "e2m1", rounding=lb.Stochastic(bits=bits), seed=1) != 0
        assert 0 < up.sum() < n / 100
    faint = np.full(n, 2.0**-60, np.float32)
    assert not lb.qdq(faint, "e2m1", rounding="stochastic", seed=1).any()


def test_seeds_and_streams_differ(x: np.ndarray) -> None:
    results = [
        lb.qdq(x, "mxfp4", rounding="stochastic", seed=seed, stream=stream)
        for seed, stream in ((1, 0), (2, 0), (1, 1), (1 + 2**32, 0))
    ]
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(results, 2))
    numpy_seed: Any = np.uint64(1)
    assert np.array_equal(results[0], lb.qdq(x, "mxfp4", rounding="stochastic", seed=numpy_seed, stream=np.int8(0)))
    assert np.array_equal(results[0], lb.qdq(x, "mxfp4", rounding=lb.Stochastic(bits=32, rule="midpoint"), seed=1))  # type: ignore[arg-type]
