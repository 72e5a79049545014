"""torchao: MX tensors with its four scale rules, and NVFP4 tensors, in eager mode on the CPU."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import torch

from lowbit.testing.calling import Quantizer, Stored
from lowbit.testing.peers.model import Adapter, Peer

MX = {
    ("mxfp4", "FLOOR"): torch.float4_e2m1fn_x2,
    ("e2m1/k32/e8m0:ceil", "CEIL"): torch.float4_e2m1fn_x2,
    ("e2m1/k32/e8m0:even", "EVEN"): torch.float4_e2m1fn_x2,
    ("mxfp4_rceil", "RCEIL"): torch.float4_e2m1fn_x2,
    ("mxfp6_e2m3", "FLOOR"): "fp6_e2m3",
    ("mxfp6_e3m2", "FLOOR"): "fp6_e3m2",
    ("mxfp8_e4m3", "FLOOR"): torch.float8_e4m3fn,
    ("e4m3/k32/e8m0:rceil", "RCEIL"): torch.float8_e4m3fn,
    ("mxfp8_e5m2", "FLOOR"): torch.float8_e5m2,
}
"""Format and scale rule -> element dtype."""

REFUSED = {"7.ragged_tail": 20, "7.strides": 23}
MX_KNOWN = REFUSED | {"3.tiny_amax": 3, "0.subnormals": 4, "8.infinity": 7}
OF_RULE = {"RCEIL": {"3.scale_rule_boundaries": 10, "3.tiny_amax": 11, "0.subnormals": 11}}
NV_KNOWN = REFUSED | {"4.zero_tensor": 12, "4.extreme_tensor": 13, "8.nan": 14, "8.infinity": 7}
FLOORED = {"3.zero_block": 9, "4.small_block": 9}


def adapters() -> Iterator[Adapter]:
    """MXTensor by its values; NVFP4Tensor by its codes and scales, and its decoding apart."""
    mx = import_module("torchao.prototype.mx_formats.mx_tensor").MXTensor
    rules = import_module("torchao.prototype.mx_formats.config").ScaleCalculationMode
    nvfp4 = import_module("torchao.prototype.mx_formats.nvfp4_tensor")
    unpack = import_module("torchao.prototype.mx_formats.kernels").unpack_uint4

    def to_mx(dtype: Any, rule: str) -> Quantizer:
        return lambda x: mx.to_mx(x, dtype, 32, scaling_mode=rules[rule]).dequantize(torch.float32)

    def to_nvfp4(x: torch.Tensor, tensor_amax: float | None) -> Any:
        largest = x.abs().amax() if x.numel() else torch.tensor(0.0)
        amax = largest if tensor_amax is None else torch.tensor(tensor_amax)
        return nvfp4.NVFP4Tensor.to_nvfp4(x, per_tensor_scale=nvfp4.per_tensor_amax_to_scale(amax))

    def codes(x: torch.Tensor, tensor_amax: float | None = None) -> Stored:
        q = to_nvfp4(x, tensor_amax)
        return Stored(unpack(q.qdata), q.scale.view(torch.uint8), q.per_tensor_scale)

    def values(x: torch.Tensor, tensor_amax: float | None = None) -> torch.Tensor:
        return to_nvfp4(x, tensor_amax).dequantize(torch.float32)

    for (text, rule), dtype in MX.items():
        known = MX_KNOWN | OF_RULE.get(rule, {})
        if rule == "CEIL":  # it has no subnormal scale on these inputs
            del known["0.subnormals"]
        call = f"MXTensor.to_mx(x, {dtype}, 32, scaling_mode={rule}).dequantize()"
        yield Adapter(format=text, call=call, quantizer=to_mx(dtype, rule), known=known, tensors="torch")
    call = "NVFP4Tensor.to_nvfp4(x, per_tensor_scale=per_tensor_amax_to_scale(amax))"
    both: dict[str, Any] = {"tensors": "torch", "ndim": 2}
    same = "e2m1/k16/ue4m3/ts448/arithmetic=torchao"
    yield Adapter(format="nvfp4", call=call, quantizer=codes, known=NV_KNOWN | FLOORED, **both)
    yield Adapter(format=same, call=call, quantizer=codes, known=NV_KNOWN, **both)
    yield Adapter(
        format=same,
        call=f"{call}.dequantize()",
        quantizer=values,
        known={"4.tensor_amax": 15},
        clauses=("4.tensor_amax",),
        note="its decoding; codes and scales are compared above",
        **both,
    )


PEER = Peer(name="torchao", distribution="torchao", make=adapters)
