"""What a format does to real numbers: error metrics and block statistics of tensors of any size."""

from lowbit.analysis.codebooks import learn_codebook
from lowbit.analysis.measure import measure
from lowbit.analysis.metrics import (
    bias,
    cosine,
    crest_factor,
    magnitude_bias,
    qsnr_db,
    relative_mse,
    summary,
)
from lowbit.analysis.sums import Summary, Sums
from lowbit.analysis.views import FloatView

__all__ = [
    "FloatView",
    "Summary",
    "Sums",
    "bias",
    "cosine",
    "crest_factor",
    "learn_codebook",
    "magnitude_bias",
    "measure",
    "qsnr_db",
    "relative_mse",
    "summary",
]
