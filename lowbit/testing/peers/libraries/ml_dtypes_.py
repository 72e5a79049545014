"""ml_dtypes: its casts from float32."""

from collections.abc import Iterator

import numpy as np

from lowbit.testing.calling import Quantizer
from lowbit.testing.peers.model import Adapter, Peer

FORMATS = {
    "bfloat16": "bf16",
    "float8_e5m2": "e5m2/overflow=inf_nan",
    "float8_e4m3fn": "e4m3/overflow=inf_nan",
    "float8_e4m3fnuz": "e4m3fnuz/overflow=inf_nan",
    "float8_e5m2fnuz": "e5m2fnuz/overflow=inf_nan",
    "float8_e4m3b11fnuz": "e4m3b11fnuz/overflow=inf_nan",
    "float8_e3m4": "e3m4/overflow=inf_nan",
    "float8_e4m3": "e4m3ieee/overflow=inf_nan",
    "float4_e2m1fn": "e2m1",
    "float6_e2m3fn": "e2m3",
    "float6_e3m2fn": "e3m2",
}
"""dtype -> what its cast is compared with."""

SILENT: dict[str, int | str] = {"8.nan": 21, "8.infinity": 22}
"""dtypes of fewer than 8 bits have neither."""


def adapters() -> Iterator[Adapter]:
    """The cast to each dtype."""
    import ml_dtypes

    def cast(dtype: type) -> Quantizer:
        return lambda x: x.astype(dtype).astype(np.float32)

    for name, text in FORMATS.items():
        known: dict[str, int | str] = SILENT if name.startswith(("float4", "float6")) else {}
        call = f"x.astype(ml_dtypes.{name})"
        yield Adapter(format=text, call=call, quantizer=cast(getattr(ml_dtypes, name)), known=known)


PEER = Peer(name="ml_dtypes", distribution="ml_dtypes", make=adapters)
