"""The steps of one rounding to a grid: neighbours, distance, random bits, decision."""

from dataclasses import dataclass
from fractions import Fraction

from lowbit.explanations.draws import Draws, logical_index, philox_call
from lowbit.explanations.numbers import code_text, number_text
from lowbit.explanations.records import Step, Value
from lowbit.formats import Rounding, Stochastic, StochasticRule
from lowbit.reference.rounding import HALF, Draw, Mode, Rounded

MODES: dict[Rounding, str] = {
    Rounding.NEAREST_EVEN: "up above 1/2; a tie goes to the even code",
    Rounding.NEAREST_AWAY: "up above 1/2; a tie goes away from zero",
    Rounding.TOWARD_ZERO: "the neighbour nearer to zero",
    Rounding.TOWARD_POSITIVE: "the neighbour nearer to plus infinity",
    Rounding.TOWARD_NEGATIVE: "the neighbour nearer to minus infinity",
    Rounding.TO_ODD: "the neighbour with the odd code",
}
"""What decides in every deterministic mode of contract §5."""

RULES: dict[StochasticRule, str] = {
    StochasticRule.MIDPOINT: "up where d + (2r + 1) / 2^(b+1) ≥ 1",
    StochasticRule.BIASED: "up where d + r / 2^b ≥ 1",
    StochasticRule.NEAREST_EVEN: "up where round(d·2^b) + r ≥ 2^b, ties to even",
    StochasticRule.NEAREST_ODD: "up where round(d·2^b) + r ≥ 2^b, ties to odd",
}
"""The same for the stochastic rules."""


def random_steps(section: str, draws: Draws, position: tuple[int, ...]) -> list[Step]:
    """Where the random bits of the element at this position come from."""
    place = draws.elements
    if not isinstance(draws.chosen, Stochastic) or place is None:
        return []
    return philox_steps(section, logical_index(place, position), draws.chosen.bits, place.seed, place.stream)


def philox_steps(section: str, index: int, bits: int, seed: int, stream: int) -> list[Step]:
    """Logical index, counter, key, word and the bits cut from it (contract §5)."""
    call = philox_call(index, bits=bits, seed=seed, stream=stream)
    drawn = call.words[call.word] >> call.shift & ((1 << bits) - 1)
    cut = f"bits {call.shift} to {call.shift + bits - 1} of word {call.word}"

    def step(symbol: str, name: str, value: Value, pattern: str, formula: str) -> Step:
        return Step(section=section, name=name, symbol=symbol, value=value, bits=pattern, formula=formula, clause="§5")

    counter = " ".join(f"{part:08X}" for part in call.counter)
    return [
        step("n", "logical index", index, "", "row-major index in the whole tensor, or its block grid"),
        step("counter", "Philox counter", counter, "", f"n div {128 // bits} in two words, stream {stream:#x}, 0"),
        step("key", "Philox key", " ".join(f"{part:08X}" for part in call.key), "", f"seed {seed} in two words"),
        step("words", "Philox words", " ".join(f"{part:08X}" for part in call.words), "", "Philox4x32-10"),
        step("r", "random bits", drawn, f"0x{drawn:0{bits // 4}X}", f"{cut}: uniform in [0, 2^{bits})"),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What is rounded to what: the section of the steps, the number's `symbol` and the grid, in words.

    `bits` are those of a code; `signed` says that the neighbours are signed values and not magnitudes.
    """

    section: str
    symbol: str
    grid: str
    bits: int
    signed: bool = False

    @property
    def position(self) -> str:
        """What lies between the neighbours."""
        return self.symbol if self.signed else f"|{self.symbol}|"

    def step(self, symbol: str, name: str, value: Value, pattern: str = "", formula: str = "", *notes: str) -> Step:
        """A step of the rounding."""
        return Step(
            section=self.section, name=name, symbol=symbol, value=value, bits=pattern, formula=formula, clause="§5",
            notes=notes,
        )  # fmt: skip


def rounding_steps(y: float | Fraction, found: Rounded, mode: Mode, target: Target) -> list[Step]:
    """Neighbours, distance and decision of a rounding."""
    if found.low is None or found.low_code is None:
        return []
    step, low_bits = target.step, code_text(found.low_code, target.bits)
    if found.distance is None or found.high is None:
        notes = _end_notes(y, found, target)
        return [step("lo", "value taken", found.low, low_bits, f"the value on {target.grid}", *notes)]
    above = "neighbour above" if found.high_code is not None else "where the grid would go on: overflow"
    high_bits = "" if found.high_code is None else code_text(found.high_code, target.bits)
    tie = found.distance == HALF and mode in (Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY)
    rule = RULES[mode.rule] if isinstance(mode, Draw) else MODES[mode]
    notes = (rule.split("; ")[-1],) if tie else ()
    return [
        step("lo", "lower neighbour", found.low, low_bits, f"neighbour below {target.position} on {target.grid}"),
        step("hi", "upper neighbour", found.high, high_bits, above),
        step("mid", "midpoint", (found.low + found.high) / 2, "", "(lo + hi) / 2"),
        step("d", "distance", found.distance, "", f"({target.position} - lo) / (hi - lo)"),
        *_sum_steps(found.distance, mode, target),
        step("up", "takes the upper neighbour", found.up, "", rule, *notes),
    ]


def _sum_steps(distance: Fraction, mode: Mode, target: Target) -> list[Step]:
    """What stochastic rounding compares."""
    if not isinstance(mode, Draw):
        return []
    whole = 1 << mode.bits
    match mode.rule:
        case StochasticRule.MIDPOINT:
            total = distance + Fraction(2 * mode.random + 1, 2 * whole)
            return [target.step("sum", "compared with 1", total, "", "d + (2r + 1) / 2^(b+1)")]
        case StochasticRule.BIASED:
            total = distance + Fraction(mode.random, whole)
            return [target.step("sum", "compared with 1", total, "", "d + r / 2^b")]
        case StochasticRule.NEAREST_EVEN | StochasticRule.NEAREST_ODD:
            return [target.step("d·2^b", "distance in steps of the random number", distance * whole)]


def _end_notes(y: float | Fraction, found: Rounded, target: Target) -> tuple[str, ...]:
    """Why a number without an upper neighbour is where it is."""
    position = y if target.signed else abs(y)
    if found.low is not None and position != found.low:
        return (f"saturated: {target.symbol} = {number_text(y)} lies beyond the end of the grid",)
    return ()
