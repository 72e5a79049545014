"""How the elements of a call are rounded: the mode, and for stochastic rounding where its random bits come from."""

from collections.abc import Sequence
from dataclasses import dataclass

from lowbit.errors import ArgumentError
from lowbit.formats import BlockFormat, Correction, Rounding, Stochastic
from lowbit.formats.rounding import find_rounding
from lowbit.ops.draws import RandomSource, find_place
from lowbit.reference.philox import WORD, philox4x32, random_bits
from lowbit.reference.rounding import Draw, Mode


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """The checked rounding arguments of a call: the mode and, where something is random, key, stream and place.

    The element at a position has the logical index `first` + Σ position × stride in the whole tensor.
    """

    chosen: Rounding | Stochastic
    seed: int | None
    stream: int
    first: int
    strides: tuple[int, ...]

    def logical_index(self, position: Sequence[int]) -> int:
        """The row-major index of an element in the whole logical tensor."""
        return self.first + sum(place * stride for place, stride in zip(position, self.strides, strict=True))

    def mode(self, position: Sequence[int]) -> Mode:
        """How the element at this position is rounded."""
        if not isinstance(self.chosen, Stochastic):
            return self.chosen
        assert self.seed is not None  # the arguments were checked
        rule, bits = self.chosen.rule, self.chosen.bits
        drawn = random_bits(self.logical_index(position), bits=bits, seed=self.seed, stream=self.stream)
        return Draw(rule=rule, bits=bits, random=drawn)

    def __str__(self) -> str:
        if isinstance(self.chosen, Stochastic):
            return f"stochastic rounding, {self.chosen.bits} bits, rule {self.chosen.rule.value}, seed {self.seed}"
        return f"rounding {self.chosen.value}"


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
    rounding: str | Rounding | Stochastic, source: RandomSource, fmt: BlockFormat, shape: tuple[int, ...]
) -> Draws:
    """The arguments of a call, checked as `qdq` does. ArgumentError for a seed that is missing or has no effect."""
    chosen = find_rounding(rounding)
    random_scales = fmt.correction is Correction.EDEN
    if random_scales and source.seed is None:
        raise ArgumentError(f"{fmt} rounds its scales stochastically; give seed= an integer from 0 to 2^64-1")
    place = find_place(Stochastic() if random_scales else chosen, source, shape)
    if place is None:
        return Draws(chosen=chosen, seed=None, stream=0, first=0, strides=(0,) * len(shape))
    if random_scales and (place.offset or source.origin is not None):
        raise ArgumentError(f"a piece does not say which blocks of {fmt} it holds; explain the whole tensor")
    return Draws(chosen=chosen, seed=place.seed, stream=place.stream, first=place.offset, strides=place.strides)
