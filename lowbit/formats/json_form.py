"""Formats as JSON and back: the spec text says everything, name and source ride along."""

import json
from dataclasses import replace
from typing import Any, cast

from lowbit.errors import FormatError
from lowbit.formats.block import BlockFormat
from lowbit.formats.text import parse_format


def format_to_json(fmt: BlockFormat) -> str:
    """One JSON object with `spec`, `name` and `source`; `format_from_json` gives an equal format back."""
    return json.dumps({"spec": fmt.spec, "name": fmt.name, "source": fmt.source}, ensure_ascii=False)


def format_from_json(text: str) -> BlockFormat:
    """The format of a JSON object made by `format_to_json`. FormatError for anything else."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}") from None
    if not isinstance(data, dict) or "spec" not in data:
        raise FormatError('a format in JSON is an object with "spec", for example {"spec": "e2m1/k32/e8m0"}')
    entries = cast("dict[str, Any]", data)
    if not {"spec", "name", "source"} >= entries.keys() or not all(isinstance(v, str) for v in entries.values()):
        raise FormatError('a format in JSON is {"spec": text, "name": text, "source": text}')
    return replace(parse_format(entries["spec"]), name=entries.get("name", ""), source=entries.get("source", ""))
