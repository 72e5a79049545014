"""Measure every tensor of a file in every format, one tensor at a time, and add up totals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isnan, prod
from pathlib import Path

from lowbit.analysis import FloatView, Summary, Sums
from lowbit.analysis.measure import extent_of, measure, needs_extent
from lowbit.analysis.summaries import decibels, ratio
from lowbit.errors import ArgumentError, NonfiniteError, ShapeError
from lowbit.formats import BlockFormat
from lowbit.formats import format as find_format
from lowbit.reports.entries import Contents, Entry
from lowbit.reports.sources import open_tensors

DEFAULT_FORMATS = ("mxfp4", "nvfp4", "int4_g32", "mxfp6_e2m3", "mxfp8_e4m3", "mxint8")
"""One of each kind in use: three ways to four bits, then six and eight."""

Cell = Summary | str
"""The statistics of a tensor in a format, or why the format cannot hold it."""

Progress = Callable[[str, int], None]
"""Told the tensor's name and the element-format pairs done since the last call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorResult:
    """One tensor and what each format does to it; `cells` is in the order of the report's formats."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    note: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Everything that is shown. `totals` has one entry a format, see `_total`; `skipped` holds (name, reason)."""

    path: Path
    file_bytes: int
    axis: int
    formats: tuple[BlockFormat, ...]
    tensors: tuple[TensorResult, ...]
    totals: tuple[Summary, ...]
    skipped: tuple[tuple[str, str], ...]
    other_values: int


def parse_formats(texts: Sequence[str]) -> tuple[BlockFormat, ...]:
    """The formats of names or spec texts. FormatError for an unknown one, ArgumentError for none or one given twice."""
    found: dict[BlockFormat, str] = {}
    for text in texts:
        fmt = find_format(text)
        if fmt in found:
            raise ArgumentError(f"formats {found[fmt]!r} and {text!r} are the same; give each once")
        found[fmt] = text
    if not found:
        raise ArgumentError("no format given; name some, for example mxfp4,nvfp4")
    return tuple(found)


def collect(
    path: Path, formats: Sequence[BlockFormat], *, axis: int = -1, progress: Callable[[Contents], Progress]
) -> Report:
    """The report of one file. Blocks run along `axis`, tiles over the last two axes.

    Tensors are read one after the other, large ones in pieces, so the file may be larger than memory. Types that
    cannot be measured and empty tensors are listed as skipped. `progress` gets the contents and gives the function
    that is called during the work. Raises FileError for a file that cannot be read, and ArgumentError if no tensor
    has such an axis or fits any of the formats.
    """
    results: list[TensorResult] = []
    sums = [Sums()] * len(formats)
    errors = [Weighted()] * len(formats)
    with open_tensors(path) as contents:
        report = progress(contents)
        for entry in contents.entries:
            if entry.load is None:
                continue
            measured = _measure_all(entry.load(), formats, axis, partial(report, entry.name))
            results.append(_result(entry, formats, measured))
            for i, part in enumerate(measured):
                if isinstance(part, Sums):
                    sums[i] += part
                    errors[i] = errors[i].with_tensor(part)
        if not any(isinstance(cell, Summary) for tensor in results for cell in tensor.cells):
            raise ArgumentError(f"nothing could be measured: {results[0].name}: {results[0].cells[0]}")
        return Report(
            path=path,
            file_bytes=path.stat().st_size,
            axis=axis,
            formats=tuple(formats),
            tensors=tuple(results),
            totals=tuple(_total(*each) for each in zip(formats, sums, errors, strict=True)),
            skipped=tuple((entry.name, entry.skipped) for entry in contents.entries if entry.load is None),
            other_values=contents.other_values,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighted:
    """Mean of the tensors' relative errors, each weighted by its number of elements."""

    elements: int = 0
    error: float = 0.0

    def with_tensor(self, sums: Sums) -> "Weighted":
        """One tensor more; one without any finite element does not count."""
        relative = sums.summary("").relative_mse
        if isnan(relative):
            return self
        return Weighted(elements=self.elements + sums.elements, error=self.error + relative * sums.elements)


def _measure_all(
    view: FloatView, formats: Sequence[BlockFormat], axis: int, report: Callable[[int], None]
) -> list[Sums | str]:
    """Sums in each format, or why there are none. One first pass over the tensor serves all formats."""
    extent = extent_of(view) if any(needs_extent(fmt) for fmt in formats) else None
    measured: list[Sums | str] = []
    for fmt in formats:
        try:
            measured.append(measure(view, fmt, axis=axis, extent=extent, progress=report))
        except (ShapeError, NonfiniteError) as error:
            measured.append(str(error))
            report(prod(view.shape))
    return measured


def _result(entry: Entry, formats: Sequence[BlockFormat], measured: Sequence[Sums | str]) -> TensorResult:
    cells = tuple(
        part if isinstance(part, str) else part.summary(str(fmt)) for fmt, part in zip(formats, measured, strict=True)
    )
    return TensorResult(name=entry.name, shape=entry.shape, dtype=entry.dtype, note=entry.note, cells=cells)


def _total(fmt: BlockFormat, sums: Sums, errors: Weighted) -> Summary:
    """The whole file in one format: the relative error is the mean over tensors weighted by elements, so that tensors
    of large numbers do not hide the others, and QSNR is its decibels; the rest is as if the tensors were one.
    """
    relative = ratio(errors.error, errors.elements)
    return replace(sums.summary(str(fmt)), relative_mse=relative, qsnr_db=decibels(relative))
