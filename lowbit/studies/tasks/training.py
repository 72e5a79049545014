"""The training loop that every task shares: deterministic, budgeted in steps, stopping early when it
diverges.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lowbit.studies.settings import TrainingSettings

CLIP_NORM = 1.0  # the common choice of language-model training; keeps one bad low-precision step from ending a run
BETAS = (0.9, 0.95)  # the usual choice for transformers (Touvron et al. 2023, section 2.3)


def learning_rate_factor(step: int, settings: TrainingSettings) -> float:
    """Share of the peak learning rate at `step` (0-based): linear warm-up, then a cosine down to zero."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    progress = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.5 * (1 + math.cos(math.pi * progress))


def build_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW that decays matrices only; vectors (norm gains, biases) are not decayed."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=BETAS, fused=True)


def train(model: nn.Module, batch_loss: Callable[[int], Tensor], settings: TrainingSettings) -> list[float]:
    """Run `settings.steps` optimiser steps and return the training loss of each.

    `batch_loss(step)` is the scalar loss of that step's batch. A loss that is NaN or infinite ends the run:
    the list then stops with that value.
    """
    optimizer = build_optimizer(model, settings)
    parameters = list(model.parameters())
    scale = torch.tensor(settings.loss_scale)
    model.train()
    losses: list[float] = []
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_factor(step, settings)
        loss = batch_loss(step)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            break
        optimizer.zero_grad(set_to_none=True)
        loss.backward(gradient=scale)
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.div_(settings.loss_scale)
        nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        optimizer.step()
    return losses
