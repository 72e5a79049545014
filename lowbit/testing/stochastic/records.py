"""What a check of stochastic rounding found, as data and as text."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from lowbit.errors import ConformanceError

SHOWN = 12
"""Statistical tests that text lists when all is well: those with the smallest p-values."""


@dataclass(frozen=True, kw_only=True)
class Enumeration:
    """The exact part: how many pairs of a fraction and a random word met, and what was wrong with them.

    `fractions` numbers in `gaps` of the grid's `of_gaps` pairs of neighbours; `pairs` of them with a word, in
    `elements` elements. `uncovered` pairs did not occur; `ambiguous` ones went up and down; `miscounted` fractions go
    up for another number of words than the rule promises; `wrong` elements differ from the rule, `first` tells of one.
    """

    gaps: int = 0
    of_gaps: int = 0
    fractions: int = 0
    elements: int = 0
    pairs: int = 0
    uncovered: int = 0
    ambiguous: int = 0
    miscounted: int = 0
    wrong: int = 0
    first: str = ""

    @property
    def ok(self) -> bool:
        """Whether every pair occurred and went the right way."""
        return bool(self.pairs) and not (self.uncovered or self.ambiguous or self.miscounted or self.wrong)

    def __add__(self, other: "Enumeration") -> "Enumeration":
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "first"}
        return Enumeration(**sums, first=self.first or other.first)

    def __str__(self) -> str:
        head = f"{self.fractions} fractions in {self.gaps} of {self.of_gaps} gaps, {self.pairs} pairs with a word"
        if self.ok:
            return f"exact: {head}, each as the rule says ({self.elements} elements)"
        counts = {name: getattr(self, name) for name in ("uncovered", "ambiguous", "miscounted", "wrong")}
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return f"NOT EXACT: {head}: {said}" + (f"\n    {self.first}" if self.first else "")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whether elements draw the contract's words: results compared, wrong, and those that are no neighbour at all."""

    compared: int = 0
    wrong: int = 0
    strange: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not (self.wrong or self.strange)

    def __add__(self, other: "Identity") -> "Identity":
        return Identity(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def __str__(self) -> str:
        if self.strange:
            return f"NO NEIGHBOURS: {self.strange} results are neither of the two values beside their number"
        if not self.compared:
            return "words: the quantizer's own"
        if self.wrong:
            return f"OTHER WORDS: {self.wrong} of {self.compared} results are not those of the contract's random words"
        return f"words: {self.compared} results follow from the contract's random words"


@dataclass(frozen=True, kw_only=True)
class StatisticalTest:
    """One statistical test: its null hypothesis is a right quantizer.

    `p` is the two-sided probability of a result as far out; `adjusted` that after Holm's correction for all tests of
    the report, which rejects below the report's error rate.
    """

    name: str
    detail: str
    statistic: float
    p: float
    adjusted: float = 1.0

    def __str__(self) -> str:
        return f"{self.name:<34} p = {self.p:<10.3g} adjusted {self.adjusted:<10.3g} {self.detail}"


def holm(tests: Iterable[StatisticalTest]) -> tuple[StatisticalTest, ...]:
    """The tests with adjusted p-values: rejecting those below alpha errs anywhere with probability alpha at most.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979); no
    independence between tests is needed.
    """
    given = list(tests)
    order = sorted(range(len(given)), key=lambda i: given[i].p)
    highest, adjusted = 0.0, [1.0] * len(given)
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(given) - rank) * given[i].p))
        adjusted[i] = highest
    return tuple(
        StatisticalTest(name=test.name, detail=test.detail, statistic=test.statistic, p=test.p, adjusted=value)
        for test, value in zip(given, adjusted, strict=True)
    )


@dataclass(frozen=True, kw_only=True)
class StochasticReport:
    """What `check_stochastic` or `check_words` found about `subject`.

    `exact` is None where nothing can be enumerated (`skipped` says why), `words` where no quantizer is involved.
    A right quantizer fails with probability `error_rate` at most; `seed` is where the draws began.
    """

    subject: str
    rounding: str
    seed: int
    elements: int
    error_rate: float
    exact: Enumeration | None
    words: Identity | None
    tests: tuple[StatisticalTest, ...]
    power: str = ""
    skipped: str = ""

    @property
    def failed(self) -> tuple[StatisticalTest, ...]:
        """The tests that reject, most certain first."""
        return tuple(sorted((t for t in self.tests if t.adjusted < self.error_rate), key=lambda test: test.p))

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the quantizer."""
        return not self.failed and all(part is None or part.ok for part in (self.exact, self.words))

    def raise_for_failures(self) -> None:
        """ConformanceError, an AssertionError, with the whole report where something failed."""
        if not self.ok:
            raise ConformanceError(str(self))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        return {**asdict(self), "ok": self.ok, "failed": [test.name for test in self.failed]}

    def to_json(self) -> str:
        """`to_dict` as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        head = "nothing speaks against it" if self.ok else "NOT AS THE CONTRACT SAYS"
        lines = [f"{self.subject}, {self.rounding}, seed {self.seed}: {head}"]
        lines += [str(part) for part in (self.exact, self.words) if part is not None]
        lines += [f"not enumerated: {self.skipped}"] if self.skipped else []
        lines.append(
            f"{len(self.tests)} statistical tests on {self.elements} elements: {len(self.failed)} reject; a right "
            f"quantizer is rejected by any with probability {self.error_rate:g} at most (Holm)"
        )
        shown = self.failed or sorted(self.tests, key=lambda test: test.p)[:SHOWN]
        lines += [f"    {test}" for test in shown]
        return "\n".join([*lines, *([self.power] if self.power else [])])
