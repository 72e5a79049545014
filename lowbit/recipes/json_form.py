"""Recipes as JSON and back."""

import json
from typing import Any

from lowbit.errors import ArgumentError
from lowbit.formats import Rounding
from lowbit.formats.rounding import enum_member
from lowbit.recipes.cast import Cast
from lowbit.recipes.checks import check_fields
from lowbit.recipes.table import OPERANDS, Gemm, Pass, Recipe, Saved

_EXAMPLE = '{"fprop": {"input": {"format": "mxfp4"}, "weight": {"format": "mxfp4"}}, "saved": "quantized"}'
_KEYS = ("name", "source", "saved", *(which.value for which in Pass))


def recipe_to_json(recipe: Recipe) -> str:
    """One JSON object: name, source, saved and, for each pass, its operands' casts (null: high precision).

    Formats are written as text, by name where the registry knows them under it; `recipe_from_json` gives an equal
    recipe back.
    """
    data: dict[str, Any] = {"name": recipe.name, "source": recipe.source, "saved": recipe.saved.value}
    for which, roles in OPERANDS.items():
        data[which.value] = {role.value: _cast_to_data(recipe.cast(which, role)) for role in roles}
    return json.dumps(data, ensure_ascii=False, indent=2)


def recipe_from_json(text: str) -> Recipe:
    """The recipe of a JSON object made by `recipe_to_json` or by hand; what is left out has its default.

    Raises ArgumentError for text that is not such an object and for unknown keys, FormatError for unknown formats.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ArgumentError(f"a recipe in JSON: {error}; expected for example {_EXAMPLE}") from None
    entries = _object(data, "a recipe", _KEYS)
    rows = {which.value: Gemm(**_casts(entries[which.value], which)) for which in Pass if which.value in entries}
    return Recipe(
        **rows,
        saved=enum_member(Saved, entries.get("saved", Saved.ORIGINAL), "saved"),
        name=_text(entries, "name"),
        source=_text(entries, "source"),
    )


def _cast_to_data(cast: Cast | None) -> dict[str, str] | None:
    return None if cast is None else {"format": cast.format_text, "rounding": cast.rounding.value}


def _casts(data: object, which: Pass) -> dict[str, Cast | None]:
    entries = _object(data, which.value, tuple(role.value for role in OPERANDS[which]))
    return {role: _cast_from_data(cell, f"{which.value}.{role}") for role, cell in entries.items()}


def _cast_from_data(data: object, where: str) -> Cast | None:
    if data is None:
        return None
    entries = _object(data, where, ("format", "rounding"))
    if not isinstance(entries.get("format"), str):
        raise ArgumentError(f'{where} in JSON needs "format" as text, for example {{"format": "mxfp4"}}')
    return Cast.to(entries["format"], rounding=entries.get("rounding", Rounding.NEAREST_EVEN))


def _object(data: object, what: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ArgumentError(f"{what} in JSON is an object, not {type(data).__name__}; for example {_EXAMPLE}")
    entries: dict[str, Any] = {str(key): value for key, value in data.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    check_fields(entries, allowed, f"a key of {what} in JSON")
    return entries


def _text(entries: dict[str, Any], key: str) -> str:
    value = entries.get(key, "")
    if not isinstance(value, str):
        raise ArgumentError(f"a recipe's {key} in JSON is text, not {type(value).__name__}")
    return value
