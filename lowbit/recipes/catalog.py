"""Recipes by name: the registered ones and the two families that any format gives.

Text forms: `forward:FORMAT` and `gemms:FORMAT`, with FORMAT a registered name or spec text.
"""

from collections.abc import Callable
from difflib import get_close_matches

from lowbit.errors import ArgumentError
from lowbit.formats import BlockFormat, list_formats
from lowbit.recipes.cast import Cast
from lowbit.recipes.table import Gemm, Recipe, Saved


def forward_only(fmt: str | BlockFormat) -> Recipe:
    """Fake quantization in the forward pass: input and weight of fprop are cast, the backward pass is high precision.

    The gradient is the straight-through one: it passes each cast unchanged, also where the cast saturates, so that
    dX = dY · cast(W) and dW = dYᵀ · cast(X), exactly as for `linear(qdq(x), qdq(w))`.
    Raises FormatError for an unknown format.
    """
    cast = Cast.to(fmt)
    return Recipe(
        fprop=Gemm(input=cast, weight=cast),
        saved=Saved.QUANTIZED,
        name=f"forward:{cast.format_text}",
        source="fake quantization with the straight-through estimator (Bengio et al., arXiv 1308.3432)",
    )


def all_gemms(fmt: str | BlockFormat) -> Recipe:
    """All three GEMMs in one format: each of the six operands is cast from its original, along its contraction axis.

    Input and weight are cast twice each, along `in` for fprop and along `tokens` and `out` for the backward GEMMs.
    Raises FormatError for an unknown format.
    """
    cast = Cast.to(fmt)
    return Recipe(
        fprop=Gemm(input=cast, weight=cast),
        dgrad=Gemm(grad_output=cast, weight=cast),
        wgrad=Gemm(grad_output=cast, input=cast),
        name=f"gemms:{cast.format_text}",
        source="native microscaling training: every operand quantized along its reduction (arXiv 2310.10537 §4)",
    )


_FAMILIES: dict[str, Callable[[str], Recipe]] = {"forward": forward_only, "gemms": all_gemms}

_CATALOG: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        all_gemms("bf16").replace(
            name="bf16", source="operands of all three GEMMs rounded to bfloat16, accumulation in the layer's own type"
        ),
    )
}


def recipe(text: str | Recipe) -> Recipe:
    """The recipe that a registered name, `forward:FORMAT` or `gemms:FORMAT` stands for; a recipe is returned as it is.

    >>> print(recipe("gemms:mxfp4"))
    gemms:mxfp4: backward from original operands
    pass   input  weight  grad_output
    fprop  mxfp4  mxfp4
    dgrad         mxfp4   mxfp4
    wgrad  mxfp4          mxfp4

    Raises ArgumentError for an unknown name, with the closest ones, and FormatError for an unknown format.
    """
    if isinstance(text, Recipe):
        return text
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(f"a recipe is a name, text or Recipe, not {type(text).__name__}")
    if text in _CATALOG:
        return _CATALOG[text]
    family, colon, fmt = text.partition(":")
    if colon and family in _FAMILIES:
        return _FAMILIES[family](fmt)
    raise ArgumentError(_unknown(text))


def list_recipes() -> list[str]:
    """Sorted names of the registered recipes; the families `forward:FORMAT` and `gemms:FORMAT` come on top."""
    return sorted(_CATALOG)


def _unknown(text: str) -> str:
    formats = list_formats()
    known = [*_CATALOG, *(f"{family}:{name}" for family in _FAMILIES for name in formats)]
    close = [f"{family}:{text}" for family in _FAMILIES] if text in formats else get_close_matches(text, known, n=2)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"unknown recipe {text!r}; use {', '.join(_CATALOG)}, forward:FORMAT or gemms:FORMAT{hint}"
