"""A small vision transformer (Dosovitskiy et al. 2020, arXiv 2010.11929): patches, pre-norm blocks, mean
pooling.

The patch embedding (`patch_embed`) and the classifier (`head`) are `nn.Linear` modules whose names a rule can
leave in high precision; every other matrix is an `nn.Linear` inside `blocks`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

POSITION_STD = 1.0  # as large as the embedded pixels: mean pooling sees the order of patches only through positions


def cut_patches(images: Tensor, patch: int) -> Tensor:
    """Square images (n, side, side) to rows of pixels (n, (side / patch)^2, patch^2), patches in reading
    order.
    """
    count, side, _ = images.shape
    grid = side // patch
    cells = images.reshape(count, grid, patch, grid, patch).transpose(2, 3)
    return cells.reshape(count, grid * grid, patch * patch)


class SelfAttention(nn.Module):
    """Multi-head attention between all tokens: (batch, tokens, width) to the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        query, key, value = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, width))


class EncoderBlock(nn.Module):
    """Attention and a GELU MLP, each behind a LayerNorm and added to the residual stream."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class VisionTransformer(nn.Module):
    """Images (batch, side, side) float32 to logits (batch, classes)."""

    def __init__(
        self, *, side: int, patch: int, classes: int, width: int, hidden: int, layers: int, heads: int
    ) -> None:
        super().__init__()
        self.patch = patch
        self.patch_embed = nn.Linear(patch * patch, width)
        self.position = nn.Parameter(torch.randn((side // patch) ** 2, width) * POSITION_STD)
        self.blocks = nn.ModuleList(EncoderBlock(width, hidden, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch_embed(cut_patches(images, self.patch)) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(dim=1))
