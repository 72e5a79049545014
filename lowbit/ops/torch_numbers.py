"""Numbers as the torch operators take them: tensors of one element, read when the operator runs."""

from typing import Any

import torch

from lowbit.errors import ArgumentError
from lowbit.ops.draws import whole_number


def as_scalar(value: float | torch.Tensor | None, name: str) -> torch.Tensor | None:
    """A real number for the operator; Python numbers keep all their bits. Raises ArgumentError."""
    if value is None:
        return None
    if not isinstance(value, torch.Tensor):
        try:
            return torch.tensor(float(value), dtype=torch.float64)
        except (TypeError, ValueError):
            raise ArgumentError(f"{name}={value!r} is no number; give a float or a tensor of one element") from None
    if value.numel() != 1 or value.dtype.is_complex:
        given = f"a {value.dtype} tensor of {value.numel()} elements"
        raise ArgumentError(f"{name} is {given}; give a number or a real tensor of one element")
    return value.detach()


def as_integer(value: int | torch.Tensor, name: str) -> torch.Tensor:
    """An integer for the operator; Python integers of up to 64 bits keep them all. Raises ArgumentError."""
    if not isinstance(value, torch.Tensor):
        traced = torch.compiler.is_compiling() and type(value) is int and value >= 0  # Dynamo cannot trace the check
        value = value if traced else whole_number(name, value, 1 << 64)
        return torch.tensor(value, dtype=torch.uint64)
    if value.numel() != 1 or value.dtype.is_floating_point or value.dtype.is_complex or value.dtype is torch.bool:
        given = f"a {value.dtype} tensor of {value.numel()} elements"
        raise ArgumentError(f"{name} is {given}; give an integer or an integer tensor of one element")
    return value.detach()


def is_default(value: int | torch.Tensor) -> bool:
    """Whether a stream or offset is the 0 that stands for none."""
    return type(value) is int and value == 0


def number(value: float | torch.Tensor | None, name: str) -> float | None:
    """A real number for the engine, from a tensor of one element too. Raises ArgumentError."""
    if value is None or type(value) is float:
        return value
    scalar = as_scalar(value, name)
    return None if scalar is None else float(scalar.item())


def integer(value: Any, name: str) -> Any:
    """An integer for the engine, from a tensor of one element too; what is no tensor is checked there."""
    return int(as_integer(value, name).item()) if isinstance(value, torch.Tensor) else value
