"""Inputs that separate right from nearly right: ties and their neighbours, scale boundaries, extremes, specials.

Every block is built around a scale of the format: its members are grid values, midpoints and binary32 neighbours of
midpoints times that scale, its largest member lies on or next to a boundary between two scales.
"""

from collections.abc import Iterator

import numpy as np

from lowbit.errors import UnsupportedError
from lowbit.formats import BlockFormat, Element, ScaleFloor
from lowbit.formats import format as find_format
from lowbit.testing.expected import narrow

FLT_MAX = float(np.finfo(np.float32).max)
SPECIAL_MEMBERS = (0.0, -0.0, 2.0**-149, -(2.0**-149), 2.0**-126, 2.0**-127, 1e-30, -1e-20)
NONFINITE = (np.nan, np.inf, -np.inf)
EXPONENTS = {"float32": (-149, 127), "bfloat16": (-133, 127), "float16": (-24, 15)}
"""Exponents of the smallest subnormal and of the largest number."""


def dtype_of(name: str) -> np.dtype:
    """The numpy dtype of a name in EXPONENTS. UnsupportedError where bfloat16 needs ml_dtypes, which is not there."""
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError:
        raise UnsupportedError("bfloat16 arrays need ml_dtypes; install lowbit[test]") from None
    return np.dtype(ml_dtypes.bfloat16)


def hostile_tensors(
    name: str | BlockFormat, rng: np.random.Generator, dtype: str = "float32", size: int = 900
) -> Iterator[np.ndarray]:
    """A few 2-D arrays of about `size` elements in all: moderate, wide, tiny, huge, zero, and (if allowed) non-finite.

    Their shapes end in ragged blocks on both axes.
    """
    fmt = find_format(name)
    low, high = EXPONENTS[dtype]
    ranges = [(-4, 5), (low, high), (low, low + 12), (high - 9, high)]
    if fmt.block is not None and fmt.block.is_tensor:
        ranges *= 4
    for number, exponents in enumerate(ranges):
        x = _tensor(fmt, rng, dtype, exponents, size // len(ranges))
        large = fmt.block is not None and fmt.block.is_tile and x.size > 10 * size
        yield (x[:, :20] if number % 2 else x[:20]) if large else x
    zeros = np.zeros(tuple(min(side, 50) for side in _shape(fmt, 1)), np.float32)
    zeros[..., ::2] = -0.0
    yield narrow(zeros, dtype_of(dtype))
    if fmt.has_nan:
        x = _tensor(fmt, rng, dtype, (-4, 5), size // 4)[:60, :200]
        flat = x.reshape(-1)
        for value in NONFINITE:
            flat[rng.integers(0, x.size)] = value
        yield x


def _tensor(
    fmt: BlockFormat, rng: np.random.Generator, dtype: str, exponents: tuple[int, int], size: int
) -> np.ndarray:
    shape = _shape(fmt, size)
    x = np.empty(shape, np.float64)
    height, width = _sides(fmt, shape)
    for row in range(0, shape[0], height):
        for column in range(0, shape[1], width):
            part = x[row : row + height, column : column + width]
            part[...] = _block(fmt, rng, exponents, part.size).reshape(part.shape)
    largest = float(np.finfo(np.float32).max) if dtype == "float32" else (65504.0 if dtype == "float16" else 3.3895e38)
    return narrow(np.clip(x, -largest, largest).astype(np.float32), dtype_of(dtype))


def _sides(fmt: BlockFormat, shape: tuple[int, int]) -> tuple[int, int]:
    if fmt.block is None:
        return 1, 24
    if fmt.block.is_tensor:
        return shape
    sizes = [shape[1] if side is None else side for side in fmt.block.sizes]
    return (sizes[0], sizes[1]) if len(sizes) == 2 else (1, sizes[0])


def _shape(fmt: BlockFormat, size: int) -> tuple[int, int]:
    """Two whole blocks and a ragged one along the axis (and for tiles one and a ragged one down)."""
    if fmt.block is None or fmt.block.is_tensor or fmt.block.is_row:
        return max(1, size // 45), 45
    height, width = _sides(fmt, (0, 0))
    columns = width + max(1, width // 3) if width > 64 else 2 * width + max(1, width // 3)
    rows = height + max(1, height // 7) if height > 1 else max(1, size // columns)
    return rows, columns


def _block(fmt: BlockFormat, rng: np.random.Generator, exponents: tuple[int, int], count: int) -> np.ndarray:
    """Members of one block, in binary64 (rounded to the tensor's dtype later)."""
    kind = rng.integers(0, 12)
    if kind == 0:
        return np.where(rng.random(count) < 0.5, 0.0, -0.0)
    scale = _scale(fmt, rng, exponents)
    amax = _nudge(rng, np.array([fmt.element.max * scale * rng.choice(_ratios(fmt))]))[0]
    if kind == 1:
        block = np.zeros(count)
        block[rng.integers(0, count)] = amax * rng.choice((-1, 1))
        return block
    values = np.array(fmt.element.values()) if fmt.element.bits <= 8 else rng.standard_normal(512) * fmt.element.max
    points = np.concatenate([values, (values[1:] + values[:-1]) / 2]) * scale
    block = _nudge(rng, rng.choice(points, count) * rng.choice((-1.0, 1.0), count))
    special = rng.random(count) < 0.08
    block[special] = rng.choice(SPECIAL_MEMBERS, int(special.sum()))
    if fmt.block is not None:
        block = np.clip(block, -amax, amax)
        block[rng.integers(0, count)] = amax * rng.choice((-1, 1))
    return block


def _ratios(fmt: BlockFormat) -> list[float]:
    """amax over M·scale: the grid's top, the next power of two, the boundary to the next scale."""
    power = 2.0**fmt.element.max_exponent / fmt.element.max
    step = 0.0 if fmt.scale is None else 2.0 ** -(fmt.scale.mantissa_bits + 1)
    return [1.0, 1.0, power, 2 * power, 1.5 * power, 1.75 * power, 1 + step, 1 - step / 2, 1.1]


def _scale(fmt: BlockFormat, rng: np.random.Generator, exponents: tuple[int, int]) -> float:
    """A scale that the format has, times a tensor-wide power of two inside the exponents asked for."""
    low, high = exponents
    exponent = float(rng.integers(low, high + 1)) - fmt.element.max_exponent
    if fmt.scale is None or fmt.scale.mantissa_bits == 0 or fmt.scale.mantissa_bits > 10:
        return 2.0**exponent
    significand = rng.integers(1 << fmt.scale.mantissa_bits, 2 << fmt.scale.mantissa_bits)
    if fmt.scale_floor is not ScaleFloor.ZERO and rng.random() < 0.3:
        exponent = fmt.scale.min_exponent + float(rng.integers(-6, 3))
    return float(significand) * 2.0 ** (exponent - fmt.scale.mantissa_bits)


def _nudge(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Some values moved to the next binary32 number up or down."""
    single = np.clip(values, -FLT_MAX, FLT_MAX).astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        up, down = np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf))
    choice = rng.integers(0, 4, single.shape)
    moved = np.where(choice == 0, up, np.where(choice == 1, down, single)).astype(np.float64)
    return np.clip(moved, -FLT_MAX, FLT_MAX)


def neighbours(values: np.ndarray) -> np.ndarray:
    """Binary32 numbers, the next below and the next above each."""
    single = values.astype(np.float32)
    return np.concatenate([single, np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf))])


def critical_numbers(e: Element) -> np.ndarray:
    """Every value, every midpoint and their binary32 neighbours, both signs."""
    values = np.array(e.values())
    points = neighbours(np.concatenate([values, (values[1:] + values[:-1]) / 2]))
    return np.unique(np.concatenate([points, -points]))
