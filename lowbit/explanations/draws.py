"""How the elements of a call are rounded: the mode, and for stochastic rounding where its random bits come from."""

from collections.abc import Sequence
from dataclasses import dataclass

from lowbit.formats import BlockFormat, Rounding, Stochastic
from lowbit.formats.rounding import find_rounding
from lowbit.ops.draws import Place, RandomSource, find_places
from lowbit.reference.philox import WORD, philox4x32, random_bits
from lowbit.reference.rounding import Draw, Mode


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """The checked rounding arguments of a call: the mode, and where elements and corrected scales lie in the whole
    tensor and its block grid; None where they draw nothing.
    """

    chosen: Rounding | Stochastic
    elements: Place | None
    blocks: Place | None

    def mode(self, position: Sequence[int]) -> Mode:
        """How the element at this position is rounded."""
        if not isinstance(self.chosen, Stochastic):
            return self.chosen
        assert self.elements is not None  # the arguments were checked
        bits, place = self.chosen.bits, self.elements
        drawn = random_bits(logical_index(place, position), bits=bits, seed=place.seed, stream=place.stream)
        return Draw(rule=self.chosen.rule, bits=bits, random=drawn)

    def __str__(self) -> str:
        seed = next((f", seed {place.seed}" for place in (self.elements, self.blocks) if place is not None), "")
        if isinstance(self.chosen, Stochastic):
            return f"stochastic rounding, {self.chosen.bits} bits, rule {self.chosen.rule.value}{seed}"
        return f"rounding {self.chosen.value}{seed}"


def logical_index(place: Place, position: Sequence[int]) -> int:
    """The row-major index, in the whole, of what lies at this position (a scalar's strides are none)."""
    return place.offset + sum(at * stride for at, stride in zip(position, place.strides, strict=False))


@dataclass(frozen=True, kw_only=True, slots=True)
class PhiloxCall:
    """The call of the generator that an element's bits are cut from, and where they lie in its four words."""

    counter: tuple[int, int, int, int]
    key: tuple[int, int]
    words: tuple[int, int, int, int]
    word: int
    shift: int


def philox_call(index: int, *, bits: int, seed: int, stream: int) -> PhiloxCall:
    """Counter, key and words for the element of this logical index (contract §5)."""
    group, lane = divmod(index, 128 // bits)
    word, position = divmod(lane, 32 // bits)
    counter, key = (group & WORD, group >> 32, stream, 0), (seed & WORD, seed >> 32)
    return PhiloxCall(counter=counter, key=key, words=philox4x32(counter, key), word=word, shift=bits * position)


def checked_draws(
    rounding: str | Rounding | Stochastic,
    source: RandomSource,
    fmt: BlockFormat,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
) -> Draws:
    """The arguments of a call, checked as `qdq` does. ArgumentError for a seed that is missing or has no effect."""
    chosen = find_rounding(rounding)
    places = find_places(fmt, chosen, source, shape, axes)
    return Draws(chosen=chosen, elements=places.elements, blocks=places.blocks)
