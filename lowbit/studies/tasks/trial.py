"""What a task is given and what it gives back, and the steps that are the same for every task."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from lowbit.errors import ArgumentError
from lowbit.studies.tasks.text import digest, load_text

CURVE_POINTS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one training run produced.

    `loss` is the held-out loss in nats (None when training diverged), `accuracy` the held-out share of right
    answers (None for tasks without), `curve` pairs (steps done, mean training loss since the previous pair),
    `quantized_layers` how many layers carried a recipe.
    """

    loss: float | None
    accuracy: float | None
    curve: tuple[tuple[int, float], ...]
    parameters: int
    quantized_layers: int

    @property
    def diverged(self) -> bool:
        """Whether a training or held-out loss became NaN or infinite."""
        return self.loss is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """The part of a trial that is not settings: seed, recipe text (None = fp32) and where the text comes
    from.
    """

    seed: int
    recipe: str | None
    data: str | None
    text_path: Path | None

    def text(self) -> bytes:
        """The training text; ArgumentError if it is not the text whose SHA-256 the study recorded."""
        text = load_text(self.text_path)
        if digest(text) != self.data:
            raise ArgumentError(
                f"the text ({self.text_path or 'of this Python version'}) is not the one that the study was started "
                "with (other SHA-256); pass the same --text FILE, or use another folder"
            )
        return text

    def quantize(self, model: nn.Module, high_precision: tuple[str, ...]) -> int:
        """Give every linear layer the recipe, except names matching `high_precision`; the number of such
        layers.
        """
        if self.recipe is None:
            return 0
        from lowbit.nn import convert  # here: the baseline needs neither kernels nor their compilation

        report = convert(model, self.recipe, rules=[(pattern, None) for pattern in high_precision])
        return len(report.converted)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside the block only: the caller's random state is restored."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def thin_curve(losses: list[float]) -> tuple[tuple[int, float], ...]:
    """At most CURVE_POINTS pairs (number of steps done, mean loss of the steps since the last pair)."""
    stride = max(1, math.ceil(len(losses) / CURVE_POINTS))
    chunks = [losses[start : start + stride] for start in range(0, len(losses), stride)]
    ends = [min(start + stride, len(losses)) for start in range(0, len(losses), stride)]
    return tuple((end, math.fsum(chunk) / len(chunk)) for end, chunk in zip(ends, chunks, strict=True))


def summarize(
    model: nn.Module, losses: list[float], *, quantized: int, judge: Callable[[], dict[str, float]]
) -> Outcome:
    """The outcome of a finished run: `judge` measures the model (quantized as in training) without gradients.

    A run whose last training loss, or whose held-out loss, is not finite counts as diverged and is not
    judged.
    """
    finite = [loss for loss in losses if math.isfinite(loss)]
    measured: dict[str, float] = {}
    if len(finite) == len(losses):
        model.eval()
        with torch.no_grad():
            measured = judge()
    loss = measured.get("loss", math.nan)
    return Outcome(
        loss=loss if math.isfinite(loss) else None,
        accuracy=measured.get("accuracy"),
        curve=thin_curve(finite),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        quantized_layers=quantized,
    )
