"""The round stage: scaled elements to values or codes, sixteen at a time; tables are looked up by `tables`.

To nearest even: adding and subtracting a power of two M rounds to a multiple of M's last place; with M chosen from the
element's own exponent that place is the element's grid step. The same sum also holds the code: the distance of its bit
pattern from M's counts steps.

Every other mode counts steps in integers and decides by the numbers of `lowbit.rounding_rules`. Which of the two is
compiled follows from the type of `how`: None, or the constants of the mode.
"""

import numpy as np

from lowbit.kernels.cpu.jit import small_stage, stage
from lowbit.kernels.cpu.scalar import INFINITY_BITS
from lowbit.kernels.cpu.scale import LEAST_BITS, ONE_BITS, divides, in_place
from lowbit.kernels.cpu.tables import entry_codes, entry_values
from lowbit.kernels.cpu.vector import (
    ABSOLUTE,
    EXPONENT,
    SIGN,
    as_bits,
    as_real,
    bits_of,
    larger,
    small_number,
    smaller,
    splat_bits,
    splat_real,
    truncated,
    truncated_small,
    where_below,
    where_less,
    where_zero,
    whole_part,
)
from lowbit.lowering import POWER_OF_TWO, ROUND_BITS

TO_LAST_PLACE = np.uint32(23 << 23)  #: from M's exponent to that of its last place
TWICE_BIAS = np.uint32(254 << 23)  #: less a power of two's bits: those of its inverse
LEAST = np.float32(2.0**-40)  #: no random bits reach a distance this small


@small_stage
def element_constants(p):
    """The plan's element as vectors: lowest exponent, exponent shift to M, clamp, largest, what lies beyond it.

    Read once before a loop: the compiler cannot know that a store leaves the plan alone, and would read it again.
    """
    return (
        splat_bits(np.uint32((p.min_exponent + 127) << 23)),
        splat_bits(np.uint32((23 - p.mantissa) << 23)),
        splat_real(np.float32(p.clamp)),
        splat_real(np.float32(p.max)),
        splat_real(np.float32(p.overflow)),
    )


@small_stage
def _ceiling(p):
    """Bits of what dropping mantissa bits leads to at most."""
    return bits_of(np.float32(p.max)) if p.overflow == p.max else INFINITY_BITS


@small_stage
def value_constants(p):
    """(in place, drop bits, divide, saturating with one level, dropped bits, ceiling, tensor scale, zero, sign masks).

    Elements without -0 lose the sign of a zero: `zero` is added last where nothing else can be zero (+0 turns -0 into
    +0, -0 changes nothing), else signs are masked. NaN has no sign either, infinities have one.
    """
    zero = np.float32(-0.0) if p.negative_zero else np.float32(0.0)
    return (
        in_place(p),
        p.vector == ROUND_BITS,
        divides(p),
        p.overflow == p.max and p.tensor_scale == 1.0,
        splat_bits(np.uint32(23 - p.mantissa)),
        splat_bits(_ceiling(p)),
        splat_real(np.float32(p.tensor_scale)),
        splat_real(zero),
        splat_bits(SIGN if p.negative_zero else np.uint32(0)),
        splat_bits(SIGN if p.overflow == p.overflow else np.uint32(0)),
    )


@small_stage
def code_constants(p):
    """(in place, drop bits, divide, two's complement, dropped bits, ceiling, code past the largest, and for signs:
    shift, mask, first and end of a range).

    A float's sign is attached to codes in a range: from 0 where it has -0, else from 1, and not to a NaN.
    """
    return (
        in_place(p),
        p.vector == ROUND_BITS,
        divides(p),
        p.twos_complement != 0,
        splat_bits(np.uint32(23 - p.mantissa)),
        splat_bits(_ceiling(p)),
        splat_bits(p.overflow_code),
        splat_bits(np.uint32(32 - p.bits)),
        splat_bits(np.uint32((np.uint64(1) << np.uint64(p.bits)) - np.uint64(1))),
        splat_bits(np.uint32(0) if p.negative_zero else np.uint32(1)),
        splat_bits(p.overflow_code if p.overflow != p.overflow else np.uint32(0xFFFFFFFF)),
    )


@stage
def mode_constants(p, draw):
    """None to round to nearest even (nothing to draw from), else the constants of the plan's mode as vectors.

    (bits, whether the fractions are one, 2^b, 2^b - 1, 1 where the grid's own parity decides, what nonzero steps are
    raised to, four fractions).
    """
    if draw is None:
        return None
    same = p.positive_even == p.positive_odd == p.negative_even == p.negative_odd
    return (
        p.draw_bits,
        same,
        splat_real(np.float32(np.int64(1) << np.int64(p.draw_bits))),
        splat_bits(np.uint32((np.int64(1) << np.int64(p.draw_bits)) - np.int64(1))),
        splat_bits(np.uint32(1 if p.draw_bits == 0 else 0)),
        splat_bits(LEAST_BITS if p.scale_family <= POWER_OF_TWO else np.uint32(0)),
        splat_real(_fraction(p.positive_even)),
        splat_real(_fraction(p.positive_odd)),
        splat_real(_fraction(p.negative_even)),
        splat_real(_fraction(p.negative_odd)),
    )


@small_stage
def _fraction(number):
    """A fraction of a step as binary32: the smallest one is still below every step that is not zero."""
    return max(np.float32(number), LEAST)


@small_stage
def scaled_magnitude(bits, encode, divide):
    """|y|: the scaled magnitudes of tensor elements."""
    return scaled(bits & splat_bits(ABSOLUTE), encode, divide)


@small_stage
def scaled(bits, encode, divide):
    """y: scaled elements."""
    if divide:
        return as_real(bits) / encode
    return as_real(bits) * encode


@stage
def round_to_values(element, value, how, table, bits, encode, scale, random):
    """Binary32 bits of the fake-quantized elements: fl(fl(element * scale) * tensor scale) with the input's sign.

    `element`, `value`, `how`: the constants of this file; `table`: None, or those of an irregular grid (`tables`);
    `encode`, `scale`: what `choose_scales` chose.
    """
    lowest, shift, clamp, largest, beyond = element
    inside, drops, divide, simple, dropped, ceiling, level, zero, zero_signs, beyond_signs = value
    if table is not None:
        return as_bits((entry_values(table, bits, scaled(bits, encode, divide)) * scale) * level)
    sign = bits & splat_bits(SIGN)
    if inside:
        rounded, _, _ = _round(how, as_real(bits & splat_bits(ABSOLUTE)), as_bits(encode), shift, bits, random)
        return as_bits(as_real(as_bits(smaller(rounded, scale)) | sign) + zero)
    if drops:
        return _drop_bits(how, dropped, ceiling, bits, random) | sign
    rounded, _, _ = _round(how, smaller(scaled_magnitude(bits, encode, divide), clamp), lowest, shift, bits, random)
    sign = where_less(splat_real(np.float32(0)), rounded, sign, sign & zero_signs)
    if simple:
        return as_bits(rounded * scale) | sign
    sign = where_less(largest, rounded, sign & beyond_signs, sign)
    return as_bits((where_less(largest, rounded, beyond, rounded) * scale) * level) | sign


@stage
def round_to_codes(element, code, how, table, bits, encode, scale, random):
    """Element codes of tensor elements; arguments as for `round_to_values`."""
    lowest, shift, clamp, largest, _ = element
    inside, drops, divide, integer, dropped, ceiling, beyond, sign_shift, mask, first_signed, end_signed = code
    zero = splat_bits(np.uint32(0))
    if table is not None:
        return entry_codes(table, bits, scaled(bits, encode, divide))
    if drops:
        codes = _drop_bits(how, dropped, ceiling, bits, random) >> dropped
    else:
        if inside:
            magnitude, lowest = smaller(as_real(bits & splat_bits(ABSOLUTE)), scale), as_bits(encode)
        else:
            magnitude = smaller(scaled_magnitude(bits, encode, divide), clamp)
        rounded, steps, binade = _round(how, magnitude, lowest, shift, bits, random)
        codes = steps + ((binade - lowest) >> dropped)
        if not inside:  # there, magnitudes were clamped to the largest value of the scaled grid
            codes = where_less(largest, rounded, beyond, codes)
    if integer:
        return where_below(bits, splat_bits(SIGN), codes, zero - codes) & mask
    sign = (bits & splat_bits(SIGN)) >> sign_shift
    return codes | where_below(codes, first_signed, zero, where_below(codes, end_signed, sign, zero))


@small_stage
def nearest(magnitude, lowest, shift):
    """`_round` to nearest even."""
    binade = larger(as_bits(magnitude) & splat_bits(EXPONENT), lowest)
    magnet = as_real(binade + shift)
    total = magnitude + magnet
    return total - magnet, as_bits(total) - as_bits(magnet), binade


@stage
def _round(how, magnitude, lowest, shift, bits, random):
    """(rounded magnitudes, their grid steps, their binades) on the grid with this lowest exponent.

    `shift` leads from a binade to M's; `bits` are the elements' own, of which the sign and whether they are zero count.
    """
    if how is None:
        return nearest(magnitude, lowest, shift)
    _, _, _, _, _, least, _, _, _, _ = how
    binade = larger(as_bits(magnitude) & splat_bits(EXPONENT), lowest)
    step = (binade + shift) - splat_bits(TO_LAST_PLACE)
    inverse = splat_bits(TWICE_BIAS) - step
    zero = splat_bits(np.uint32(0))
    exact = as_bits(magnitude * as_real(inverse))
    exact = as_real(larger(exact, where_zero(bits & splat_bits(ABSOLUTE), zero, least)))
    below = whole_part(exact)
    above = below + splat_real(np.float32(1))
    steps = _goes_up(how, exact - below, truncated_small(below), bits, random, above, below)
    return steps * as_real(step), truncated_small(steps), binade


@stage
def _drop_bits(how, dropped, ceiling, bits, random):
    """Round binary32 magnitudes to fewer mantissa bits in integers: exact for subnormals, overflows to infinity."""
    one, magnitude = splat_bits(np.uint32(1)), bits & splat_bits(ABSOLUTE)
    below = magnitude >> dropped
    if how is None:
        return ((magnitude + (one << (dropped - one)) - one + (below & one)) >> dropped) << dropped
    unit = as_real(splat_bits(ONE_BITS) - (dropped << splat_bits(np.uint32(23))))
    rest = small_number(magnitude - (below << dropped)) * unit
    rounded = _goes_up(how, rest, below, bits, random, below + one, below) << dropped
    return where_below(rounded, ceiling, rounded, ceiling)


@stage
def _goes_up(how, rest, below, bits, random, yes, no):
    """`yes` in the lanes where R(d * 2^b) + r >= 2^b, for d = `rest` the distance from the lower neighbour, or `no`."""
    _, same, whole, all_ones, own_parity, _, positive_even, positive_odd, negative_even, negative_odd = how
    zero, one, sign = splat_bits(np.uint32(0)), splat_bits(np.uint32(1)), splat_bits(SIGN)
    drawn = rest * whole
    units, beyond = truncated(drawn), drawn - whole_part(drawn)
    if same:
        rises_from = positive_even
    else:
        even = where_below(bits, sign, positive_even, negative_even)
        odd = where_below(bits, sign, positive_odd, negative_odd)
        rises_from = where_zero((units | (below & own_parity)) & one, even, odd)
    units = units + where_less(beyond, rises_from, zero, one)
    return where_below(random ^ all_ones, units, yes, no)
