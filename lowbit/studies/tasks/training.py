"""The training loop that every task shares: deterministic, budgeted in steps, stopping early when it diverges."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lowbit.studies.settings import TrainingSettings

CLIP_NORM = 1.0  # the common choice of language-model training; keeps one bad low-precision step from ending a run
BETAS = (0.9, 0.95)
CURVE_POINTS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one training run produced.

    `loss` is the held-out loss in nats (None when training diverged), `metrics` further held-out numbers by name,
    `curve` pairs (step, mean training loss since the previous pair), `quantized_layers` how many layers carried
    a recipe, `seconds` the wall time of the run without loading libraries or data.
    """

    loss: float | None
    metrics: dict[str, float]
    curve: tuple[tuple[int, float], ...]
    parameters: int
    quantized_layers: int
    diverged: bool
    seconds: float


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

    `batch_loss(step)` is the scalar loss of that step's batch. A loss that is NaN or infinite ends the run: the
    list then stops with that value.
    """
    optimizer = build_optimizer(model, settings)
    parameters = list(model.parameters())
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
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        optimizer.step()
    return losses


def thin_curve(losses: list[float]) -> tuple[tuple[int, float], ...]:
    """At most CURVE_POINTS pairs (number of steps done, mean loss of the steps since the last pair)."""
    stride = max(1, math.ceil(len(losses) / CURVE_POINTS))
    finite = [loss for loss in losses if math.isfinite(loss)]
    chunks = [finite[start : start + stride] for start in range(0, len(finite), stride)]
    ends = [min(start + stride, len(finite)) for start in range(0, len(finite), stride)]
    return tuple((end, math.fsum(chunk) / len(chunk)) for end, chunk in zip(ends, chunks, strict=True))
