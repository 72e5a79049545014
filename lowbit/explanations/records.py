"""`Step` and `Explanation`: what was computed, in order, as plain frozen data."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import product
from typing import Any

from lowbit.explanations.numbers import plain
from lowbit.explanations.text import html_text, plain_text

Value = float | int | Fraction | bool | str | tuple[int, ...]
"""What a step computed: exact, or words where it is a decision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step: in which `section` of the account, the contract's `symbol` for it, its exact `value`, the `bits` of a
    binary32 number or code, the `formula` in words, the contract's `clause`, and `notes` on special rules that applied.
    """

    section: str
    name: str
    symbol: str
    value: Value
    bits: str = ""
    formula: str = ""
    clause: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON has it: fractions, NaN and infinities as text."""
        data = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**data, "value": plain(self.value), "notes": list(self.notes)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """How one element of a tensor is quantized, step by step; `str` and notebooks show it as a table.

    `format`, `rounding`, `transform`, `shape`, `dtype` and `index` (never negative) say what was asked; with a
    transform, shape and index are those of the rotated tensor. `x` is the number that was quantized (after transform
    and sparsity), `code` its code, `value` what it decodes to in x's dtype, `exact_value` the same before narrowing to
    it. `scale_word` is the block's stored word (scale code with side bits above it), `scale` the value of its scale
    code and `tensor_scale` t: None where the format has none. `block_index` is the block's place in the block grid and
    `block_ranges` its extent along every axis, () for plain casts.
    """

    format: str
    spec: str
    rounding: str
    transform: str
    shape: tuple[int, ...]
    dtype: str
    index: tuple[int, ...]
    x: float
    code: int
    code_bits: int
    value: float
    exact_value: float
    scale_word: int | None
    scale: float | None
    tensor_scale: float | None
    block_index: tuple[int, ...]
    block_ranges: tuple[range, ...]
    steps: tuple[Step, ...]

    def members(self) -> Iterator[tuple[int, ...]]:
        """The indices of the elements that share the block, row by row."""
        yield from product(*self.block_ranges) if self.block_ranges else [self.index]

    def step(self, symbol: str, section: str = "") -> Step:
        """The first step with this symbol, in the sections that begin with `section`. KeyError where there is none."""
        for step in self.steps:
            if step.symbol == symbol and step.section.startswith(section):
                return step
        raise KeyError(f"no step {symbol!r}; there are {', '.join(step.symbol for step in self.steps)}")

    @property
    def notes(self) -> tuple[str, ...]:
        """All special rules that applied."""
        return tuple(note for step in self.steps for note in step.notes)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON has it: exact fractions, NaN and infinities as text, ranges as [first, end]."""
        data = {entry.name: plain(getattr(self, entry.name)) for entry in fields(self) if entry.name != "steps"}
        ranges = [[extent.start, extent.stop] for extent in self.block_ranges]
        return {**data, "block_ranges": ranges, "steps": [step.to_dict() for step in self.steps]}

    def to_json(self) -> str:
        """`to_dict` as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        return plain_text(self)

    def _repr_html_(self) -> str:
        return html_text(self)
