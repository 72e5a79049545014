"""Inputs of the clauses on block scales: boundaries between scales, rounding, ends of the range (contract §3)."""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from lowbit.formats import BlockFormat, ScaleDomain, Statistic, ZeroPoint
from lowbit.formats.binary32 import float_to_bits
from lowbit.reference import round as round_element
from lowbit.reference.binary32 import divide, multiply
from lowbit.reference.tensor_scale import TensorScale
from lowbit.testing.blocks import Block, cases, cleaned, filled
from lowbit.testing.features import INEXACT, NEAR_TIE, ORDINARY, SUBNORMAL, TIE, UNDERFLOW
from lowbit.testing.frames import Frame, points, quantized, quiet_anchor, quiet_level, quiet_scales, settle
from lowbit.testing.numbers import FLT_MAX, SMALLEST_NORMAL, few, nearest, shifted
from lowbit.testing.subject import Case, Subject

SUBNORMALS = ORDINARY | {SUBNORMAL, UNDERFLOW}


def zero_blocks(subject: Subject) -> Iterator[Case]:
    """A block of +0, alone and beside one with numbers."""
    if subject.fmt.scale is None:
        return
    ordinary = Block(quiet_anchor(subject.fmt, 1.0), 1)
    zeros = Block((0.0, 0.0), 2)
    yield from cases(subject, [zeros])
    yield from cases(subject, [ordinary, zeros])


def boundaries(subject: Subject) -> Iterator[Case]:
    """The largest amax of a scale and the smallest of the next, with numbers that tell the two scales apart."""
    fmt = subject.fmt
    if fmt.scale is None or fmt.is_float32_scale or fmt.zero_point is not ZeroPoint.NONE:
        return
    level, blocks = quiet_level(fmt), list[Block | None]()
    for low, high in scale_boundaries(fmt, level):
        for amax, other in ((low, high), (high, low)):
            right, wrong = settle(fmt, (amax,), level), settle(fmt, (other,), level)
            telling = _telling(subject, right, wrong) if right.works and wrong.works else []
            blocks += [cleaned(subject, b) for b in filled(subject, right, telling)]
    yield from cases(subject, blocks)


@lru_cache(maxsize=64)
def scale_boundaries(fmt: BlockFormat, level: TensorScale) -> tuple[tuple[float, float], ...]:
    """Neighbouring binary32 amaxes with different scales, found by bisection over their bits: true for every rule."""
    assert fmt.scale is not None  # callers leave plain casts out
    digits = 1 if fmt.scale.mantissa_bits == 0 else 2.0 ** -min(fmt.scale.mantissa_bits, 7)
    found: list[tuple[float, float]] = []
    for scale in quiet_scales(fmt)[:3]:
        for start in (1.0, 1.5 if digits < 1 else 1.0):
            (low,) = quiet_anchor(fmt, scale * start)
            (high,) = quiet_anchor(fmt, scale * (start + digits))
            pair = _bisected(fmt, level, low, high)
            if pair and pair not in found:
                found.append(pair)
    return tuple(found)


def _bisected(fmt: BlockFormat, level: TensorScale, low: float, high: float) -> tuple[float, float] | None:
    def word(bits_above: int) -> int:
        return quantized(fmt, (shifted(low, bits_above),), level).word

    first, last = 0, float_to_bits(high) - float_to_bits(low)
    start = word(first)
    if word(last) == start:
        return None
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if word(middle) == start else (first, middle)
    return shifted(low, first), shifted(low, last)


def _telling(subject: Subject, right: Frame, wrong: Frame) -> list[float]:
    """A few numbers that are rounded to other values with the wrong scale, and the second largest value."""
    fmt, found = subject.fmt, list[float]()
    if fmt.side_bits or len(fmt.candidates) > 1:
        return points(right, (0.25, 0.75), 6)
    candidates = [*points(right, (0.2, 0.3, 0.7, 0.8), 24), *points(wrong, (0.2, 0.3, 0.7, 0.8), 24)]
    amax = abs(right.anchor[0])
    for x in (x for x in candidates if 0 < x <= amax):
        results = [Fraction(round_element(f.y(x), fmt.element)) * f.unit for f in (right, wrong)]
        if results[0] != results[1]:
            found.append(x)
    return few(found, 4)


def rounded_scales(subject: Subject) -> Iterator[Case]:
    """Amaxes whose scale had to be rounded, with numbers for which it matters that the rounded one divides."""
    fmt = subject.fmt
    if fmt.scale is None or fmt.is_float32_scale or fmt.statistic is Statistic.RMS:
        return
    level, blocks = quiet_level(fmt), list[Block | None]()
    for scale in quiet_scales(fmt)[:2]:
        exact = [value / fmt.element.max for value in fmt.element.values()[-8:-1:2]]
        for factor in (0.53, 0.7, 0.72, 0.78, 1.05, *(exact if subject.is_stochastic else ())):
            anchor = tuple(nearest(Fraction(x) * Fraction(factor)) for x in quiet_anchor(fmt, scale))
            frame = settle(fmt, anchor, level)
            if frame.works:
                numbers = points(frame, (0.25, 0.42, 0.46, 0.54, 0.58, 0.75), 12)
                blocks += [cleaned(subject, b) for b in few(list(filled(subject, frame, numbers)), 2)]
    yield from cases(subject, blocks)


def targets(subject: Subject) -> Iterator[Case]:
    """Amaxes for which amax / M and amax × (1 / M) differ in the last bit, where the scale shows it."""
    fmt = subject.fmt
    one_level = fmt.scale is not None and fmt.scale.mantissa_bits > 4 and fmt.tensor_target is None
    if not one_level or fmt.statistic is Statistic.RMS or fmt.scale_domain is ScaleDomain.ENCODE:
        return
    target = float(fmt.candidates[0].target)
    inverse = divide(1.0, target)
    amaxes = [nearest(Fraction(1 + n * 5417, 7001) * Fraction(target)) for n in range(200)]
    different = [a for a in amaxes if divide(a, target) != multiply(a, inverse)]
    blocks = [Block((a,), 1) for a in few(different, 8)]
    yield from cases(subject, [cleaned(subject, b) for b in blocks])


def quotients(subject: Subject) -> Iterator[Case]:
    """Numbers whose quotient by the scale lies on a midpoint or next to it: where a reciprocal or a fused operation
    rounds otherwise."""
    fmt = subject.fmt
    if fmt.scale is None or fmt.is_power_of_two_scale or fmt.tensor_target is not None:
        return
    level, blocks = quiet_level(fmt), list[Block | None]()
    allowed = frozenset({INEXACT, NEAR_TIE, UNDERFLOW})
    digits = min(fmt.scale.mantissa_bits, 23)
    for part in (3, 5, 11, 13):
        scale = 1 + (part * (1 << digits) // 16) / (1 << digits) + (2.0**-digits if digits > 4 else 0)
        frame = settle(fmt, quiet_anchor(fmt, scale), level)
        if not frame.works:
            continue
        flips = [x for y in frame.midpoints(24) for x in frame.flip(y)]
        largest = max(map(abs, frame.anchor))
        numbers = [x for x in flips if abs(x) < largest and (fmt.zero_point is ZeroPoint.NONE or x > 0)]
        blocks += [cleaned(subject, b, allowed) for b in few(list(filled(subject, frame, numbers)), 2)]
    yield from cases(subject, blocks)


def largest_scales(subject: Subject) -> Iterator[Case]:
    """Amaxes beyond the largest scale times M, where that is a float (one level)."""
    fmt = subject.fmt
    if fmt.scale is None or fmt.is_power_of_two_scale or fmt.scale.bits > 16 or fmt.tensor_target is not None:
        return
    top = Fraction(fmt.scale.max) * fmt.candidates[0].target
    amaxes = [nearest(top * Fraction(part)) for part in ("1", "65/64", "3/2", "16")]
    blocks = [Block((a, -a), 2) for a in amaxes if Fraction(a) < Fraction(FLT_MAX)]
    yield from cases(subject, [cleaned(subject, b) for b in blocks])


def smallest_scales(subject: Subject) -> Iterator[Case]:
    """Blocks whose float scale is subnormal, smallest or rounds to zero."""
    fmt = subject.fmt
    if fmt.scale is None or fmt.is_power_of_two_scale or fmt.scale.bits > 16 or fmt.zero_point is not ZeroPoint.NONE:
        return
    if fmt.tensor_target is not None:
        return
    smallest, level = Fraction(fmt.scale.min_positive), quiet_level(fmt)
    blocks = list[Block | None]()
    for part in ("5", "2", "1", "5/8", "3/8", "1/16", "1/1000"):
        (anchor,) = quiet_anchor(fmt, 1.0)
        amax = nearest(Fraction(anchor) * smallest * Fraction(part))
        if amax >= SMALLEST_NORMAL:
            frame = settle(fmt, (amax,), level)
            numbers = points(frame, (0.25, 0.75), 6) if frame.works else [amax / 3]
            blocks += [cleaned(subject, b, ORDINARY | {UNDERFLOW}) for b in filled(subject, frame, numbers)]
    yield from cases(subject, blocks)


def tiny_blocks(subject: Subject) -> Iterator[Case]:
    """Amaxes from the smallest subnormal to 2^-118, where scales are clamped and quotients small."""
    fmt = subject.fmt
    if fmt.scale is None or (fmt.scale.bits < 32 and not fmt.is_power_of_two_scale) or fmt.tensor_target is not None:
        return
    blocks = list[Block | None]()
    for exponent in (-149, -148, -140, -130, -128, -127, -126, -125, -124, -120):
        amax = nearest(Fraction(13, 10) * Fraction(2) ** exponent)
        frame = settle(fmt, (amax,))
        numbers = few(points(frame, (0, 0.25, 0.75), 12), 10) if frame.works else []
        found = [cleaned(subject, b, SUBNORMALS) for b in filled(subject, frame, numbers)]
        blocks += found[:1]
    yield from cases(subject, blocks)


def huge_blocks(subject: Subject) -> Iterator[Case]:
    """Amaxes from 2^118 to the largest float, where sums of exponents and products overflow."""
    fmt = subject.fmt
    if fmt.scale is None or (fmt.scale.bits < 32 and not fmt.is_power_of_two_scale) or fmt.tensor_target is not None:
        return
    blocks = list[Block | None]()
    ordinary = (nearest(1.3 * 2.0**exponent) for exponent in (118, 124, 125, 126))
    for amax in (*ordinary, nearest(1.8 * 2.0**127), FLT_MAX):
        frame = settle(fmt, (amax,))
        numbers = few(points(frame, (0, 0.25, 0.75), 12), 8) if frame.works else []
        blocks += [cleaned(subject, b) for b in filled(subject, frame, numbers)][:1]
    yield from cases(subject, blocks)


def subnormals(subject: Subject) -> Iterator[Case]:
    """Inputs that are subnormal in binary32, and results that are: what a process that flushes them loses."""
    fmt = subject.fmt
    if fmt.scale is None:
        tiny = [nearest(Fraction(n) * Fraction(2) ** e) for e in (-149, -140, -133, -128) for n in (1, 3, 5)]
        frame = settle(fmt, ())
        allowed = frozenset({INEXACT, SUBNORMAL, UNDERFLOW, TIE, NEAR_TIE})
        yield from cases(subject, [cleaned(subject, b, allowed) for b in filled(subject, frame, tiny)])
        return
    if fmt.tensor_target is not None or (fmt.scale.bits < 32 and not fmt.is_power_of_two_scale):
        return
    for scale in (2.0**-127, 2.0**-126):
        anchor = quiet_anchor(fmt, scale)
        frame = settle(fmt, anchor)
        if frame.works:
            numbers = frame.reachable(map(Fraction, few([v for v in frame.values if v > 0], 12)))
            blocks = [cleaned(subject, b, frozenset({SUBNORMAL})) for b in filled(subject, frame, numbers)]
            yield from cases(subject, blocks[:1])
