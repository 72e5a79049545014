"""What quantizing costs a training step: a small Llama-like model, converted and not, in turns."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

import lowbit as lb
from benchmarks.data import SEED, release
from benchmarks.model import Measure, Measurement, Setting


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Layers, width, heads, hidden width of the feed-forward part, and the batch of (sequences, tokens)."""

    layers: int
    width: int
    heads: int
    hidden: int
    sequences: int
    tokens: int


FULL = Size(layers=2, width=512, heads=8, hidden=2048, sequences=8, tokens=256)
QUICK = Size(layers=1, width=64, heads=2, hidden=128, sequences=2, tokens=32)


class Block(nn.Module):
    """Causal attention and a gated feed-forward part, each after a normalization and with a residual path."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        self.norms = nn.ModuleList(nn.RMSNorm(size.width) for _ in range(2))
        self.query_key_value = nn.Linear(size.width, 3 * size.width, bias=False)
        self.output = nn.Linear(size.width, size.width, bias=False)
        self.gate = nn.Linear(size.width, size.hidden, bias=False)
        self.up = nn.Linear(size.width, size.hidden, bias=False)
        self.down = nn.Linear(size.hidden, size.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(sequences, tokens, width) to the same shape."""
        split = self.query_key_value(self.norms[0](x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = (part.transpose(1, 2) for part in split.unbind(2))
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.output(attended.transpose(1, 2).flatten(2))
        normal = self.norms[1](x)
        return x + self.down(functional.silu(self.gate(normal)) * self.up(normal))


def step_overhead(recipe: str) -> Measure:
    """Time of a training step (forward, backward, AdamW) converted to `recipe`, over that of the plain model."""

    def measure(setting: Setting) -> Measurement:
        release()
        size = QUICK if setting.quick else FULL
        torch.manual_seed(SEED)
        plain = nn.Sequential(*(Block(size) for _ in range(size.layers)))
        converted = deepcopy(plain)
        lb.nn.convert(converted, recipe)
        paired = setting.timer.paired(_step(converted, size), _step(plain, size))
        raw = {"subject_s": paired.subject_s, "base_s": paired.base_s, "pairs": float(paired.pairs)}
        return Measurement(value=1 / paired.ratio, raw=raw)

    return measure


def _step(model: nn.Module, size: Size) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    x = torch.randn(size.sequences, size.tokens, size.width)

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return step
