"""Byte-level language modelling of real English with a small model of the Llama kind.

Windows of bytes are drawn at random from the training part; the held-out loss (nats per byte) is the mean
over fixed, evenly spaced windows of the held-out part. The seed decides the initial weights and the windows
drawn, and nothing else does, so all arms of one seed read the same text in the same order.
"""

import torch
from torch import Tensor
from torch.nn import functional

from lowbit.errors import ArgumentError
from lowbit.studies.settings import LanguageSettings
from lowbit.studies.tasks.llama import Llama
from lowbit.studies.tasks.text import split_text
from lowbit.studies.tasks.training import train
from lowbit.studies.tasks.trial import Outcome, Trial, seeded, summarize

VOCABULARY = 256
HIGH_PRECISION = ("^head$",)  # the embedding is a table look-up, which conversion leaves alone by itself
EVAL_BATCH = 32


def draw_windows(length: int, settings: LanguageSettings, seed: int) -> Tensor:
    """First positions (steps, batch) of training windows of context + 1 bytes in a text of `length` bytes."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, length - settings.context, (settings.steps, settings.batch), generator=generator)


def held_out_windows(text: Tensor, settings: LanguageSettings) -> Tensor:
    """Evenly spaced windows (eval_windows, context + 1) of the held-out bytes, as int64."""
    starts = torch.linspace(0, len(text) - settings.context - 1, settings.eval_windows, dtype=torch.float64).long()
    return text[starts[:, None] + torch.arange(settings.context + 1)].long()


def window_loss(model: Llama, windows: Tensor) -> Tensor:
    """Mean cross-entropy (nats) of predicting bytes 2 to n of each window from the bytes before: a scalar."""
    logits = model(windows[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


def run_language(settings: LanguageSettings, trial: Trial) -> Outcome:
    """Train and judge one model; `loss` is the mean held-out loss in nats per byte.

    Raises ArgumentError if the held-out text is shorter than one window.
    """
    parts = split_text(trial.text())
    if len(parts.held_out) <= settings.context:
        raise ArgumentError(f"a context of {settings.context} bytes does not fit the held-out text")
    text, held_out = torch.from_numpy(parts.train.copy()), torch.from_numpy(parts.held_out.copy())
    with seeded(trial.seed):
        model = Llama(
            vocabulary=VOCABULARY,
            width=settings.width,
            hidden=settings.hidden,
            layers=settings.layers,
            heads=settings.heads,
            context=settings.context,
        )
    quantized = trial.quantize(model, HIGH_PRECISION)
    starts = draw_windows(len(text), settings, trial.seed)
    offsets = torch.arange(settings.context + 1)

    def batch_loss(step: int) -> Tensor:
        return window_loss(model, text[starts[step][:, None] + offsets].long())

    def judge() -> dict[str, float]:
        windows = held_out_windows(held_out, settings)
        total = sum(window_loss(model, part).item() * len(part) for part in windows.split(EVAL_BATCH))
        return {"loss": total / len(windows)}

    losses = train(model, batch_loss, settings)
    return summarize(model, losses, quantized=quantized, judge=judge)
