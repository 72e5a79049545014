"""`Recipe`: which operand of which GEMM of a linear layer is cast to what. A recipe is a value, not code.

Notation of a linear layer, X (tokens, in), W (out, in), dY (tokens, out):

| pass  | GEMM       | operands           | contraction axis |
|-------|------------|--------------------|------------------|
| fprop | Y = X Wᵀ   | input, weight      | in               |
| dgrad | dX = dY W  | grad_output, weight| out              |
| wgrad | dW = dYᵀ X | grad_output, input | tokens           |
"""

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from lowbit.errors import ArgumentError
from lowbit.recipes.cast import Cast
from lowbit.recipes.checks import check_fields, check_type


class Pass(StrEnum):
    """The three GEMMs of a linear layer: output, input gradient, weight gradient."""

    FPROP = "fprop"
    DGRAD = "dgrad"
    WGRAD = "wgrad"


class Role(StrEnum):
    """The operands of those GEMMs."""

    INPUT = "input"
    WEIGHT = "weight"
    GRAD_OUTPUT = "grad_output"


class Saved(StrEnum):
    """What the two backward GEMMs start from: the operands as they came, or as fprop's casts left them.

    With QUANTIZED the layer is the composition of a fake-quantized input and a fake-quantized weight: the backward
    pass sees the values that the forward pass used (straight-through estimator of quantization-aware training).
    """

    ORIGINAL = "original"
    QUANTIZED = "quantized"


OPERANDS: dict[Pass, tuple[Role, Role]] = {
    Pass.FPROP: (Role.INPUT, Role.WEIGHT),
    Pass.DGRAD: (Role.GRAD_OUTPUT, Role.WEIGHT),
    Pass.WGRAD: (Role.GRAD_OUTPUT, Role.INPUT),
}
"""The two operands of each GEMM; the other role takes no part in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gemm:
    """The casts of one GEMM's operands; None leaves an operand in high precision.

    Raises ArgumentError for anything that is neither a cast nor None.
    """

    input: Cast | None = None
    weight: Cast | None = None
    grad_output: Cast | None = None

    def __post_init__(self) -> None:
        for role in Role:
            check_type(getattr(self, role.value), Cast | None, role.value, "a Cast or None: write Cast.to('mxfp4')")

    def replace(self, **changes: Any) -> "Gemm":
        """A variant with some operands' casts changed. Raises ArgumentError for anything but the three roles."""
        check_fields(changes, (role.value for role in Role), "an operand of a GEMM")
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The table pass × role -> Cast (None: high precision) of a linear layer, and what its backward pass starts from.

    Every cast runs along its GEMM's contraction axis. Equality is by meaning: name and source do not count.
    `print(recipe)` shows the table.

    >>> from lowbit.recipes import Cast, Gemm, Recipe
    >>> weights_only = Recipe(fprop=Gemm(weight=Cast.to("nvfp4")), name="weights only")
    >>> weights_only.cast(Pass.FPROP, Role.WEIGHT).format.name
    'nvfp4'

    Raises ArgumentError for a cast of an operand that its GEMM does not have.
    """

    fprop: Gemm = Gemm()
    dgrad: Gemm = Gemm()
    wgrad: Gemm = Gemm()
    saved: Saved = Saved.ORIGINAL
    name: str = field(default="", compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.saved not in tuple(Saved):
            allowed = ", ".join(saved.value for saved in Saved)
            raise ArgumentError(f"saved={self.saved!r} is not known; choose one of: {allowed}")
        object.__setattr__(self, "saved", Saved(self.saved))
        for which, roles in OPERANDS.items():
            check_type(self.gemm(which), Gemm, which.value, "a Gemm: write Gemm(weight=Cast.to('mxfp4'))")
            for role in Role:
                if role not in roles and getattr(self.gemm(which), role.value) is not None:
                    operands = " and ".join(roles)
                    raise ArgumentError(f"{which.value} has no operand {role.value}: its operands are {operands}")

    def gemm(self, which: Pass) -> Gemm:
        """The row of one GEMM."""
        row: Gemm = getattr(self, which.value)
        return row

    def cast(self, which: Pass, role: Role) -> Cast | None:
        """The cast of one operand. Raises ArgumentError where the GEMM has no such operand."""
        if role not in OPERANDS[which]:
            operands = " and ".join(OPERANDS[which])
            raise ArgumentError(f"{which.value} has no operand {role.value}: its operands are {operands}")
        cast: Cast | None = getattr(self.gemm(which), role.value)
        return cast

    @property
    def label(self) -> str:
        """Its name, or "custom recipe"."""
        return self.name or "custom recipe"

    def replace(self, **changes: Any) -> "Recipe":
        """A variant with some fields changed; it keeps the source but not the name, which stands for the original.

        Raises ArgumentError for an unknown field, naming close ones.
        """
        check_fields(changes, (f.name for f in fields(self)), "a field of a recipe")
        return replace(self, **{"name": "", **changes})

    def __str__(self) -> str:
        return table_text(self)


def table_text(recipe: Recipe) -> str:
    """The recipe as an aligned table: a row a pass, a column a role, `-` high precision, blank no operand."""
    rows = [("pass", *(role.value for role in Role))]
    for which in Pass:
        cells = (_cell(recipe, which, role) for role in Role)
        rows.append((which.value, *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    head = f"{recipe.label}: backward from {recipe.saved.value} operands"
    return "\n".join([head, *lines])


def _cell(recipe: Recipe, which: Pass, role: Role) -> str:
    if role not in OPERANDS[which]:
        return ""
    cast = recipe.cast(which, role)
    return "-" if cast is None else str(cast)
