"""A small decoder-only language model of the Llama kind: RMSNorm, rotary positions, SwiGLU, causal attention.

Every matrix of a block is an `nn.Linear`, so `lowbit.nn.convert` can quantize it; matrices that read the same input
share one layer, as fast implementations do, so that the input is quantized once. The embedding (`embed`) and the output
head (`head`) are modules with names a rule can leave in high precision. Architecture: Touvron et al. 2023 (arXiv
2302.13971); rotary positions: Su et al. 2021 (arXiv 2104.09864).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

ROTARY_BASE = 100.0  # Su et al. use 10,000 for thousands of positions; the windows here have tens


def rotary_tables(context: int, head_width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each (context, head_width / 2) float32, of position times frequency."""
    frequency = ROTARY_BASE ** (-torch.arange(0, head_width, 2, dtype=torch.float32) / head_width)
    angle = torch.arange(context, dtype=torch.float32)[:, None] * frequency[None, :]
    return angle.cos(), angle.sin()


def rotate_pairs(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate coordinate i of the first half with i of the second: x (..., tokens, head_width), same shape
    out.
    """
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


class CausalAttention(nn.Module):
    """Multi-head attention over earlier tokens: (batch, tokens, width) to the same shape."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        cosine, sine = rotary_tables(context, width // heads)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key = rotate_pairs(qkv[:2], self.cosine[:tokens], self.sine[:tokens])
        value = qkv[2]
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, width))


class SwiGLU(nn.Module):
    """Gated MLP: down(silu(gate(x)) * up(x)), (..., width) to the same shape."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(functional.silu(gate) * up)


class DecoderBlock(nn.Module):
    """Attention and MLP, each behind an RMSNorm and added to the residual stream."""

    def __init__(self, width: int, hidden: int, heads: int, context: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(width)
        self.attention = CausalAttention(width, heads, context)
        self.mlp_norm = nn.RMSNorm(width)
        self.mlp = SwiGLU(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Llama(nn.Module):
    """Token codes (batch, tokens) int64 to logits (batch, tokens, vocabulary)."""

    def __init__(self, *, vocabulary: int, width: int, hidden: int, layers: int, heads: int, context: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(DecoderBlock(width, hidden, heads, context) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self._initialize(layers)

    def _initialize(self, layers: int) -> None:
        """Normal weights of deviation 1/sqrt(fan in); the two writes to the residual stream smaller by sqrt(2
        layers).
        """
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                residual = name.endswith((".output", ".down"))
                shrink = math.sqrt(2 * layers) if residual else 1.0
                nn.init.normal_(module.weight, std=1 / (math.sqrt(module.in_features) * shrink))
        nn.init.normal_(self.embed.weight, std=1.0)
        nn.init.zeros_(self.head.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
