"""`check_conformance`: a quantizer against the clauses of the contract, each with the smallest input that breaks it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lowbit.errors import ArgumentError, LowbitError
from lowbit.explanations.front import explain
from lowbit.explanations.numbers import number_text
from lowbit.explanations.records import Explanation
from lowbit.formats import BlockFormat, Hadamard, Rounding, Stochastic
from lowbit.formats import format as find_format
from lowbit.formats.rounding import find_rounding
from lowbit.geometry import Axis, normalized_axes
from lowbit.reference.layout import block_sides
from lowbit.testing.calling import Difference, Outcome, Quantizer, Tester, accepted_keywords
from lowbit.testing.clauses import Clause
from lowbit.testing.expected import exact
from lowbit.testing.frequencies import frequency_violations
from lowbit.testing.records import ConformanceReport, Violation
from lowbit.testing.selection import checked_names, chosen_clauses, chosen_ids
from lowbit.testing.shrinking import shrunk
from lowbit.testing.subject import Case, Subject

NONFINITE = ("check", "skip")
DRAWS = ("philox", "own")
TENSORS = ("numpy", "torch")


def check_conformance(
    quantizer: Quantizer,
    format: str | BlockFormat,
    *,
    axis: Axis = -1,
    rounding: str | Rounding | Stochastic = Rounding.NEAREST_EVEN,
    transform: Hadamard | None = None,
    clauses: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    known: Mapping[str, str] | None = None,
    accepts: Iterable[str] | None = None,
    tensors: str = "numpy",
    nonfinite: str = "check",
    draws: str = "philox",
    ndim: int = 1,
    examples: int = 1,
    seed: int = 0,
) -> ConformanceReport:
    """Where a quantizer departs from the numerical contract, clause by clause, with the smallest inputs that show it.

    quantizer: a function of a float32 numpy array (a torch tensor with tensors="torch") that returns the
    fake-quantized array, or an object with `codes` and `scales` (`lowbit.testing.Stored`, a `QTensor`), of which codes
    and block words are compared instead. It quantizes along `axis`. If its signature has them (or `accepts` names
    them), it is called with the keywords of `lowbit.qdq` that a clause needs: axis, seed, stream, offset, origin,
    global_shape, tensor_amax, tensor_scale; clauses that need one it lacks are skipped and listed.

    Every expected number comes from the exact oracle `lowbit.reference`. Inputs derive from the format: values,
    midpoints and their neighbours, boundaries between scales, extremes. Each clause's inputs have nothing special but
    what the clause is about, so that a defect is reported under its own name; most basic clauses come first.

    rounding: a mode of the contract. Stochastic modes expect the contract's random bits, exactly; draws="own" is for
    quantizers with random numbers of their own: results must be neighbours, with frequencies within a bound that a
    right quantizer misses with probability 1e-9, and numbers below the smallest value must go up as often as they
    should. transform: the quantizer rotates first; only the clauses of §6 are checked then.

    clauses, skip: ids (`lowbit.testing.list_clauses()`) or sections ("5"). known: clause -> reason for disagreements
    that are no news: they are reported apart. nonfinite="skip" leaves out §8, for quantizers that never see NaN.
    ndim: the fewest axes that the quantizer takes. examples: violations reported for each clause, at most.
    seed: the seed of stochastic calls.

    Raises ArgumentError or FormatError for arguments that do not fit; never because of the quantizer, whose exceptions
    are findings.

    >>> import lowbit as lb
    >>> lb.testing.check_conformance(lambda x: lb.qdq(x, "mxfp4"), "mxfp4").ok
    True
    >>> report = lb.testing.check_conformance(lambda x: lb.qdq(x, "mxfp4") + 0.0, "mxfp4")
    >>> [violation.clause for violation in report.violations]
    ['1.negative_zero']
    """
    names = {"tensors": (tensors, TENSORS), "nonfinite": (nonfinite, NONFINITE), "draws": (draws, DRAWS)}
    for name, (value, allowed) in names.items():
        if value not in allowed:
            raise ArgumentError(f"{name}={value!r} is not known; choose one of: {', '.join(allowed)}")
    chosen = find_rounding(rounding)
    subject = Subject(
        fmt=find_format(format),
        axis=axis,
        rounding=chosen,
        transform=transform,
        seed=seed,
        ndim=ndim,
        accepts=accepted_keywords(quantizer, accepts),
        statistical=isinstance(chosen, Stochastic) and draws == "own",
    )
    _check(subject, draws, examples)
    tester = Tester(quantizer, subject, torch=tensors == "torch")
    unwanted = (*_listed(skip), *(("8",) if nonfinite == "skip" else ()))
    checked_names(known or ())
    check = _Check(tester, known or {}, examples)
    return check.report(chosen_clauses(subject, clauses, unwanted), chosen_ids(clauses, unwanted))


def assert_conforms(quantizer: Quantizer, format: str | BlockFormat, **options: Any) -> None:
    """`check_conformance` in one line of a test: ConformanceError, an AssertionError, with the report's text."""
    check_conformance(quantizer, format, **options).raise_for_violations()


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _check(subject: Subject, draws: str, examples: int) -> None:
    if not isinstance(subject.ndim, int) or not 1 <= subject.ndim <= 8:
        raise ArgumentError(f"ndim={subject.ndim!r}: give an integer from 1 to 8")
    normalized_axes(subject.axis, 8, subject.fmt)
    if draws == "own" and not subject.is_stochastic:
        raise ArgumentError(f"draws='own' has no meaning with rounding={str(subject.rounding)!r}, which draws nothing")
    if draws == "own" and subject.fmt.needs_seed:
        raise ArgumentError(f"{subject.fmt} draws its scales: only the contract's random bits can be checked")
    if not isinstance(examples, int) or examples < 1:
        raise ArgumentError(f"examples={examples!r}: give a positive integer")
    if subject.transform is not None and subject.is_stochastic:
        raise ArgumentError("rotations are checked with a deterministic rounding; leave rounding= out")


class _Check:
    """One run over the clauses of a subject."""

    def __init__(self, tester: Tester, known: Mapping[str, str], examples: int) -> None:
        self.tester, self.subject, self.known, self.examples = tester, tester.subject, known, examples
        self.calls = self.compared = 0

    def report(self, selected: list[Clause], ids: frozenset[str]) -> ConformanceReport:
        """The clauses one after the other."""
        violations: list[Violation] = []
        passed: list[str] = []
        skipped: dict[str, str] = {}
        for clause in selected:
            lacking = sorted(clause.needs - self.subject.accepts)
            if lacking and next(clause.cases(self.subject), None) is None:
                continue
            if lacking:
                skipped[clause.id] = f"the quantizer takes no {lacking[0]}"
                continue
            before = self.calls
            found = self._violations(clause)
            violations += found
            if self.calls > before and not found:
                passed.append(clause.id)
        if self.subject.statistical:
            calls, found, good = frequency_violations(self.tester, ids)
            self.calls, passed = self.calls + calls, passed + good
            violations += [replace(item, known=self.known.get(item.clause, "")) for item in found]
        subject = self.subject
        return ConformanceReport(
            format=str(subject.fmt),
            spec=subject.fmt.spec,
            rounding=str(subject.rounding),
            axis=subject.axis,
            transform="" if subject.transform is None else str(subject.transform),
            violations=tuple(item for item in violations if not item.known),
            known=tuple(item for item in violations if item.known),
            passed=tuple(passed),
            skipped=skipped,
            calls=self.calls,
            compared=self.compared,
        )

    def _violations(self, clause: Clause) -> list[Violation]:
        failures = compared = 0
        failing: list[tuple[Case, Difference]] = []
        for case in clause.cases(self.subject):
            outcome = self._outcome(case)
            failures, compared = failures + outcome.count, compared + outcome.compared
            if outcome.first is not None:
                failing.append((case, outcome.first))
        failing.sort(key=lambda pair: _size(pair[0]))  # stable, and shrinking costs calls: small ones first
        shrunken = [shrunk(self.subject, *pair, self._first) for pair in failing[: 1 + self.examples]]
        smallest = sorted(shrunken, key=lambda pair: _size(pair[0]))
        return [
            self._violation(clause, case, difference, failures, compared)
            for case, difference in smallest[: self.examples]
        ]

    def _outcome(self, case: Case) -> Outcome:
        outcome = self.tester.outcome(case)
        self.calls += 1
        self.compared += outcome.compared
        return outcome

    def _first(self, case: Case) -> Difference | None:
        return self.tester.outcome(case).first

    def _violation(self, clause: Clause, case: Case, found: Difference, failures: int, compared: int) -> Violation:
        account = _account(self.subject, case, found)
        element = found.kind in ("value", "code")
        return Violation(
            clause=clause.id,
            title=clause.title,
            rule=clause.rule,
            input=case.x,
            arguments=dict(case.arguments),
            kind=found.kind,
            where=found.where,
            x=_number_at(case, found, self.subject) if element else None,
            expected=found.expected,
            got=found.got,
            why=_line(account),
            steps="" if account is None else str(account),
            failures=failures,
            compared=compared,
            known=self.known.get(clause.id, ""),
        )


def _size(case: Case) -> tuple[int, int]:
    return int((exact(case.x) != 0).sum()), case.x.size


def _number_at(case: Case, found: Difference, subject: Subject) -> float | None:
    fits = subject.transform is None and case.x.size
    return float(exact(case.x)[found.where]) if fits else None


def _account(subject: Subject, case: Case, found: Difference) -> Explanation | None:
    """The oracle's steps for the element that differs, or the first one of the block whose scale does."""
    if found.kind not in ("value", "code", "scale") or not case.x.size:
        return None
    arguments = {"axis": subject.axis, **case.arguments}
    where = found.where
    if found.kind == "scale":
        sides = block_sides(subject.fmt, case.x.shape, arguments["axis"])
        where = tuple(place * side for place, side in zip(where, sides, strict=True))
    try:
        return explain(case.x, subject.fmt, where, rounding=subject.rounding, transform=subject.transform, **arguments)
    except LowbitError:
        return None


SYMBOLS = ("amax", "e", "target", "s", "t", "y", "lo", "hi", "d", "r")
"""Steps that one line has room for."""


def _line(account: Explanation | None) -> str:
    """The steps that decide, in one line, and the special rules that applied."""
    if account is None:
        return ""
    parts: list[str] = []
    for symbol in SYMBOLS:
        step = next((step for step in account.steps if step.symbol == symbol), None)
        if step is not None:
            parts.append(f"{symbol} = {number_text(step.value)}")
    deciding = next((step for step in reversed(account.steps) if step.symbol == "up"), None)
    if deciding is not None:
        parts.append(f"rounded {'up' if deciding.value else 'down'} ({deciding.formula})")
    said = ", ".join(parts)
    return "; ".join([*([said] if said else []), *(note for note in account.notes if note not in said)])
