"""The report as text for the terminal: fixed columns of numbers, names in lines of their own."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lowbit.analysis import Summary
from lowbit.reports.collect import Cell, Report
from lowbit.reports.wording import EXPLANATIONS, TOTAL_NOTE, footnotes, headline, nonfinite_text, shape_text, values_of

WIDTHS = (7, 8, 9, 7, 9, 9, 9)
"""Width of each column of EXPLANATIONS; with the format's name the table fits in 80 columns."""

NAME_WIDTH = 20
"""Least width of the column of formats; longer spec texts widen it."""


def report_table(report: Report) -> RenderableType:
    """A line a tensor, under it a row a format; the totals come last, then what was skipped or converted.

    Names from the file are shown as plain text, never as markup.
    """
    return Group(*_parts(report))


def _parts(report: Report) -> Iterator[RenderableType]:
    yield Text(f"{report.path.name}: {headline(report)}\n", style="bold")
    width = max(NAME_WIDTH, *(len(str(fmt)) + 3 for fmt in report.formats))
    header = _grid(width)
    header.add_row(Text("  format"), *(Text(short) for short, _, _ in EXPLANATIONS), style="dim")
    yield header
    for tensor in report.tensors:
        yield Text.assemble((tensor.name, "bold"), "  ", (shape_text(tensor), "dim"))
        if note := nonfinite_text(tensor):
            yield Text(f"  {note}", style="yellow")
        yield from _rows(((str(fmt), cell) for fmt, cell in zip(report.formats, tensor.cells, strict=True)), width)
    yield Text("\ntotal", style="bold")
    yield from _rows(((total.format, total) for total in report.totals), width)
    yield Text("")
    for note in (*footnotes(report), TOTAL_NOTE):
        yield Text(note, style="dim")


def _rows(cells: Iterable[tuple[str, Cell]], name_width: int) -> Iterator[RenderableType]:
    """A row of numbers a format, or a line that says why there are none."""
    for name, cell in cells:
        if isinstance(cell, Summary):
            grid = _grid(name_width)
            grid.add_row(Text(f"  {name}"), *(Text(value) for value in values_of(cell)))
            yield grid
        else:
            yield Text(f"  {name}: {cell}", style="yellow")


def _grid(name_width: int) -> Table:
    grid = Table.grid()
    grid.add_column(width=name_width, overflow="fold")
    for width in WIDTHS:
        grid.add_column(width=width, justify="right", no_wrap=True)
    return grid
