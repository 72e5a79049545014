"""Inputs of the clauses on NaN and infinities (contract §8)."""

from collections.abc import Iterator
from math import inf, nan

from lowbit.testing.blocks import Block, along_axis, cases
from lowbit.testing.expected import single
from lowbit.testing.frames import Frame, points, quiet_anchor, quiet_frames
from lowbit.testing.subject import Case, Subject


def nans(subject: Subject) -> Iterator[Case]:
    """A NaN among the numbers of a block, and a block beside it."""
    return _among_numbers(subject, [nan])


def infinities(subject: Subject) -> Iterator[Case]:
    """An infinity of each sign among the numbers of a block, and a block beside it."""
    return _among_numbers(subject, [inf, -inf])


def _among_numbers(subject: Subject, specials: list[float]) -> Iterator[Case]:
    fmt = subject.fmt
    if not fmt.has_nan:
        for special in specials:
            x = along_axis(subject, single([*(quiet_anchor(fmt, 1.0) or (1.0,)), special]))
            yield Case(x=x, arguments=subject.draws, refused=True)
        return
    frame = quiet_frames(fmt, 1)[0]
    exact = [x for x in points(frame, (0,), 5) if x]
    if fmt.scale is None:
        yield from cases(subject, [Block((*exact[:2], *specials, *exact[2:]), len(exact) + len(specials))])
        return
    for special in specials:
        blocks = [Block(_with(frame, exact, special), 1), Block((*frame.anchor, *exact), 1)]
        yield from cases(subject, blocks)


def _with(frame: Frame, exact: list[float], special: float) -> tuple[float, ...]:
    return (*frame.anchor, special, *exact)
