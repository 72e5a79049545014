"""docs/disagreements.md: what other libraries do on the inputs on which they depart from the contract.

The text depends on the reports alone: the same libraries give the same page.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lowbit.explanations.numbers import number_text
from lowbit.testing.clauses import CLAUSES
from lowbit.testing.peers.check import PeerReport
from lowbit.testing.records import ConformanceReport, Violation, numbers_text

INTRODUCTION = """\
# What other libraries do differently

Written by `lowbit conformance peers --out docs/disagreements.md`; do not edit it by hand.

Public functions of other libraries, called on the inputs of [`check_conformance`](conformance.md) and compared, bit for
bit, with the exact oracle of the [numerical contract](numerics.md). A difference is not a defect in itself: the
contract is one of several sensible choices, and many libraries say what they leave out. But results differ.
"""

COLUMNS = {
    "libraries": ("library", "version", "functions", "conform fully", "some differ in", "some refuse"),
    "differs": ("library", "format", "smallest input", "number", "contract", "library gives", "cause", "why", "also"),
    "refuses": ("library", "clause", "format", "error", "cause"),
    "skipped": ("library", "format", "clauses", "reason"),
    "functions": ("library", "function", "format", "conforms", "differs", "refuses"),
}

SUMMARY = """\
A clause is named as in [conformance.md](conformance.md), its section of the contract first. A cell counts the functions
of the library that the clause has inputs for: those that conform (✓), differ (✗), or refuse the call (⊘).
"""

DIFFERENCES = """\
Each row shows the smallest input found, the number in it at which results differ, what the contract and the library
make of it, the cause, and the oracle's steps; last, other formats in which the library differs for the same cause.
"""

LEFT_OUT = """\
Stochastic rounding (§5), rotations (§6) and the options of §12 are not in this comparison. microxcaling,
TransformerEngine and modelopt, which §10 of the contract names too, have no adapter. What else was left out:
"""

Row = Sequence[str]


def disagreements_page(reports: Iterable[PeerReport], missing: Sequence[str] = ()) -> str:
    """The page as Markdown, from reports of `check_peer`. `missing`: why other libraries were not checked."""
    checked = list(reports)
    parts = [INTRODUCTION, "## Libraries\n", _table("libraries", map(_library_row, checked))]
    parts += [f"Not checked: {why}\n" for why in missing]
    parts += ["## Clauses\n", SUMMARY, _summary(checked), "## Differences\n", DIFFERENCES]
    parts += [section for clause in CLAUSES for section in _differences(clause.id, checked)]
    parts += ["## Refusals\n", "Calls that the contract answers and the library refuses, with its words.\n"]
    parts += [_table("refuses", _refusal_rows(checked)), "## Not checked\n", LEFT_OUT]
    parts += [_table("skipped", _skipped_rows(checked)), "## Functions\n", "With the number of clauses each.\n"]
    parts += [_table("functions", _function_rows(checked))]
    return "\n".join(parts)


def _table(kind: str, rows: Iterable[Row]) -> str:
    return _markdown(COLUMNS[kind], rows)


def _markdown(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def _library_row(report: PeerReport) -> Row:
    found = [_violations(check) for _, check in report.checks]
    differs = {item.clause for items in found for item in items if not item.raised}
    refuses = {item.clause for items in found for item in items if item.raised}
    names = (", ".join(clause.id for clause in CLAUSES if clause.id in ids) for ids in (differs, refuses))
    return (report.peer, report.version, str(len(found)), str(sum(not items for items in found)), *names)


def _function_rows(checked: Iterable[PeerReport]) -> Iterator[Row]:
    for report in checked:
        for adapter, check in report.checks:
            found = _violations(check)
            refused = sum(item.raised for item in found)
            counts = (len(check.passed), len(found) - refused, refused)
            yield (report.peer, f"`{adapter.call}`", f"`{check.format}`", *map(str, counts))


def _violations(check: ConformanceReport) -> list[Violation]:
    return [*check.violations, *check.known]


def _found(clause: str, report: PeerReport) -> Iterator[tuple[str, Violation]]:
    """What a library's functions do against a clause: format and violation."""
    for _, check in report.checks:
        yield from ((f"`{check.format}`", item) for item in _violations(check) if item.clause == clause)


def _summary(checked: Sequence[PeerReport]) -> str:
    """Clauses in the order of reports, each with a cell a library; only those that some library has inputs for."""
    rows: list[Row] = []
    for clause in CLAUSES:
        cells = [_counts(clause.id, report) for report in checked]
        if any(cells):
            differs = any("✗" in cell for cell in cells)
            name = f"[{clause.id}](#{clause.id.replace('.', '')})" if differs else clause.id
            rows.append((name, clause.title, *cells))
    return _markdown(("clause", "inputs", *(report.peer for report in checked)), rows)


def _counts(clause: str, report: PeerReport) -> str:
    passed = sum(clause in check.passed for _, check in report.checks)
    found = [item for _, item in _found(clause, report)]
    refused = sum(item.raised for item in found)
    counts = {"✓": passed, "✗": len(found) - refused, "⊘": refused}
    return " ".join(f"{sign} {count}" for sign, count in counts.items() if count)


def _differences(clause: str, checked: Iterable[PeerReport]) -> Iterator[str]:
    """The section of a clause, with a row for each library and cause; none where every library conforms."""
    rows: list[Row] = []
    rule = ""
    for report in checked:
        groups: dict[str, list[tuple[str, Violation]]] = {}
        for name, item in _found(clause, report):
            if not item.raised:
                groups.setdefault(_cause(item), []).append((name, item))
                rule = item.rule
        for group in groups.values():
            (name, item), *others = group
            also = ", ".join(dict.fromkeys(other for other, _ in others))
            rows.append((report.peer, name, *_account(item), also))
    if rows:
        yield f"### {clause}\n"
        yield f"Demanded: {rule}.\n"
        yield _table("differs", rows)


def _cause(item: Violation) -> str:
    return item.known or "not on record"


def _account(item: Violation) -> Row:
    """Input, number, what the contract and the library give, the cause, and the oracle's steps."""
    number = "" if item.x is None else number_text(item.x)
    shape = f", shape {item.input.shape}" if item.input.ndim > 1 else ""
    arguments = "".join(f", {name}={value}" for name, value in item.arguments.items())
    results = (_number(item.expected, item.kind), _number(item.got, item.kind))
    return (f"`{numbers_text(item.input)}`{shape}{arguments}", number, *results, _cause(item), item.why)


def _number(value: Any, kind: str) -> str:
    """Values as decimals, codes and block words as patterns."""
    return f"{kind} 0x{value:02X}" if isinstance(value, int) and value >= 0 else number_text(value)


def _refusal_rows(checked: Iterable[PeerReport]) -> Iterator[Row]:
    """One row for each library, clause and text; functions that say the same are together."""
    for report in checked:
        for clause in CLAUSES:
            formats: dict[tuple[str, str], list[str]] = {}
            for name, item in _found(clause.id, report):
                if item.raised:
                    formats.setdefault((str(item.got), _cause(item)), []).append(name)
            for (error, cause), names in formats.items():
                yield (report.peer, clause.id, ", ".join(dict.fromkeys(names)), error, cause)


def _skipped_rows(checked: Iterable[PeerReport]) -> Iterator[Row]:
    for report in checked:
        for adapter, check in report.checks:
            if adapter.clauses is not None:
                yield (report.peer, f"`{check.format}`", f"all but {', '.join(adapter.clauses)}", adapter.note)
            for clause, reason in check.skipped.items():
                yield (report.peer, f"`{check.format}`", clause, reason)
