"""What a trial of each task may be told: model size and training budget, as plain frozen data.

Standard library only, so that listing or checking a study loads no torch. The defaults are the budgets of the
built-in `quick` study: a fixed number of steps, never a time limit, so that a trial gives the same numbers on
every machine speed.
"""

import math
from dataclasses import dataclass, fields

from lowbit.errors import ArgumentError


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSettings:
    """Budget and optimiser that every task shares (AdamW, linear warm-up, cosine decay to zero).

    `steps` optimiser steps of `batch` examples, the first `warmup` of them warming up to `learning_rate`;
    gradients are clipped to norm 1. The loss is multiplied by `loss_scale` before the backward pass and the gradients
    divided by it after, as in mixed-precision training (Micikevicius et al. 2017, arXiv 1710.03740 section 3.2): a
    power of two, so it changes no bit of a float32 run or of a format with power-of-two scales, but formats without a
    tensor scale, such as ue5m3_fp4, would flush the small gradients of a mean loss to zero.

    All sizes are positive; construction raises ArgumentError otherwise.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup: int
    weight_decay: float
    loss_scale: float = 4096.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 0 or (value == 0 and field.name not in ("warmup", "weight_decay")):
                raise ArgumentError(f"setting {field.name} is {value}; it must be positive")
        if math.frexp(self.loss_scale)[0] != 0.5:
            raise ArgumentError(f"setting loss_scale is {self.loss_scale}; it must be a power of two")


@dataclass(frozen=True, kw_only=True, slots=True)
class DigitsSettings(TrainingSettings):
    """A small vision transformer on 8x8 images of handwritten digits, cut into 2x2 patches (16 tokens).

    `width` is the token width (divisible by `heads`), `hidden` the width of the MLP; widths divisible by 32
    leave no ragged blocks in any registered block format of 16 or 32 elements.
    """

    steps: int = 150
    batch: int = 64
    learning_rate: float = 1e-2
    warmup: int = 15
    weight_decay: float = 0.05
    width: int = 32
    hidden: int = 64
    layers: int = 2
    heads: int = 2

    def __post_init__(self) -> None:
        TrainingSettings.__post_init__(self)
        if self.width % self.heads:
            raise ArgumentError(f"width {self.width} is not divisible by {self.heads} heads")


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageSettings(TrainingSettings):
    """A byte-level language model of the Llama kind (RMSNorm, rotary positions, SwiGLU, untied head).

    Each step reads `batch` windows of `context` bytes; the held-out loss is the mean over `eval_windows`
    fixed windows. Widths as in DigitsSettings; `width / heads` must be even (rotary pairs).
    """

    steps: int = 240
    batch: int = 12
    context: int = 32
    learning_rate: float = 4e-3
    warmup: int = 24
    weight_decay: float = 0.1
    width: int = 64
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    eval_windows: int = 512

    def __post_init__(self) -> None:
        TrainingSettings.__post_init__(self)
        if self.width % (2 * self.heads):
            raise ArgumentError(f"width {self.width} is not divisible by twice the {self.heads} heads")


Settings = DigitsSettings | LanguageSettings
