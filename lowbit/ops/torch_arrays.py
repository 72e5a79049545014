"""torch tensors as the engine's arrays, without copies on the CPU."""

from typing import Any

import numpy as np
import torch

from lowbit.errors import DtypeError, UnsupportedError
from lowbit.ops.arrays import Framework
from lowbit.ops.engine import Kind

KINDS: dict[torch.dtype, Kind] = {
    torch.float32: "float32",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
}
"""The dtypes that are quantized, and what the engine calls them."""

DEVICES = ("cpu", "meta")
"""Devices with a kernel; on `meta` only shape, dtype and strides are computed."""


def check_input(x: object, name: str) -> None:
    """Refuse dtypes, layouts and devices without a kernel: DtypeError or UnsupportedError, saying what to do."""
    if not isinstance(x, torch.Tensor):
        raise DtypeError(f"{name} is a {type(x).__name__}; give a torch.Tensor")
    if x.dtype not in KINDS:
        advice = "take its parts" if x.dtype.is_complex else "convert it with x.float()"
        raise DtypeError(f"{name} is {x.dtype}; allowed are torch.float32, bfloat16 and float16: {advice}")
    # Dynamo refuses to look at a layout in a backward pass; what it traces is dense.
    if not torch.compiler.is_compiling() and (x.layout is not torch.strided or x.is_nested):
        layout = "nested" if x.is_nested else x.layout
        raise DtypeError(f"{name} has layout {layout}; only dense tensors are quantized: use x.to_dense() or a loop")
    if x.device.type not in DEVICES:
        raise UnsupportedError(f"{name} is on {x.device}; this version has CPU kernels: move it with x.cpu()")


def tensor_array(x: torch.Tensor) -> np.ndarray:
    """The tensor's memory as a numpy array, bfloat16 as its 16-bit patterns."""
    if x.dtype is torch.bfloat16:
        return x.detach().view(torch.int16).numpy().view(np.uint16)
    return x.detach().numpy()


def _unwrap(x: torch.Tensor) -> tuple[np.ndarray, Kind]:
    check_input(x, "input")
    return tensor_array(x), KINDS[x.dtype]


def _wrap(array: np.ndarray, kind: Kind | None = None) -> torch.Tensor:
    if kind == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _kind_of(dtype: Any) -> Kind:
    if dtype not in KINDS:
        raise DtypeError(f"dtype {dtype} is not quantized; allowed are {', '.join(str(d) for d in KINDS)}")
    return KINDS[dtype]


TORCH = Framework("torch", _unwrap, _wrap, _kind_of)
