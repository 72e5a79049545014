"""What `convert` did to a model, as a value that prints as a table."""

from dataclasses import dataclass


class ConversionWarning(UserWarning):
    """A rule that had no effect, or a conversion that changed nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerOutcome:
    """One layer with a weight matrix: converted with a recipe (then `reason` is empty), or left in high precision.

    `name` is its dotted name in the model (empty for the model itself), `kind` its class before the conversion, `shape`
    its weight's, `recipe` the label of its recipe or None.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    recipe: str | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnusedRule:
    """A rule without effect, and why."""

    pattern: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversionReport:
    """Every layer with a weight matrix, in the model's order, and the rules that had no effect."""

    layers: tuple[LayerOutcome, ...]
    unused_rules: tuple[UnusedRule, ...] = ()

    @property
    def converted(self) -> tuple[LayerOutcome, ...]:
        """The layers that now have a recipe."""
        return tuple(layer for layer in self.layers if layer.recipe is not None)

    @property
    def skipped(self) -> tuple[LayerOutcome, ...]:
        """The layers left in high precision, each with its reason."""
        return tuple(layer for layer in self.layers if layer.recipe is None)

    def __str__(self) -> str:
        rows = [("layer", "class", "weight", "recipe")]
        rows += [
            (layer.name or "(model)", layer.kind, "x".join(map(str, layer.shape)), layer.recipe or f"- {layer.reason}")
            for layer in self.layers
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in rows]
        lines += [f"rule {rule.pattern!r} has no effect: {rule.reason}" for rule in self.unused_rules]
        return "\n".join([f"converted {len(self.converted)} of {len(self.layers)} layers", *lines])
