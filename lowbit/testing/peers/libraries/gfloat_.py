"""gfloat: rounding of arrays, and blocks with a scale."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from lowbit.testing.calling import Quantizer
from lowbit.testing.peers.model import Adapter, Peer

CASTS = {
    "ocp_e2m1": ("e2m1", True),
    "ocp_e2m3": ("e2m3", True),
    "ocp_e3m2": ("e3m2", True),
    "ocp_e4m3": ("e4m3", True),
    "ocp_e5m2": ("e5m2", True),
    "ocp_int8": ("int8f6asym", True),
    "bfloat16": ("bf16", False),
    "binary16": ("fp16", False),
}
"""format -> what it is compared with, and whether it saturates."""

BLOCKS = {
    "mxfp4_e2m1": "mxfp4",
    "mxfp6_e2m3": "mxfp6_e2m3",
    "mxfp6_e3m2": "mxfp6_e3m2",
    "mxfp8_e4m3": "mxfp8_e4m3",
    "mxfp8_e5m2": "mxfp8_e5m2",
    "mxint8": "mxint8",
}

SILENT: dict[str, int | str] = {"8.nan": 21, "8.infinity": 22}


def adapters() -> Iterator[Adapter]:
    """Casts with round_ndarray, and quantize_block on float32 arrays, a block a call."""
    import gfloat
    from gfloat import formats

    def cast(name: str, saturates: bool) -> Quantizer:
        info = getattr(formats, f"format_info_{name}")
        return lambda x: gfloat.round_ndarray(info, x, gfloat.RoundMode.TiesToEven, saturates)

    def blocks(name: str) -> Quantizer:
        info = getattr(formats, f"format_info_{name}")

        def quantize(x: np.ndarray) -> np.ndarray:
            rows = x.reshape(-1, x.shape[-1]) if x.size else x[:0]
            done = np.empty(rows.shape)
            for row, start in product(range(len(rows)), range(0, x.shape[-1], info.k)):
                block = rows[row, start : start + info.k]
                done[row, start : start + info.k] = gfloat.quantize_block(info, block, gfloat.compute_scale_amax)
            return done.reshape(x.shape)

        return quantize

    for name, (text, saturates) in CASTS.items():
        known: dict[str, int | str] = SILENT if saturates and name not in ("ocp_e4m3", "ocp_e5m2") else {}
        call = f"round_ndarray(format_info_{name}, x, sat={saturates})"
        yield Adapter(format=text, call=call, quantizer=cast(name, saturates), known=known)
    for name, text in BLOCKS.items():
        known: dict[str, int | str] = {"3.scale_rule_boundaries": 1, "8.infinity": 7}
        known |= {} if name == "mxint8" else {"3.huge_amax": 1}
        known |= {} if "mxfp8" in name else {"8.nan": 6}
        call = f"quantize_block(format_info_{name}, x, compute_scale_amax)"
        yield Adapter(format=text, call=call, quantizer=blocks(name), known=known)


PEER = Peer(name="gfloat", distribution="gfloat", make=adapters)
