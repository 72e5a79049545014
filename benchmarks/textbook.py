"""Block quantization as one writes it in torch without lowbit: by the book, and with tricks on the bits.

These are alternatives to measure against. Both ignore what lowbit takes care of: NaN, infinities, blocks whose largest
exponents leave float32, ragged tails.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

import lowbit as lb
from lowbit.formats import FloatElement, IntElement

FLOAT_MAX = torch.finfo(torch.float32).max
MX_BLOCK = 32
NVFP4_BLOCK = 16
NVFP4_SCALE_MAX = 448.0
"""Largest e4m3 number: block scales are brought up to it by the tensor scale."""

FRACTION_BITS = 23
BIAS = 127
"""Layout of float32: fraction bits, and what its exponent field adds to the exponent."""


@dataclass(frozen=True, slots=True)
class Grid:
    """An element's numbers: largest value, its exponent, the exponent of the finest step's binade, fraction bits."""

    maximum: float
    max_exponent: int
    min_exponent: int
    fraction_bits: int

    @classmethod
    def of(cls, fmt: str) -> "Grid":
        """The grid of a format's element; an integer is a float that never leaves its lowest binade."""
        match lb.format(fmt).element:
            case FloatElement() as e:
                return cls(e.max, e.max_exponent, e.min_exponent, e.mantissa_bits)
            case IntElement() as e:
                return cls(e.max, e.max_exponent, e.max_exponent, e.fraction_bits + e.max_exponent)
            case other:
                raise TypeError(f"{fmt}: no grid of floats or integers but {other}")


def by_the_book(fmt: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Fake quantization with logarithms, divisions and roundings, as formulas state it; mx formats and nvfp4."""
    grid = Grid.of(fmt)
    if fmt == "nvfp4":
        return lambda x: _nvfp4(x, lambda y: _to_grid(y, grid))

    def qdq(x: torch.Tensor) -> torch.Tensor:
        blocks = x.view(-1, MX_BLOCK)
        amax = blocks.abs().amax(-1, keepdim=True)
        exponent = (torch.floor(torch.log2(amax)) - grid.max_exponent).clamp(-BIAS, BIAS)
        scale = torch.exp2(exponent)
        return (_to_grid(blocks / scale, grid) * scale).view(x.shape)

    return qdq


def with_bit_tricks(fmt: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Fake quantization by exponent fields: adding and subtracting a power of two rounds; mx formats and nvfp4."""
    grid = Grid.of(fmt)
    if fmt == "nvfp4":
        return lambda x: _nvfp4(x, lambda y: _round_bits(y, torch.full_like(y[:, :1], BIAS, dtype=torch.int32), grid))

    def qdq(x: torch.Tensor) -> torch.Tensor:
        blocks = x.view(-1, MX_BLOCK)
        amax = blocks.abs().amax(-1, keepdim=True)
        shared = (amax.view(torch.int32) >> FRACTION_BITS) - grid.max_exponent
        return _round_bits(blocks, shared, grid).view(x.shape)

    return qdq


def _nvfp4(x: torch.Tensor, to_grid: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Two levels of scales around an element rounding: e4m3 for blocks of 16, float32 for the tensor."""
    element_max = 6.0
    tensor_amax = x.abs().amax()
    encode_tensor = (NVFP4_SCALE_MAX * element_max / tensor_amax).clamp(max=FLOAT_MAX)
    blocks = x.view(-1, NVFP4_BLOCK)
    amax = blocks.abs().amax(-1, keepdim=True)
    target = (amax * (encode_tensor * (1.0 / element_max))).clamp(max=NVFP4_SCALE_MAX)
    scale = target.to(torch.float8_e4m3fn).float()
    encode = (1.0 / (scale * (1.0 / encode_tensor))).clamp(max=FLOAT_MAX)
    decode_tensor = tensor_amax / (NVFP4_SCALE_MAX * element_max)
    return (to_grid(blocks * encode) * scale * decode_tensor).view(x.shape)


def _to_grid(y: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Nearest grid value: the step is that of the binade, no finer than the finest."""
    binade = torch.floor(torch.log2(y.abs())).clamp(grid.min_exponent, grid.max_exponent)
    step = torch.exp2(binade - grid.fraction_bits)
    return (torch.round(y / step) * step).clamp(-grid.maximum, grid.maximum)


def _round_bits(x: torch.Tensor, shared: torch.Tensor, grid: Grid) -> torch.Tensor:
    """x rounded to grid · 2^(shared - 127), where `shared` is a float32 exponent field a block (int32).

    For |x| in a binade of exponent e, |x| + 2^(e + 23 - f) has its last bit at 2^(e - f): the sum is rounded there to
    nearest even, and taking the power off again is exact.
    """
    magnitude = x.abs()
    binade = torch.maximum(magnitude.view(torch.int32) >> FRACTION_BITS, shared + grid.min_exponent)
    power = ((binade + (FRACTION_BITS - grid.fraction_bits)) << FRACTION_BITS).view(torch.float32)
    maximum = (shared.clamp(min=1) << FRACTION_BITS).view(torch.float32) * grid.maximum
    return torch.copysign(torch.minimum((magnitude + power) - power, maximum), x)
