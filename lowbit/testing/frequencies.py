"""Stochastic rounding with random numbers of the quantizer's own: only frequencies can be expected (contract §5).

Four clauses: exact values stay, results are neighbours, a number goes up as often as its distance says, and so do
numbers below the smallest value. A bound is missed by a right quantizer with probability ERROR_RATE at most.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lowbit.formats import Stochastic, StochasticRule
from lowbit.reference.rounding import Draw, stochastic_up
from lowbit.testing.blocks import along_axis, side_by_side
from lowbit.testing.calling import ANSWER, Tester, as_array
from lowbit.testing.clauses import FREQUENCIES
from lowbit.testing.expected import single
from lowbit.testing.frames import CAPACITY, Frame, block_size, quiet_amax, quiet_frames
from lowbit.testing.records import Violation
from lowbit.testing.subject import Case, Subject

ERROR_RATE = 1e-9
"""Probability with which one test of a right quantizer fails: below 1e-7 for a whole check."""

COPIES = 6000
"""Copies of a number in one call; small deviations need more of them: 0.04 is seen at d = 1/2."""


@dataclass(frozen=True)
class Trial:
    """Copies of the number x, which lies a part `d` of the way from `low` to `high` (values, already decoded)."""

    clause: str
    x: float
    d: Fraction
    low: float
    high: float


def frequency_violations(tester: Tester, chosen: frozenset[str]) -> tuple[int, list[Violation], list[str]]:
    """How many calls were made, what was found, and the ids of the clauses that hold, of those chosen."""
    found: dict[str, Violation] = {}
    seen: list[str] = []
    calls = 0
    for trial, case, mask in trials(tester.subject):
        concerned = [id for id in ("5.stochastic_neighbours", trial.clause) if id in chosen]
        calls += bool(concerned)
        seen += [id for id in concerned if id not in seen]
        for violation in _violations(tester, trial, case, mask) if concerned else ():
            if violation.clause in chosen:
                found.setdefault(violation.clause, violation)
    return calls, list(found.values()), [clause for clause in seen if clause not in found]


def trials(subject: Subject) -> Iterator[tuple[Trial, Case, np.ndarray]]:
    """What is tried: the trial, the call, and a mask of the copies in its tensor."""
    frame = quiet_frames(subject.fmt, 1)[0]
    amax = max((abs(frame.y(x)) for x in frame.anchor), default=Fraction(max(frame.values)))
    gaps = [(low, high) for low, high in frame.gaps(9) if low > 0 and high <= amax][:2]
    zero = next(((low, high) for low, high in zip(frame.values, frame.values[1:], strict=False) if low == 0), None)
    for low, high in gaps:
        for part in ("1/4", "1/2", "7/8"):
            yield from _trial(subject, frame, "5.stochastic_frequency", low, high, Fraction(part))
    if zero is not None:
        low, high = map(Fraction, zero)
        for part in ("1/16", "1/5"):
            yield from _trial(subject, frame, "5.stochastic_tiny", low, high, Fraction(part))


def _trial(
    subject: Subject, frame: Frame, clause: str, low: Fraction, high: Fraction, part: Fraction
) -> Iterator[tuple[Trial, Case, np.ndarray]]:
    x = frame.solve(low + (high - low) * part)
    if x is None:
        return
    values = [float(side * frame.unit) for side in (low, high)]
    room = min(block_size(subject.fmt), CAPACITY) - len(frame.anchor) if subject.fmt.scale is not None else COPIES
    count = 1 if subject.fmt.scale is None else -(-COPIES // room)
    if subject.fmt.block is not None and (subject.fmt.block.elements or 0) > 1024:
        count = min(count, 4)  # large tiles hold CAPACITY copies only
    blocks = [[*frame.anchor, *[x] * room] for _ in range(count)]
    if subject.fmt.block is not None and subject.fmt.block.elements is None:
        blocks = [[*frame.anchor, *[x] * COPIES]]
    if subject.fmt.tensor_target is not None:
        blocks.append([quiet_amax(subject.fmt)])
    sized = subject.fmt.block is None or subject.fmt.block.elements is not None
    tensor = side_by_side(subject, blocks) if sized else along_axis(subject, single(blocks[0]))
    copies = tensor == np.float32(x)
    yield Trial(clause, x, part, values[0], values[1]), Case(x=tensor, arguments=subject.draws), copies


def _violations(tester: Tester, trial: Trial, case: Case, mask: np.ndarray) -> Iterator[Violation]:
    try:
        result = as_array(tester.call(case))
    except Exception as error:  # whatever the quantizer raises is its answer
        yield _violation(trial, case, "error", ANSWER, f"{type(error).__name__}: {error}", 1, 1, "")
        return
    if result.shape != case.x.shape:
        yield _violation(trial, case, "shape", str(case.x.shape), str(result.shape), 1, 1, "")
        return
    got = np.asarray(result, np.float64)[mask]
    strange = (got != trial.low) & (got != trial.high)
    if strange.any():
        expected = f"{trial.low} or {trial.high}"
        number = float(got[strange][0])
        neighbours = Trial("5.stochastic_neighbours", trial.x, trial.d, trial.low, trial.high)
        yield _violation(neighbours, case, "value", expected, number, int(strange.sum()), got.size, "")
        return
    from scipy.stats import binom  # takes longer to import than most checks to run

    ups, chance = int((got == trial.high).sum()), probability(tester.subject, trial.d)
    tail = 2 * min(float(binom.cdf(ups, got.size, chance)), float(binom.sf(ups - 1, got.size, chance)))
    if tail < ERROR_RATE:
        why = f"{ups} of {got.size} copies went up, probability {chance:.6g}; chance of so few or many {tail:.2g}"
        yield _violation(trial, case, "frequency", f"up in {chance:.4%}", f"up in {ups / got.size:.4%}", 1, 1, why)


def probability(subject: Subject, d: Fraction) -> float:
    """The share of random integers with which a number at distance d goes up; with 32 bits it is d, up to 2^-32."""
    rounding = subject.rounding
    assert isinstance(rounding, Stochastic)  # the caller checks
    if rounding.bits > 8:
        return float(d)
    draws = [Draw(rule=StochasticRule(rounding.rule), bits=rounding.bits, random=r) for r in range(1 << rounding.bits)]
    return sum(stochastic_up(d, draw) for draw in draws) / len(draws)


def _violation(
    trial: Trial,
    case: Case,
    kind: str,
    expected: float | str,
    got: float | str,
    failures: int,
    compared: int,
    why: str,
) -> Violation:
    title, rule = FREQUENCIES[trial.clause]
    return Violation(
        clause=trial.clause,
        title=title,
        rule=rule,
        input=case.x,
        arguments=dict(case.arguments),
        kind=kind,
        where=tuple(int(i) for i in np.argwhere(case.x == np.float32(trial.x))[0]),
        x=trial.x,
        expected=expected,
        got=got,
        why=why,
        steps="",
        failures=failures,
        compared=compared,
    )
