"""qtorch (QPyTorch): floats, fixed point and block floating point, with its nearest rounding, on the CPU."""

from collections.abc import Iterator
from importlib import import_module
from math import prod

import torch

from lowbit.testing.calling import Quantizer
from lowbit.testing.peers.model import Adapter, Peer

FLOATS = {"e2m1": (2, 1), "e3m2": (3, 2), "e4m3finite": (4, 3), "e5m2finite": (5, 2)}
"""Format -> exponent and mantissa bits; no code is NaN or infinity there."""

FIXED = {"int8f4": True, "int8f4asym": False}
BLOCKS = {"int4f2/row/e8m0": 4, "int8f6/row/e8m0": 8}

FLOAT_KNOWN = {"1.negative_zero": 8, "5.ties": 2, "5.near_ties": 17, "8.nan": 21, "8.infinity": 22}
FIXED_KNOWN: dict[str, int | str] = {
    "1.negative_zero": "-0, which integers have not",
    "8.nan": 21,
    "8.infinity": 22,
}
BLOCK_KNOWN: dict[str, int | str] = {
    "3.tiny_amax": "the exponent of a subnormal amax is read as 0",
    "3.huge_amax": 19,
    "5.ties": "ties go up, to the larger number",
    "5.near_ties": 18,
    "7.empty": "the amax of an empty tensor is refused",
}


def adapters() -> Iterator[Adapter]:
    """float_quantize, fixed_point_quantize, and block_quantize with a scale for every row."""
    quant = import_module("qtorch.quant")  # compiles its kernels: needs a C++ compiler and ninja

    def floats(exponent: int, mantissa: int) -> Quantizer:
        return lambda x: quant.float_quantize(x, exponent, mantissa, rounding="nearest")

    def fixed(symmetric: bool) -> Quantizer:
        return lambda x: quant.fixed_point_quantize(x.contiguous(), 8, 4, symmetric=symmetric, rounding="nearest")

    def blocks(bits: int) -> Quantizer:
        def quantize(x: torch.Tensor) -> torch.Tensor:
            rows = x.reshape(prod(x.shape[:-1]), x.shape[-1]).contiguous()
            return quant.block_quantize(rows, bits, dim=0, rounding="nearest").reshape(x.shape)

        return quantize

    for text, (exponent, mantissa) in FLOATS.items():
        call = f'float_quantize(x, exp={exponent}, man={mantissa}, rounding="nearest")'
        yield Adapter(format=text, call=call, quantizer=floats(exponent, mantissa), known=FLOAT_KNOWN, tensors="torch")
    for text, symmetric in FIXED.items():
        call = f'fixed_point_quantize(x, wl=8, fl=4, symmetric={symmetric}, rounding="nearest")'
        yield Adapter(format=text, call=call, quantizer=fixed(symmetric), known=FIXED_KNOWN, tensors="torch")
    for text, bits in BLOCKS.items():
        call = f'block_quantize(x, wl={bits}, dim=0, rounding="nearest")'
        yield Adapter(format=text, call=call, quantizer=blocks(bits), known=BLOCK_KNOWN, tensors="torch", ndim=2)


PEER = Peer(name="qtorch", distribution="qtorch", make=adapters, install="pip install qtorch ninja")
