"""Classification of real handwritten digits: scikit-learn's bundled UCI set, 1,797 images of 8x8 pixels.

A small vision transformer is trained on a fixed half of them (898) and judged on the other: with fewer images to judge
by, the luck of single images would hide the gaps between formats. The split is the
same for every seed; the seed decides the initial weights and the order of the images, and nothing else does,
so all arms of one seed see the same batches.
"""

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lowbit.studies.settings import DigitsSettings
from lowbit.studies.tasks.training import train
from lowbit.studies.tasks.trial import Outcome, Trial, seeded, summarize
from lowbit.studies.tasks.vit import VisionTransformer

SIDE = 8
PATCH = 2
CLASSES = 10
HELD_OUT = 899
SPLIT_SEED = 1797  # the number of images; any constant would do
HIGH_PRECISION = ("^patch_embed$", "^head$")


class Digits(NamedTuple):
    """Standardised images (n, 8, 8) float32 with labels (n,) int64, to train on and held out."""

    images: Tensor
    labels: Tensor
    held_out_images: Tensor
    held_out_labels: Tensor


@cache
def load_split() -> Digits:
    """The data set, split by a fixed permutation; pixels shifted and scaled by the training part's mean and
    deviation.
    """
    from sklearn.datasets import load_digits  # here: scikit-learn takes a second to import

    pixels, classes = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, SIDE, SIDE)
    labels = torch.tensor(classes, dtype=torch.int64)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    held_out, kept = order[:HELD_OUT], order[HELD_OUT:]
    deviation, mean = torch.std_mean(images[kept])
    images = (images - mean) / deviation
    return Digits(images[kept], labels[kept], images[held_out], labels[held_out])


def draw_batches(count: int, settings: DigitsSettings, seed: int) -> Tensor:
    """Indices (steps, batch) of `count` images: shuffled passes over all of them, one after the other."""
    generator = torch.Generator().manual_seed(seed)
    needed = settings.steps * settings.batch
    passes = [torch.randperm(count, generator=generator) for _ in range(math.ceil(needed / count))]
    return torch.cat(passes)[:needed].view(settings.steps, settings.batch)


def run_digits(settings: DigitsSettings, trial: Trial) -> Outcome:
    """Train and judge one model; `loss` is the mean held-out cross-entropy in nats, metrics hold `accuracy`."""
    data = load_split()
    with seeded(trial.seed):
        model = VisionTransformer(
            side=SIDE,
            patch=PATCH,
            classes=CLASSES,
            width=settings.width,
            hidden=settings.hidden,
            layers=settings.layers,
            heads=settings.heads,
        )
    quantized = trial.quantize(model, HIGH_PRECISION)
    batches = draw_batches(len(data.images), settings, trial.seed)

    def batch_loss(step: int) -> Tensor:
        chosen = batches[step]
        return functional.cross_entropy(model(data.images[chosen]), data.labels[chosen])

    def judge() -> dict[str, float]:
        logits = model(data.held_out_images)
        hits = (logits.argmax(dim=-1) == data.held_out_labels).double().mean()
        loss = functional.cross_entropy(logits.double(), data.held_out_labels)
        return {"loss": loss.item(), "accuracy": hits.item()}

    losses = train(model, batch_loss, settings)
    return summarize(model, losses, quantized=quantized, judge=judge)
