"""What a format does to real numbers: error metrics, block statistics, telemetry and theory, at any tensor size."""

from lowbit.analysis import theory
from lowbit.analysis.blocks import BlockStatistics, ScaleUse, per_block, scale_use, scale_use_of
from lowbit.analysis.codebooks import learn_codebook
from lowbit.analysis.measure import measure
from lowbit.analysis.metrics import (
    bias,
    cosine,
    crest_factor,
    magnitude_bias,
    mean_error,
    misalignment,
    qsnr_db,
    relative_mse,
    shrinkage,
    summary,
)
from lowbit.analysis.record import Log, record
from lowbit.analysis.summaries import Summary
from lowbit.analysis.sums import Sums
from lowbit.analysis.views import FloatView

__all__ = [
    "BlockStatistics",
    "FloatView",
    "Log",
    "ScaleUse",
    "Summary",
    "Sums",
    "bias",
    "cosine",
    "crest_factor",
    "learn_codebook",
    "magnitude_bias",
    "mean_error",
    "measure",
    "misalignment",
    "per_block",
    "qsnr_db",
    "record",
    "relative_mse",
    "scale_use",
    "scale_use_of",
    "shrinkage",
    "summary",
    "theory",
]
