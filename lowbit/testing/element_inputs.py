"""Inputs of the clauses on elements: values, signs of zero, rounding, saturation (contract §1, §2, §5)."""

from collections.abc import Callable, Iterator
from fractions import Fraction

from lowbit.formats import Overflow
from lowbit.testing.blocks import Block, cases, cleaned, filled
from lowbit.testing.features import INEXACT, NEAR_TIE, NEGATIVE_ZERO, ORDINARY, SATURATED, TIE, UNDERFLOW
from lowbit.testing.frames import Frame, quiet_anchor, quiet_frames, quiet_level, settle
from lowbit.testing.numbers import FLT_MAX, SMALLEST_NORMAL, few, nearest, shifted
from lowbit.testing.subject import Case, Subject

MANY = 60
"""Values, midpoints or gaps of an element that are looked at; elements of up to five bits have fewer."""


def _in_frames(
    subject: Subject, numbers_of: Callable[[Frame], list[float]], allowed: frozenset[str], count: int = 2
) -> Iterator[Case]:
    for frame in quiet_frames(subject.fmt, count):
        blocks = filled(subject, frame, numbers_of(frame))
        yield from cases(subject, [cleaned(subject, block, allowed) for block in blocks])


def values(subject: Subject) -> Iterator[Case]:
    """Every value of the element, times ordinary scales."""
    yield from _in_frames(
        subject, lambda frame: frame.reachable(map(Fraction, few(frame.values, 2 * MANY))), frozenset()
    )


def products(subject: Subject) -> Iterator[Case]:
    """Values times scales of many digits, whose products may need rounding."""
    fmt = subject.fmt
    if fmt.scale is None or fmt.is_power_of_two_scale:
        return
    digits = min(fmt.scale.mantissa_bits, 23)
    for scale in (2 - 2.0**-digits, 1 + 2.0**-digits):
        frame = settle(fmt, quiet_anchor(fmt, scale), quiet_level(fmt))
        if frame.works:
            numbers = frame.reachable(map(Fraction, few(frame.values, MANY)))
            yield from cases(subject, [cleaned(subject, b, frozenset()) for b in filled(subject, frame, numbers)])


def negative_zeros(subject: Subject) -> Iterator[Case]:
    """-0, and negative numbers that round to zero."""

    def numbers(frame: Frame) -> list[float]:
        smallest = min((v for v in frame.values if v > 0), default=1.0)
        small = [frame.near(Fraction(-smallest) * Fraction(part)) for part in ("1/4", "1/8", "1/1000")]
        return [-0.0, *(x for x in small if subject.fmt.element.min < 0), 0.0, -0.0]

    yield from _in_frames(subject, numbers, frozenset({INEXACT, NEGATIVE_ZERO, UNDERFLOW}), 1)


def between_values(subject: Subject) -> Iterator[Case]:
    """Numbers between neighbours, well away from midpoints."""
    yield from _in_frames(subject, lambda frame: _parts(frame, ("1/4", "3/4", "2/5")), ORDINARY | {UNDERFLOW}, 1)


def ties(subject: Subject) -> Iterator[Case]:
    """Exact midpoints."""
    yield from _in_frames(
        subject, lambda frame: frame.reachable(frame.midpoints(2 * MANY)), frozenset({INEXACT, TIE, UNDERFLOW})
    )


def near_ties(subject: Subject) -> Iterator[Case]:
    """The binary32 neighbours of midpoints."""

    def numbers(frame: Frame) -> list[float]:
        middles = frame.reachable(frame.midpoints(MANY))
        return [shifted(x, step) for x in middles for step in (-1, 1)]

    yield from _in_frames(subject, numbers, frozenset({INEXACT, NEAR_TIE, UNDERFLOW}), 1)


def underflow(subject: Subject) -> Iterator[Case]:
    """Normal numbers far below the smallest value."""

    def numbers(frame: Frame) -> list[float]:
        smallest = min((v for v in frame.values if v > 0), default=1.0)
        scaled = [float(nearest(Fraction(smallest) * frame.unit * Fraction(2) ** -e)) for e in (3, 9, 20, 60)]
        return [x for x in (*scaled, nearest(1e-30), SMALLEST_NORMAL) if x >= SMALLEST_NORMAL]

    yield from _in_frames(subject, numbers, frozenset({INEXACT, UNDERFLOW}), 1)


def saturation(subject: Subject) -> Iterator[Case]:
    """Numbers beyond the largest value: in blocks by a scale rounded down, in casts up to the largest float.

    With a zero point the range meets the codes, and nothing is beyond.
    """
    fmt = subject.fmt
    if fmt.scale is None:
        yield from cases(subject, _beyond_cast(subject))
        return
    anchor, *others = quiet_anchor(fmt, 1.0)
    for factor in () if others else (1 + 1 / 300, 1 + 1 / 64, 7 / 6, 1.25, 5 / 4 + 1 / 16, 1.99):
        amax = nearest(Fraction(anchor) * Fraction(factor))
        frame = settle(fmt, (amax,), quiet_level(fmt))
        if frame.works and abs(frame.y(amax)) > max(frame.values):
            block = next(filled(subject, frame, [-amax]))
            yield from cases(subject, [cleaned(subject, block, frozenset({SATURATED}))])


def _beyond_cast(subject: Subject) -> Iterator[Block | None]:
    """Both signs; where overflow gives infinity or NaN, also numbers on either side of where it begins, and there."""
    element = subject.fmt.element
    largest, overflows = Fraction(element.max), subject.fmt.overflow is Overflow.INF_NAN
    beyond = [nearest(largest * Fraction(part)) for part in ("33/32", "5/4", "2", "1000")] + [FLT_MAX]
    beyond = [x for x in beyond if Fraction(x) > largest]
    if overflows:
        step = largest - Fraction(element.values()[-2])
        beyond += [nearest(largest + step * Fraction(part)) for part in ("1/4", "1/2", "3/4")]
    numbers = [*beyond, *(-x for x in beyond)]
    for block in filled(subject, settle(subject.fmt, ()), numbers):
        yield cleaned(subject, block, frozenset({SATURATED}))


def _parts(frame: Frame, parts: tuple[str, ...]) -> list[float]:
    wanted = [low + (high - low) * Fraction(part) for low, high in frame.gaps(MANY) for part in parts]
    near = [frame.near(y) for y in wanted]
    return frame.within(near)
