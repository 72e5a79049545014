"""lowbit: low-precision number formats, exact and fast.

Light to import: names are looked up when first used (PEP 562), so `import lowbit` loads none of numpy,
numba and torch, and `lowbit.formats` and `lowbit.reference` never do.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from lowbit.version import __version__

if TYPE_CHECKING:
    from lowbit import analysis, errors, formats, nn, recipes, reference, reports, studies, testing
    from lowbit.explanations import Explanation
    from lowbit.explanations.front import explain
    from lowbit.formats import (
        Alternative,
        Arithmetic,
        BlockFormat,
        BlockShape,
        Codebook,
        Correction,
        Element,
        FloatElement,
        Hadamard,
        IntElement,
        Overflow,
        Peak,
        Rounding,
        ScaleDomain,
        ScaleFloor,
        ScaleRule,
        Select,
        Specials,
        Statistic,
        Stochastic,
        StochasticRule,
        ZeroPoint,
        element,
        format,
        list_formats,
        register,
    )
    from lowbit.ops.front import dequantize, get_num_threads, qdq, quantize, random_bits, set_num_threads
    from lowbit.ops.masks import clip_mask
    from lowbit.ops.qtensor import QTensor
    from lowbit.ops.rotation_front import rotate, unrotate
    from lowbit.ops.tensor_scales import AmaxHistory, SampleAndHold, StaticAmax
    from lowbit.recipes import Recipe, list_recipes, recipe

__all__ = [
    "Alternative",
    "AmaxHistory",
    "Arithmetic",
    "BlockFormat",
    "BlockShape",
    "Codebook",
    "Correction",
    "Element",
    "Explanation",
    "FloatElement",
    "Hadamard",
    "IntElement",
    "Overflow",
    "Peak",
    "QTensor",
    "Recipe",
    "Rounding",
    "SampleAndHold",
    "ScaleDomain",
    "ScaleFloor",
    "ScaleRule",
    "Select",
    "Specials",
    "StaticAmax",
    "Statistic",
    "Stochastic",
    "StochasticRule",
    "ZeroPoint",
    "__version__",
    "analysis",
    "clip_mask",
    "dequantize",
    "element",
    "errors",
    "explain",
    "format",
    "formats",
    "get_num_threads",
    "list_formats",
    "list_recipes",
    "nn",
    "qdq",
    "quantize",
    "random_bits",
    "recipe",
    "recipes",
    "reference",
    "register",
    "reports",
    "rotate",
    "set_num_threads",
    "studies",
    "testing",
    "unrotate",
]

# Public name -> the module that defines it. The test of public names keeps this, `__all__` and the imports
# above in step.
_HOME = {
    "Alternative": "lowbit.formats",
    "AmaxHistory": "lowbit.ops.tensor_scales",
    "Arithmetic": "lowbit.formats",
    "BlockFormat": "lowbit.formats",
    "BlockShape": "lowbit.formats",
    "Codebook": "lowbit.formats",
    "Correction": "lowbit.formats",
    "Element": "lowbit.formats",
    "Explanation": "lowbit.explanations",
    "FloatElement": "lowbit.formats",
    "Hadamard": "lowbit.formats",
    "IntElement": "lowbit.formats",
    "Overflow": "lowbit.formats",
    "Peak": "lowbit.formats",
    "QTensor": "lowbit.ops.qtensor",
    "Recipe": "lowbit.recipes",
    "Rounding": "lowbit.formats",
    "SampleAndHold": "lowbit.ops.tensor_scales",
    "ScaleDomain": "lowbit.formats",
    "ScaleFloor": "lowbit.formats",
    "ScaleRule": "lowbit.formats",
    "Select": "lowbit.formats",
    "Specials": "lowbit.formats",
    "StaticAmax": "lowbit.ops.tensor_scales",
    "Statistic": "lowbit.formats",
    "Stochastic": "lowbit.formats",
    "StochasticRule": "lowbit.formats",
    "ZeroPoint": "lowbit.formats",
    "clip_mask": "lowbit.ops.masks",
    "dequantize": "lowbit.ops.front",
    "element": "lowbit.formats",
    "explain": "lowbit.explanations.front",
    "format": "lowbit.formats",
    "get_num_threads": "lowbit.ops.front",
    "list_formats": "lowbit.formats",
    "list_recipes": "lowbit.recipes",
    "qdq": "lowbit.ops.front",
    "quantize": "lowbit.ops.front",
    "random_bits": "lowbit.ops.front",
    "recipe": "lowbit.recipes",
    "register": "lowbit.formats",
    "rotate": "lowbit.ops.rotation_front",
    "set_num_threads": "lowbit.ops.front",
    "unrotate": "lowbit.ops.rotation_front",
}
_SUBMODULES = frozenset(
    {"analysis", "errors", "formats", "nn", "recipes", "reference", "reports", "studies", "testing"},
)


def __getattr__(name: str) -> object:
    """Import the home of a public name at its first use and remember it."""
    if name in _SUBMODULES:
        return import_module(f"lowbit.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'lowbit' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
