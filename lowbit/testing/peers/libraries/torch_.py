"""torch: casts of its own dtypes on the CPU."""

from collections.abc import Iterator

import torch

from lowbit.testing.calling import Quantizer
from lowbit.testing.peers.model import Adapter, Peer

FORMATS = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "float8_e5m2": "e5m2/overflow=inf_nan",
    "float8_e4m3fn": "e4m3",
    "float8_e4m3fnuz": "e4m3fnuz/overflow=inf_nan",
    "float8_e5m2fnuz": "e5m2fnuz/overflow=inf_nan",
}
"""dtype -> what its cast is compared with: of the eight-bit dtypes, float8_e4m3fn alone saturates (since 2.12)."""


def adapters() -> Iterator[Adapter]:
    """The cast to each dtype."""

    def cast(dtype: torch.dtype) -> Quantizer:
        return lambda x: x.to(dtype).to(torch.float32)

    for name, text in FORMATS.items():
        quantizer = cast(getattr(torch, name))
        yield Adapter(format=text, call=f"x.to(torch.{name})", quantizer=quantizer, tensors="torch")


PEER = Peer(name="torch", distribution="torch", make=adapters)
