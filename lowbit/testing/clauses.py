"""The clauses of the numerical contract that a quantizer is checked on: one row each, the most basic ones first.

A clause's inputs have what the clause is about and nothing else that is special (features.py), so that a defect is
reported under its own name. Adding a clause is one row here and one generator of inputs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lowbit.testing import (
    element_inputs,
    level_inputs,
    option_inputs,
    random_inputs,
    rotation_inputs,
    scale_inputs,
    shape_inputs,
    special_inputs,
)
from lowbit.testing.subject import Case, Subject


@dataclass(frozen=True)
class Clause:
    """One row: `id` begins with the section of docs/numerics.md; `title` says what the inputs are, `rule` what must
    hold; `cases` makes the inputs (none where a format has no such thing); `needs` are keywords it cannot do without.
    """

    id: str
    title: str
    rule: str
    cases: Callable[[Subject], Iterator[Case]]
    needs: frozenset[str] = frozenset()

    @property
    def section(self) -> str:
        """The section of the contract, as §5."""
        return f"§{self.id.partition('.')[0]}"

    @property
    def kind(self) -> str:
        """Which subjects it is for: those that rotate, those that draw, or all that do not rotate."""
        if self.id.startswith("6."):
            return "rotating"
        return "drawing" if self.id.startswith("5.stochastic") or self.id in DRAWING else "all"


DRAWING = frozenset({"5.random_index", "5.random_seed", "5.random_stream", "5.random_offset", "5.random_shard"})

_e, _s, _l, _r, _h, _o = element_inputs, scale_inputs, level_inputs, random_inputs, shape_inputs, option_inputs


def _row(id: str, title: str, rule: str, cases: Callable[[Subject], Iterator[Case]], *needs: str) -> Clause:
    return Clause(id, title, rule, cases, frozenset(needs))


CLAUSES: tuple[Clause, ...] = (
    _row("1.values", "values of the element", "a value of the grid times the scale comes back unchanged", _e.values),
    _row(
        "1.negative_zero",
        "-0 and negative numbers that round to zero",
        "signed zero keeps its sign where the element has -0; others give +0",
        _e.negative_zeros,
    ),
    _row("2.decode", "scales of many digits", "value = fl(fl(element × block scale) × tensor scale)", _e.products),
    _row(
        "3.zero_block",
        "blocks of zeros",
        "a block of zeros is zeros; its power-of-two scale has code 0",
        _s.zero_blocks,
    ),
    _row(
        "3.scale_rule_boundaries",
        "amaxes next to where the scale changes",
        "the scale follows from amax exactly by the format's rule, with exponents read from the bits",
        _s.boundaries,
    ),
    _row(
        "3.scale_is_rounded_first",
        "amaxes whose scale has to be rounded",
        "the elements are divided by the decoded, rounded scale, never by the unrounded one",
        _s.rounded_scales,
    ),
    _row("3.scale_target", "amaxes that a reciprocal would round otherwise", "the target is fl(amax / M)", _s.targets),
    _row(
        "3.quotient",
        "numbers whose quotient by the scale is next to a midpoint",
        "y = fl(x / scale), one rounding; no reciprocal and no fused operation (with one level)",
        _s.quotients,
    ),
    _row("3.largest_scale", "amaxes beyond the largest scale", "a float scale saturates", _s.largest_scales),
    _row(
        "3.smallest_scale",
        "subnormal float scales and those that round to zero",
        "small scales round on the scale's own grid; scale_floor says what replaces zero",
        _s.smallest_scales,
    ),
    _row(
        "3.tiny_amax",
        "amaxes from 2^-149 to 2^-120",
        "scales are clamped at their smallest, and the division stays exact",
        _s.tiny_blocks,
    ),
    _row(
        "3.huge_amax", "amaxes up to the largest float", "scales and products of huge blocks are exact", _s.huge_blocks
    ),
    _row(
        "4.tensor_amax",
        "tensors of several amaxes",
        "g and t follow from the tensor's amax A as §4 says",
        _l.tensor_amaxes,
    ),
    _row(
        "4.arithmetic",
        "numbers for which the order of operations decides",
        "the scaled number is computed in the format's arithmetic, operation by operation",
        _l.arithmetic,
    ),
    _row("4.small_block", "blocks far below the tensor's amax", "such scales are subnormal or zero", _l.small_blocks),
    _row(
        "4.zero_tensor", "tensors of zeros", "A = 0 gives zeros, and a tensor scale that is not zero", _l.zero_tensors
    ),
    _row("4.extreme_tensor", "tensors of tiny and huge amax", "g is clamped to the largest float", _l.extreme_tensors),
    _row(
        "4.tensor_amax_argument",
        "pieces with the amax of the whole tensor",
        "g and t follow from tensor_amax",
        _l.given_amaxes,
        "tensor_amax",
    ),
    _row(
        "4.tensor_scale_argument",
        "static tensor scales",
        "g = fl(1/t), and t decodes",
        _l.given_scales,
        "tensor_scale",
    ),
    _row(
        "4.candidates",
        "blocks that are near between two ways to store them",
        "the candidate with the smaller error wins; a later one only if strictly smaller",
        _l.candidates,
    ),
    _row(
        "5.rounding", "numbers between neighbours", "a number rounds to a neighbour as the mode says", _e.between_values
    ),
    _row("5.ties", "exact midpoints", "ties go where the mode says: nearest_even to the even code", _e.ties),
    _row("5.near_ties", "binary32 neighbours of midpoints", "next to a midpoint is not on it", _e.near_ties),
    _row("5.underflow", "numbers far below the smallest value", "they round as all others do", _e.underflow),
    _row(
        "5.saturation",
        "numbers beyond the largest value",
        "overflow=saturate gives the largest value, inf_nan infinity or NaN from half a step beyond it",
        _e.saturation,
    ),
    _row(
        "5.stochastic_bits",
        "numbers in the middle of their gap",
        "up iff d and the element's Philox bits say so (seed, stream and index give the bits)",
        _r.drawn,
        "seed",
    ),
    _row(
        "5.stochastic_tiny",
        "numbers below half the smallest value",
        "numbers next to zero go up as often as their distance says, and by the same bits",
        _r.tiny,
        "seed",
    ),
    _row(
        "5.stochastic_thresholds",
        "numbers on the threshold of their own random bits",
        "up iff d + (2r+1)/2^(b+1) ≥ 1 (midpoint rule; the other rules as §5 says)",
        _r.thresholds,
        "seed",
    ),
    _row("5.random_seed", "seeds of 64 bits", "the key is (seed low 32, seed high 32)", _r.seeds, "seed"),
    _row("5.random_stream", "other streams", "the stream is word 2 of the counter", _r.streams, "seed", "stream"),
    _row(
        "5.random_offset",
        "pieces that begin elsewhere",
        "the index of the first element is the offset, 64 bits wide",
        _r.offsets,
        "seed",
        "offset",
    ),
    _row(
        "5.random_index",
        "matrices in several orders",
        "the index is row-major in the logical tensor, whatever the axis of the blocks and the memory order",
        _r.indices,
        "seed",
    ),
    _row(
        "5.random_shard",
        "boxes of a larger tensor",
        "origin and global_shape give the index in the whole tensor",
        _r.shards,
        "seed",
        "origin",
        "global_shape",
    ),
    _row(
        "6.signs_before", "one number in a group", "y = c · H · (D ∘ x): signs come before H", rotation_inputs.impulses
    ),
    _row(
        "6.matrix",
        "groups that the matrix gathers",
        "H is Sylvester's (or §11's) and c is 1/√n",
        rotation_inputs.constants,
    ),
    _row(
        "6.order",
        "numbers whose sum depends on the order",
        "butterflies of stride 1, 2, 4, … in binary32, one multiplication by c last",
        rotation_inputs.orders,
    ),
    _row(
        "6.groups", "several groups along the axis", "every group is rotated alike, on its own", rotation_inputs.groups
    ),
    _row(
        "6.padding",
        "axes that n does not divide",
        "the axis is padded with zeros and stays so",
        rotation_inputs.paddings,
    ),
    _row(
        "7.blocks",
        "consecutive blocks of different scales",
        "blocks begin and end where the format says",
        _h.neighbours,
    ),
    _row(
        "7.ragged_tail", "short last blocks", "the last block may be shorter, as if padded with zeros", _h.ragged_tails
    ),
    _row("7.axis", "matrices that differ along both axes", "blocks run along the axis that was asked for", _h.axes),
    _row("7.dimensions", "tensors of three axes", "any number of dimensions", _h.more_axes),
    _row("7.strides", "views of every kind", "results do not depend on strides", _h.strides),
    _row("7.empty", "tensors without elements", "empty tensors are fine", _h.empty),
    _row(
        "8.nan",
        "NaN",
        "a block with NaN decodes to NaN and leaves the others alone; casts keep NaN; formats without NaN refuse it",
        special_inputs.nans,
    ),
    _row(
        "8.infinity",
        "infinities",
        "a block with an infinity decodes to NaN; casts saturate or keep it; formats without NaN refuse it",
        special_inputs.infinities,
    ),
    _row("0.subnormals", "subnormal inputs and results", "nothing is flushed to zero", _s.subnormals),
    _row("12.statistic", "blocks with a root mean square", "statistic=rms", _o.statistics),
    _row("12.scale_domain", "blocks whose inverse scale is stored", "scale_domain=encode", _o.encoded_scales),
    _row("12.micro_exponents", "runs of different magnitudes", "micro_exponents", _o.micro_exponents),
    _row("12.peak", "largest magnitudes with more digits", "peak=extra_mantissa", _o.peaks),
    _row("12.zero_point", "ranges on and across zero", "zero_point=integer", _o.zero_points),
    _row("12.correction", "groups that are too short or too long", "correction=eden", _o.corrections),
    _row(
        "12.sparsity",
        "runs with equal magnitudes",
        "sparsity=n:m: the largest stay, of equals the earlier",
        _o.sparse_runs,
    ),
)
"""Every clause, in the order in which reports list them."""


FREQUENCIES = {
    "5.stochastic_neighbours": ("copies of one number", "stochastic rounding gives one of the two neighbours"),
    "5.stochastic_frequency": ("copies of one number", "a number goes up as often as its distance says"),
    "5.stochastic_tiny": ("copies of a number below the smallest value", "tiny numbers go up as often as they should"),
}
"""Clauses on quantizers with random numbers of their own, checked by counting: id -> title and rule."""


def list_clauses() -> list[str]:
    """The ids of all clauses."""
    return list(dict.fromkeys([*(clause.id for clause in CLAUSES), *FREQUENCIES]))
