"""The report as one HTML file that needs nothing else: plots inside, no script or style from elsewhere."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, TextIO

from jinja2 import Environment, StrictUndefined

from lowbit.analysis import Summary
from lowbit.reports.collect import Cell, Report, TensorResult
from lowbit.reports.figures import distribution_figure, heat_figure, heat_rows, tradeoff_figure
from lowbit.reports.wording import (
    EXPLANATIONS,
    TOTAL_NOTE,
    count,
    footnotes,
    headline,
    nonfinite_text,
    shape_text,
    values_of,
)
from lowbit.version import __version__

TEMPLATE = "page.html.j2"
CHUNK = 200
"""Pieces of the page that are joined before they are written; the whole page is never in memory."""


def write_page(report: Report, stream: TextIO) -> None:
    """Write the page to an open text stream. Everything that comes from the file is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("lowbit.reports").joinpath(TEMPLATE).read_text("utf-8"))
    pieces = template.stream(**_values(report))
    pieces.enable_buffering(CHUNK)
    stream.writelines(pieces)


def _values(report: Report) -> dict[str, Any]:
    """Everything that the template shows."""
    left_out = len(report.tensors) - len(heat_rows(report))
    return {
        "title": report.path.name,
        "headline": headline(report),
        "axis": report.axis,
        "version": __version__,
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "columns": EXPLANATIONS,
        "formats": [(str(fmt), fmt.spec, fmt.source) for fmt in report.formats],
        "totals": [(total.format, _cells(total)) for total in report.totals],
        "rows": _rows(report),
        "n_rows": count(len(report.tensors) * len(report.formats), "row"),
        "notes": [*footnotes(report), *_tensor_notes(report)],
        "total_note": TOTAL_NOTE,
        "figures": _figures(report),
        "heat_note": f"The {count(left_out, 'smaller tensor')} are in the table only." if left_out else "",
    }


def _figures(report: Report) -> list[tuple[str, str, str]]:
    """Heading, alternative text and data address of each plot."""
    drawn = (
        ("QSNR against bits", "Total QSNR of each format over its stored bits per element", tradeoff_figure),
        ("QSNR over tensors", "Distribution of the tensors' QSNR in each format", distribution_figure),
        ("Tensor by tensor", "Heat map of QSNR, tensors in rows and formats in columns", heat_figure),
    )
    return [(heading, text, _data_address(draw(report))) for heading, text, draw in drawn]


def _data_address(svg: str) -> str:
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()


def _rows(report: Report) -> Iterator[tuple[TensorResult, str, str, list[tuple[str, str]] | None, str]]:
    """Tensor, shape text, format, cells or None, and the reason for None."""
    for tensor in report.tensors:
        shape = shape_text(tensor)
        for fmt, cell in zip(report.formats, tensor.cells, strict=True):
            yield tensor, shape, str(fmt), _cells(cell), cell if isinstance(cell, str) else ""


def _cells(cell: Cell) -> list[tuple[str, str]] | None:
    """Text and sort key of each column."""
    if not isinstance(cell, Summary):
        return None
    keys = (
        cell.bits_per_element,
        cell.qsnr_db,
        cell.relative_mse,
        cell.crest_mean,
        cell.saturated,
        cell.underflowed,
        cell.flushed,
    )
    return [(text, repr(key)) for text, key in zip(values_of(cell), keys, strict=True)]


def _tensor_notes(report: Report) -> Iterator[str]:
    for tensor in report.tensors:
        if note := nonfinite_text(tensor):
            yield f"{tensor.name}: {note}."
