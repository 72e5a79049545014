"""Hypothesis strategies: formats, spec text, rounding settings, and tensors that hurt.

They need hypothesis, which comes with the extra `test`: importing this module without it raises UnsupportedError.
Everything shrinks towards plain things: registered formats, nearest_even, zeros, one axis, contiguous memory.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lowbit.errors import LowbitError, UnsupportedError
from lowbit.formats import BlockFormat, Hadamard, Rounding, Stochastic, StochasticRule, list_formats
from lowbit.formats import format as find_format
from lowbit.testing.expected import single
from lowbit.testing.frames import quiet_anchor, quiet_level, settle
from lowbit.testing.hostile_inputs import dtype_of
from lowbit.testing.numbers import FLT_MAX, few, nearest, shifted

try:
    from hypothesis import reject
    from hypothesis import strategies as st
except ImportError:
    raise UnsupportedError("lowbit.testing.strategies needs hypothesis: install lowbit[test]") from None

RULES = ("floor", "even", "ceil", "rceil", "nearest", "mse")
OPTIONS = (
    "scale_floor=one",
    "scale_floor=min_normal",
    "arithmetic=divide",
    "arithmetic=torchao",
    "scale_domain=encode",
    "statistic=rms",
    "overflow=inf_nan",
    "target_max=5",
    "select=mae/alternatives=e2m1@4",
    "alternatives=int4",
    "peak=extra_mantissa",
    "sparsity=2:4",
)
SPECIALS = (2.0**-149, 2.0**-126, 2.0**-127, 1e-30, 2.0**127, FLT_MAX)


def elements() -> st.SearchStrategy[str]:
    """Spec text of elements of up to 8 bits: floats of every split, integers, posits, logarithms, small codebooks."""
    floats = st.tuples(st.integers(1, 6), st.integers(0, 6)).filter(lambda split: 2 <= sum(split) <= 7)
    integers = st.integers(2, 8).flatmap(lambda bits: st.sampled_from([f"int{bits}", f"uint{bits}", f"int{bits}f1"]))
    books = st.lists(st.integers(-16, 16), min_size=2, max_size=9, unique=True).map(sorted)
    return st.one_of(
        st.sampled_from(["e2m1", "e4m3", "e5m2", "e2m3", "e3m2", "int8f6", "nf4"]),
        floats.map(lambda split: f"e{split[0]}m{split[1]}"),
        integers,
        st.sampled_from(["posit8es1", "posit6es2", "log6f2", "hif8", "binary8p4", "e4m3fnuz", "e3m0", "halfint4"]),
        books.map(lambda values: "{" + ",".join(str(value / 4) for value in values) + "}"),
    )


@st.composite
def spec_texts(draw: st.DrawFn, *, casts: bool = True) -> str:
    """Spec text of valid formats: elements with and (`casts`) without blocks, scales, levels and options."""
    parts = [draw(elements())]
    if not casts or draw(st.booleans()):
        runs = st.integers(1, 40).map(lambda size: f"k{size}")
        tiles = st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda sides: f"k{sides[0]}x{sides[1]}")
        parts.append(draw(st.one_of(st.sampled_from(["k32", "k16"]), runs, tiles, st.sampled_from(["row", "tensor"]))))
        powers = st.sampled_from(["e8m0", *(f"e8m0:{rule}" for rule in RULES)])
        parts.append(draw(st.one_of(powers, st.sampled_from(["ue4m3", "ue5m3", "f32", "bf16", "ue5m3:ceil"]))))
        if parts[-1] in ("ue4m3", "ue5m3") and draw(st.booleans()):
            parts.append("ts")
    elif parts[0].startswith(("nf", "{")):
        parts.append("cast")
    options = draw(st.lists(st.sampled_from(OPTIONS), max_size=1))
    text = "/".join(parts + options)
    try:
        find_format(text)
    except LowbitError:
        reject()  # options that this format has no place for
    return text


def formats() -> st.SearchStrategy[BlockFormat]:
    """Registered formats, and formats that only a user would write; none that draws its scales."""
    registered = [fmt for name in list_formats() if not (fmt := find_format(name)).needs_seed]
    return st.one_of(st.sampled_from(registered), spec_texts().map(find_format))


def block_formats() -> st.SearchStrategy[BlockFormat]:
    """Formats with blocks."""
    registered = [fmt for name in list_formats() if not (fmt := find_format(name)).needs_seed and fmt.block]
    return st.one_of(st.sampled_from(registered), spec_texts(casts=False).map(find_format))


@st.composite
def roundings(draw: st.DrawFn) -> dict[str, Any]:
    """The arguments `rounding`, `seed` and `stream` of a call; stochastic modes of every rule and width."""
    modes = [mode for mode in Rounding if mode is not Rounding.STOCHASTIC]
    widths, rules = st.sampled_from((32, 16, 8)), st.sampled_from(list(StochasticRule))
    drawn = st.builds(lambda bits, rule: Stochastic(bits=bits, rule=rule), widths, rules)
    rounding = draw(st.one_of(st.sampled_from(modes), drawn))
    if not isinstance(rounding, Stochastic):
        return {"rounding": rounding}
    return {"rounding": rounding, "seed": draw(seeds()), "stream": draw(st.sampled_from((0, 1, 2**32 - 1)))}


def seeds() -> st.SearchStrategy[int]:
    """Seeds of up to 64 bits."""
    return st.integers(0, 2**64 - 1)


def hadamards(sizes: Sequence[int] = (2, 4, 16, 32, 12, 20)) -> st.SearchStrategy[Hadamard]:
    """Rotations of these sizes, without signs or with signs from a seed."""
    return st.builds(Hadamard, st.sampled_from(list(sizes)), st.one_of(st.none(), seeds()))


def numbers(fmt: BlockFormat) -> st.SearchStrategy[float]:
    """Binary32 numbers that matter to a format: values, midpoints and their neighbours, at several scales; ±0, ends.

    Every one is finite.
    """
    pool: list[float] = [0.0, -0.0]
    for scale in (1.0, 2.0**-3, 2.0**6, 2.0**-120, 2.0**100) if fmt.scale is not None else (1.0,):
        frame = settle(fmt, quiet_anchor(fmt, scale), quiet_level(fmt))
        points = [Fraction(value) for value in few(frame.values, 24)] + frame.midpoints(24)
        near = [nearest(y * Fraction(scale)) for y in points] + list(frame.anchor)
        pool += [number for x in near for number in (x, shifted(x, 1), shifted(x, -1), -x)]
    pool += [sign * x for x in map(nearest, SPECIALS) for sign in (1, -1)]
    return st.sampled_from(pool)


@st.composite
def shapes(draw: st.DrawFn, *, max_axes: int = 3, max_size: int = 120) -> tuple[int, ...]:
    """Shapes of one to `max_axes` axes and at most `max_size` elements, empty ones too."""
    shape: list[int] = []
    for _ in range(draw(st.integers(1, max_axes))):
        shape.append(draw(st.integers(0, max(1, max_size // max(int(np.prod(shape)), 1)))))
    return tuple(shape)


@st.composite
def tensors(
    draw: st.DrawFn,
    fmt: BlockFormat,
    *,
    shape: tuple[int, ...] | None = None,
    dtype: str = "float32",
    nonfinite: bool = False,
    strided: bool = True,
) -> np.ndarray:
    """Arrays whose numbers are those of `numbers(fmt)`; long ones repeat a drawn pattern.

    dtype: float32, float16 or bfloat16, narrowed. nonfinite: some NaN and infinities, where the format can hold them.
    strided: views of every kind of strides as well. Tiles get two axes at least.
    """
    fewest = 2 if fmt.block is not None and fmt.block.is_tile else 1
    shape = draw(shapes().filter(lambda sides: len(sides) >= fewest)) if shape is None else shape
    count = int(np.prod(shape))
    pattern = draw(st.lists(numbers(fmt), min_size=min(count, 1), max_size=min(count, 48)))
    flat = np.resize(single(pattern), count) if pattern else np.zeros(count, np.float32)
    if nonfinite and fmt.has_nan and count and draw(st.booleans()):
        place = draw(st.integers(0, count - 1))
        flat[place] = draw(st.sampled_from((np.nan, np.inf, -np.inf)))
    with np.errstate(over="ignore"):
        x = np.clip(flat, *_ends(dtype)).astype(np.float32).reshape(shape).astype(dtype_of(dtype))
    return draw(layouts(x)) if strided else x


def _ends(dtype: str) -> tuple[float, float]:
    largest = {"float32": FLT_MAX, "float16": 65504.0, "bfloat16": 3.3895e38}[dtype]
    return -largest, largest


@st.composite
def layouts(draw: st.DrawFn, x: np.ndarray) -> np.ndarray:
    """The same numbers in memory of other strides: as they are, transposed, skipping, backwards, or inside more."""
    kind = draw(st.sampled_from(("plain", "fortran", "skipping", "backwards", "inside")))
    if kind == "plain" or x.ndim == 0:
        return x
    if kind == "fortran":
        return np.asfortranarray(x)
    axis = draw(st.integers(0, x.ndim - 1))
    if kind == "backwards":
        return np.flip(np.flip(x, axis).copy(), axis)
    around = list(x.shape)
    around[axis] = 2 * around[axis] if kind == "skipping" else around[axis] + 3
    memory = np.full(around, 7, x.dtype)
    part: list[slice] = [slice(None)] * x.ndim
    part[axis] = slice(None, None, 2) if kind == "skipping" else slice(2, 2 + x.shape[axis])
    view = memory[tuple(part)]
    view[...] = x
    return view
