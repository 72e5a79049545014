"""What users hand over, as the engine wants it: numpy arrays or torch tensors and the kind of their elements.

A framework is a frozen record of three functions; torch is looked at only if the program has imported it.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lowbit.errors import ArgumentError, DtypeError
from lowbit.ops.engine import Kind

KINDS: tuple[Kind, ...] = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class Framework:
    """How arrays of one library become the engine's, and back.

    unwrap(array) -> (numpy view of its memory, kind); wrap(numpy array, kind or None for codes) -> array;
    kind_of(dtype) -> kind.
    """

    name: str
    unwrap: Callable[[Any], tuple[np.ndarray, Kind]]
    wrap: Callable[..., Any]
    kind_of: Callable[[Any], Kind]


def framework_of(x: Any) -> Framework:
    """The framework of an array; DtypeError for anything that is neither a numpy array nor a torch tensor."""
    if isinstance(x, np.ndarray):
        return NUMPY
    check_tensor(x)
    return framework_named("torch")


def check_tensor(x: Any) -> None:
    """DtypeError for anything that is no torch tensor, where it is no numpy array either."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return
    raise DtypeError(
        f"input is a {type(x).__name__}; give a numpy array or a torch tensor of float32, bfloat16 or float16"
    )


def framework_named(name: str) -> Framework:
    """The framework called "numpy" or "torch" (which is imported); ArgumentError for another name."""
    if name == "numpy":
        return NUMPY
    if name == "torch":
        from lowbit.ops.torch_arrays import TORCH

        return TORCH
    raise ArgumentError(f"framework={name!r} is not known; choose numpy or torch")


def _unwrap(x: np.ndarray) -> tuple[np.ndarray, Kind]:
    kind = _known_kind(x.dtype)
    if not x.dtype.isnative:
        raise DtypeError(
            f"input is {x.dtype.str}, not in this machine's byte order; use x.astype(x.dtype.newbyteorder('='))"
        )
    return (x.view(np.uint16) if kind == "bfloat16" else x), kind


def _wrap(array: np.ndarray, kind: Kind | None = None) -> np.ndarray:
    if kind != "bfloat16":
        return array
    try:
        return array.view("bfloat16")  # known to numpy once ml_dtypes is imported
    except TypeError:
        raise DtypeError("numpy has no bfloat16 of its own; import ml_dtypes, or ask for float32") from None


_FAST: dict[Any, Kind] = {np.dtype(np.float32): "float32", np.dtype(np.float16): "float16"}


def _kind_of(dtype: Any) -> Kind:
    if dtype in _FAST:
        return _FAST[dtype]
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    for kind in KINDS:
        if name == kind:
            return kind
    if name == "float64":
        raise DtypeError("input is float64, which is not rounded silently; use x.astype(np.float32)")
    raise DtypeError(f"dtype {name} is not quantized; allowed are float32, float16 and ml_dtypes.bfloat16")


_known_kind = lru_cache(maxsize=64)(_kind_of)
"""The same for the dtype of an array: to find the name of one from another package takes long."""

NUMPY = Framework("numpy", _unwrap, _wrap, _kind_of)
