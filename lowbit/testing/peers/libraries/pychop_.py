"""pychop: its MX quantizer, with the numpy backend."""

from collections.abc import Iterator
from importlib import import_module

from lowbit.testing.calling import Quantizer
from lowbit.testing.peers.model import Adapter, Peer

FORMATS = {
    "mxfp4_e2m1": "mxfp4",
    "mxfp6_e2m3": "mxfp6_e2m3",
    "mxfp6_e3m2": "mxfp6_e3m2",
    "mxfp8_e4m3": "mxfp8_e4m3",
    "mxfp8_e5m2": "mxfp8_e5m2",
    "mxint8": "mxint8",
}
KNOWN: dict[str, int | str] = {
    "1.negative_zero": 8,
    "3.scale_rule_boundaries": 1,
    "3.huge_amax": 1,
    "7.ragged_tail": 20,
    "7.empty": "a tensor without elements is refused",
    "8.nan": 6,
    "8.infinity": 7,
}


def adapters() -> Iterator[Adapter]:
    """mx_quantize in each of its formats."""
    quantize = import_module("pychop.mx_formats").mx_quantize

    def quantizer(name: str) -> Quantizer:
        return lambda x: quantize(x, format=name, backend="numpy")

    for name, text in FORMATS.items():
        known = KNOWN
        if name == "mxint8":
            known = {**KNOWN, "1.negative_zero": "-0, which integers have not"}
            del known["3.huge_amax"]
        yield Adapter(format=text, call=f'mx_quantize(x, format="{name}")', quantizer=quantizer(name), known=known)


PEER = Peer(name="pychop", distribution="pychop", make=adapters)
