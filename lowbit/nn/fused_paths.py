"""Keep torch's fused inference paths from reading a Linear's weight without calling the layer.

In evaluation mode `torch.nn.TransformerEncoderLayer` hands the weights of its two linear layers to one fused kernel:
the layers' casts would silently not happen. It does not do so if a module inside it has a forward hook, so every lowbit
layer carries one that does nothing. `torch.nn.TransformerEncoder` packs padded batches into nested tensors for that
kernel; `convert` switches this off, since lowbit layers refuse nested tensors.
"""

from typing import Any

import torch

_NESTED = "use_nested_tensor"
"""Attribute of TransformerEncoder."""

_REMEMBERED = "_nested_before_conversion"


def insist_on_call(layer: torch.nn.Module) -> None:
    """Mark a layer as one that has to be called; once is enough."""
    if _do_nothing not in layer._forward_pre_hooks.values():
        layer.register_forward_pre_hook(_do_nothing)


def allow_bypass(layer: torch.nn.Module) -> None:
    """Undo `insist_on_call`; hooks of others stay."""
    for key, hook in list(layer._forward_pre_hooks.items()):
        if hook is _do_nothing:
            del layer._forward_pre_hooks[key]


def disable_nested_tensors(model: torch.nn.Module) -> None:
    """Make the model's TransformerEncoders that hold layers which insist on calls keep padded batches dense."""
    for module in model.modules():
        nested = isinstance(module, torch.nn.TransformerEncoder) and vars(module).get(_NESTED, False)
        if nested and any(_do_nothing in inner._forward_pre_hooks.values() for inner in module.modules()):
            setattr(module, _NESTED, False)
            setattr(module, _REMEMBERED, True)


def restore_nested_tensors(model: torch.nn.Module) -> None:
    """Undo `disable_nested_tensors`."""
    for module in model.modules():
        if _REMEMBERED in vars(module):
            delattr(module, _REMEMBERED)
            setattr(module, _NESTED, True)


def _do_nothing(module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
    """The hook: its presence is the point."""
