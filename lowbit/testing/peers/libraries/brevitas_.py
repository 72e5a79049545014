"""brevitas: activation quantizers of its OCP MX module."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from lowbit.formats import FloatElement
from lowbit.formats import format as find_format
from lowbit.testing.calling import Quantizer
from lowbit.testing.peers.model import Adapter, Peer

FLOATS = ("mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2")
KNOWN: dict[str, int | str] = {"3.scale_rule_boundaries": 1, "3.tiny_amax": 4, "3.huge_amax": 5, "0.subnormals": 4}


def adapters() -> Iterator[Adapter]:
    """QuantIdentity with MXFloat8e4m3Act at the widths of each element, and with MXInt8Act."""
    layer = import_module("brevitas.nn").QuantIdentity
    mx = import_module("brevitas.quant.mx_quant_ocp")

    def quantizer(kind: Any, **widths: int) -> Quantizer:
        module = layer(kind, group_dim=-1, return_quant_tensor=False, **widths).eval()
        return lambda x: module(x)  # its own signature takes any keyword

    for name in FLOATS:
        element = find_format(name).element
        assert isinstance(element, FloatElement)
        exponent, mantissa = element.exponent_bits, element.mantissa_bits
        widths = {"bit_width": element.bits, "exponent_bit_width": exponent, "mantissa_bit_width": mantissa}
        yield Adapter(
            format=name,
            call=f"QuantIdentity(MXFloat8e4m3Act, group_dim=-1, {', '.join(f'{k}={v}' for k, v in widths.items())})(x)",
            quantizer=quantizer(mx.MXFloat8e4m3Act, **widths),
            known=KNOWN,
            tensors="torch",
            ndim=2,
        )
    yield Adapter(
        format="mxint8",
        call="QuantIdentity(MXInt8Act, group_dim=-1)(x)",
        quantizer=quantizer(mx.MXInt8Act),
        known={"1.values": 16},
        clauses=("1.values",),
        note="no other clause can be told apart from the scale that is half as large",
        tensors="torch",
        ndim=2,
    )


PEER = Peer(name="brevitas", distribution="brevitas", make=adapters)
