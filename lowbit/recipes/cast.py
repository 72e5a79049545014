"""`Cast`: how one operand of one GEMM becomes low precision. Plain data; nothing here computes."""

from dataclasses import dataclass

from lowbit.errors import ArgumentError
from lowbit.formats import BlockFormat, Rounding
from lowbit.formats import format as find_format
from lowbit.formats.catalog import CATALOG
from lowbit.formats.rounding import enum_member


@dataclass(frozen=True, kw_only=True, slots=True)
class Cast:
    """The format and the rounding of one GEMM operand.

    The axis is not a field: a block always runs along the contraction axis of the GEMM whose operand is cast, and that
    follows from the cell of the recipe's table. Format and rounding may be given as text.

    >>> print(Cast.to("mxfp4"))
    mxfp4

    Raises FormatError for an unknown format, ArgumentError for an unknown rounding or for one that a recipe cannot
    carry: stochastic rounding needs a seed for every layer, pass and step.
    """

    format: BlockFormat
    rounding: Rounding = Rounding.NEAREST_EVEN

    def __post_init__(self) -> None:
        rounding = enum_member(Rounding, self.rounding, "rounding")
        if rounding is Rounding.STOCHASTIC:
            raise ArgumentError("rounding='stochastic' needs a seed, which a cast has not; use 'nearest_even'")
        object.__setattr__(self, "format", find_format(self.format))
        object.__setattr__(self, "rounding", rounding)

    @classmethod
    def to(cls, fmt: str | BlockFormat, *, rounding: str | Rounding = Rounding.NEAREST_EVEN) -> "Cast":
        """The cast to a format given by its name, its spec text or itself."""
        return cls(format=find_format(fmt), rounding=enum_member(Rounding, rounding, "rounding"))

    @property
    def format_text(self) -> str:
        """The name of a format that lowbit itself registers, else the spec text: any process reads both back."""
        shipped = any(self.format.name == known.name and self.format == known for known in CATALOG)
        return self.format.name if shipped else self.format.spec

    def __str__(self) -> str:
        plain = self.rounding is Rounding.NEAREST_EVEN
        return self.format_text if plain else f"{self.format_text} {self.rounding.value}"
