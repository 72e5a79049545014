"""Comparisons as terminal tables, saying in words what the seeds can and cannot tell."""

import math
from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lowbit.studies.compare import Comparison, Row
from lowbit.studies.results import StudyResults
from lowbit.studies.statistics import Estimate

TASK_TITLES = {
    "digits": "digits: small ViT on handwritten digits, held-out cross-entropy (nats)",
    "language": "language: byte-level Llama-style model, held-out loss (nats per byte)",
}
READING = """\
gap: held-out loss minus fp32's, paired by seed (same initial weights, same data order), ± one standard error.
95%: half the width of the 95% interval of the gap by Student's t; bits: storage bits per element, scales included.
place: the places a format may hold in its table at 95%; a single number only where the seeds tell it from all others.
next: < surely better than the row below, ~ not distinguishable from it, so that their order means nothing.
Tests are not corrected for their number."""


def render(results: StudyResults) -> RenderableType:
    """All tables of a study with a note on how to read them, for `rich.print`."""
    parts: list[RenderableType] = []
    for comparison in results.comparisons():
        parts += [Text(heading(comparison), style="bold"), comparison_table(comparison)]
    parts += [Text(note, style="bold yellow") for note in notes(results)]
    return Group(*parts, Text(READING, style="dim"))


def notes(results: StudyResults) -> Iterator[str]:
    """What a reader of the tables must know: trials missing, damaged or made by different versions."""
    total = len(results.study.trials())
    if results.missing:
        yield f"{len(results.missing)} of {total} trials are missing; the same `lowbit study run` command adds them."
    if results.damaged:
        yield f"{len(results.damaged)} trial files are damaged; they count as missing and will be run again."
    for name, versions in results.mixed_versions().items():
        yield f"Trials were made with several versions of {name}: {', '.join(versions)}."


def heading(comparison: Comparison) -> str:
    """The line above a table: task, what its loss is, and which products are quantized."""
    return f"{TASK_TITLES.get(comparison.task, comparison.task)}; quantized: {comparison.mode.title}"


def comparison_table(comparison: Comparison) -> Table:
    """The table of one task and mode: the baseline, then the formats, best mean gap first."""
    with_accuracy = comparison.baseline.accuracy is not None
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("place", justify="center")
    table.add_column("format", no_wrap=True)
    table.add_column("bits", justify="right")
    table.add_column("loss", justify="right")
    if with_accuracy:
        table.add_column("accuracy", justify="right")
    table.add_column("gap to fp32", justify="right")
    table.add_column("95%", justify="right")
    table.add_column("against fp32")
    table.add_column("next", justify="center")
    for row in (comparison.baseline, *comparison.rows):
        table.add_row(*_cells(row, comparison.seeds, with_accuracy), end_section=row is comparison.baseline)
    return table


def _cells(row: Row, seeds: int, with_accuracy: bool) -> list[str]:
    accuracy = [_percent(row.accuracy)] if with_accuracy else []
    gap, reach = ("", "") if row.arm.is_baseline else (_plus_minus(row.gap, sign="+"), _reach(row.gap))
    following = {None: "", True: "<", False: "~"}[row.ahead_of_next]
    place = _place(row.rank)
    bits = f"{row.bits:g}"
    return [place, row.arm.format, bits, _plus_minus(row.loss), *accuracy, gap, reach, verdict(row, seeds), following]


def verdict(row: Row, seeds: int) -> str:
    """What the finished seeds say about a row against the baseline, in words."""
    if row.diverged:
        return f"diverged in {row.diverged} of {row.finished} runs"
    if row.arm.is_baseline:
        return "reference" + _unfinished(row, seeds)
    if row.gap.count < 2:
        return "too few seeds to say" + _unfinished(row, seeds)
    if not row.gap.differs_from_zero:
        return "not distinguishable" + _unfinished(row, seeds)
    return ("worse" if row.gap.mean > 0 else "better") + _unfinished(row, seeds)


def _unfinished(row: Row, seeds: int) -> str:
    return "" if row.finished == seeds else f" ({row.finished} of {seeds} seeds)"


def _place(rank: tuple[int, int] | None) -> str:
    if rank is None:
        return ""
    first, last = rank
    return str(first) if first == last else f"{first}-{last}"


def _reach(gap: Estimate) -> str:
    return "" if math.isnan(gap.high) else f"± {gap.high - gap.mean:.4f}"


def _plus_minus(value: Estimate, *, sign: str = "") -> str:
    if value.count == 0:
        return "-"
    error = "" if math.isnan(value.standard_error) else f" ± {value.standard_error:.4f}"
    return f"{value.mean:{sign}.4f}{error}"


def _percent(value: Estimate | None) -> str:
    return "-" if value is None else f"{100 * value.mean:.1f}%"
