"""Names of the choices a format or a cast makes: rounding, overflow, scale rule and scale policies.

Every enum member's value is the text that users write; contract sections refer to the project's numerical contract
(`docs/numerics.md`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from lowbit.errors import ArgumentError


class Rounding(StrEnum):
    """How a real number becomes an element (contract §5). Even and odd refer to the last bit of the *code*."""

    NEAREST_EVEN = "nearest_even"
    NEAREST_AWAY = "nearest_away"
    TOWARD_ZERO = "toward_zero"
    TOWARD_POSITIVE = "toward_positive"
    TOWARD_NEGATIVE = "toward_negative"
    TO_ODD = "to_odd"
    STOCHASTIC = "stochastic"


class StochasticRule(StrEnum):
    """When stochastic rounding goes up, given d in [0, 1) and b random bits r (contract §5)."""

    MIDPOINT = "midpoint"
    NEAREST_EVEN = "nearest_even"
    NEAREST_ODD = "nearest_odd"
    BIASED = "biased"


class Overflow(StrEnum):
    """What becomes of a rounded magnitude beyond the largest finite element."""

    SATURATE = "saturate"
    INF_NAN = "inf_nan"


class ScaleRule(StrEnum):
    """From a block's statistic to its scale (contract §3).

    FLOOR, EVEN, CEIL, RCEIL, NEAREST and MSE give powers of two; NEAREST_EVEN and CEIL round a float scale onto its own
    grid.
    """

    FLOOR = "floor"
    EVEN = "even"
    CEIL = "ceil"
    RCEIL = "rceil"
    NEAREST = "nearest"  #: of the logarithm, ties up
    MSE = "mse"  #: floor or floor + 1, whichever has the smaller squared error; the larger where they tie
    NEAREST_EVEN = "nearest_even"


class Statistic(StrEnum):
    """The number that stands for a block when its scale is chosen (contract §3)."""

    AMAX = "amax"
    RMS = "rms"


class ScaleDomain(StrEnum):
    """Which of a float scale and its inverse is rounded and stored (contract §4)."""

    DECODE = "decode"
    ENCODE = "encode"


class Select(StrEnum):
    """The error that decides between candidates of a block (contract §4, four over six)."""

    MSE = "mse"
    MAE = "mae"


class Peak(StrEnum):
    """How the largest magnitude of a block is stored."""

    PLAIN = "plain"
    EXTRA_MANTISSA = "extra_mantissa"  #: its known exponent's bits become mantissa bits (MX+)


class ZeroPoint(StrEnum):
    """Whether the codes of a block are shifted so that its smallest value is code 0."""

    NONE = "none"
    INTEGER = "integer"


class Correction(StrEnum):
    """A second pass over the scales, after the elements are rounded."""

    NONE = "none"
    EDEN = "eden"  #: MS-EDEN: scales times <x,x>/<x,q>, rounded stochastically


class ScaleFloor(StrEnum):
    """What a float scale that would round to zero becomes (contract §3)."""

    ZERO = "zero"
    ONE = "one"
    MIN_NORMAL = "min_normal"


class Arithmetic(StrEnum):
    """Order of the binary32 operations between the block maximum and the scaled element (contract §3 and §4)."""

    DIVIDE = "divide"
    TRANSFORMER_ENGINE = "transformer_engine"
    TORCHAO = "torchao"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stochastic:
    """Stochastic rounding with `bits` random bits an element (8, 16 or 32) and one of the four rules of contract §5.

    Raises ArgumentError for any other number of bits or rule.
    """

    bits: int = 32
    rule: StochasticRule = StochasticRule.MIDPOINT

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule", enum_member(StochasticRule, self.rule, "rule"))
        if isinstance(self.bits, bool) or self.bits not in (8, 16, 32):
            raise ArgumentError(f"bits={self.bits!r} is not allowed for stochastic rounding; use 8, 16 or 32")

    def __str__(self) -> str:
        return f"stochastic:{self.bits}:{self.rule.value}"


def find_rounding(rounding: str | Rounding | Stochastic) -> Rounding | Stochastic:
    """A mode by its name, by the text of a `Stochastic` or as it is; never plain Rounding.STOCHASTIC.

    "stochastic" has 32 bits and the midpoint rule; its text, "stochastic:8:biased", says both. Raises ArgumentError.
    """
    if isinstance(rounding, Stochastic):
        return rounding
    if isinstance(rounding, str) and rounding.startswith("stochastic:"):  # pyright: ignore[reportUnnecessaryIsInstance]
        bits, _, rule = rounding.removeprefix("stochastic:").partition(":")
        known: Any = int(bits) if bits in ("8", "16", "32") else bits  # else Stochastic says what is allowed
        return Stochastic(bits=known, rule=enum_member(StochasticRule, rule, "rule"))
    mode = enum_member(Rounding, rounding, "rounding")
    return Stochastic() if mode is Rounding.STOCHASTIC else mode


E = TypeVar("E", bound=StrEnum)


def enum_member(kind: type[E], text: E | str, argument: str) -> E:
    """The member of `kind` that `text` names; ArgumentError names the argument and what is allowed otherwise."""
    try:
        return kind(text)
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise ArgumentError(f"{argument}={text!r} is not known; choose one of: {allowed}") from None
