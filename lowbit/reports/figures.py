"""The plots of the page, as SVG text. Colours keep their order for colour-blind readers; text is drawn as outlines."""

import warnings
from collections.abc import Callable, Sequence
from io import StringIO
from math import isfinite, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from lowbit.analysis import Summary
from lowbit.reports.collect import Report, TensorResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
"""Okabe and Ito's palette without its yellow, which is too pale for points on white."""

MARKERS = "osD^vPX*"

DB_PER_BIT = 20 * log10(2)

MAX_HEAT_ROWS = 48
"""Tensors in the heat map; of more, the largest are shown."""

MAX_POINTS = 3000
"""Points of one format that are drawn; of more, evenly chosen ones."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",  # no font of the reader's machine is needed
    "svg.hashsalt": "lowbit",  # the same report gives the same bytes
    "text.parse_math": False,  # names from files are text, also those with dollar signs
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


def distribution_figure(report: Report) -> str:
    """QSNR of every tensor, one row a format: box from quartile to quartile, median, and the tensors as points.

    Few tensors far better than the rest (single numbers, exact ones) are counted at the right edge.
    """
    columns = [_finite_qsnr(report, i) for i in range(len(report.formats))]

    def draw(axes: "Axes") -> None:
        edge = _upper_edge(columns)
        for row, values in enumerate(columns):
            _draw_row(axes, row, np.array([value for value in values if value <= edge]))
            if beyond := sum(value > edge for value in values):
                axes.annotate(f"{beyond} beyond →", (1, row), xycoords=("axes fraction", "data"), ha="right", size=7)
        axes.set_yticks(range(len(report.formats)), [str(fmt) for fmt in report.formats])
        axes.invert_yaxis()
        axes.set_xlabel("QSNR of each tensor in dB (higher is better)")
        axes.grid(axis="x", alpha=0.3)

    return _svg(draw, width=7.2, height=1.0 + 0.42 * len(report.formats))


def _draw_row(axes: "Axes", row: int, values: "NDArray[np.float64]") -> None:
    """One format's box and points."""
    if not values.size:
        return
    colour = COLOURS[row % len(COLOURS)]
    box = {"color": colour, "linewidth": 1.2}
    axes.boxplot(
        values,
        positions=[row],
        orientation="horizontal",
        widths=0.55,
        showfliers=False,
        boxprops=box,
        whiskerprops=box,
        capprops=box,
        medianprops={"color": "black", "linewidth": 1.6},
    )
    shown = values[:: -(-values.size // MAX_POINTS)]
    heights = row + np.random.default_rng(row).uniform(-0.2, 0.2, shown.size)
    axes.scatter(shown, heights, s=9, color=colour, alpha=0.5, linewidths=0, rasterized=shown.size > 500)


def _upper_edge(columns: Sequence[Sequence[float]]) -> float:
    """QSNR up to which plots are drawn: three times the spread of a format's middle half above it, at least 10 dB."""
    edges = [0.0]
    for values in columns:
        if values:
            low, high = np.percentile(values, (25, 75))
            edges.append(float(high + max(10.0, 3 * (high - low))))
    return max(edges)


def tradeoff_figure(report: Report) -> str:
    """Total QSNR of each format against its stored bits per element.

    The dashed line has the slope of uniform grids, 20 log10(2) = 6.02 dB a bit, and touches the best format.
    """

    def draw(axes: "Axes") -> None:
        finite = [(i, total) for i, total in enumerate(report.totals) if isfinite(total.qsnr_db)]
        for i, total in finite:
            marker, colour = MARKERS[i % len(MARKERS)], COLOURS[i % len(COLOURS)]
            axes.scatter(total.bits_per_element, total.qsnr_db, s=60, marker=marker, color=colour, label=total.format)
        if finite:
            bits = [total.bits_per_element for _, total in finite]
            ends = np.array([min(bits) - 0.5, max(bits) + 0.5])
            best = max(total.qsnr_db - DB_PER_BIT * total.bits_per_element for _, total in finite)
            axes.plot(ends, best + DB_PER_BIT * ends, "--", color="0.6", linewidth=1, zorder=0, label="6.02 dB a bit")
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        axes.set_xlabel("stored bits per element")
        axes.set_ylabel("total QSNR in dB")
        axes.grid(alpha=0.3)

    return _svg(draw, width=7.2, height=3.6)


def heat_figure(report: Report) -> str:
    """QSNR of tensors (rows) in formats (columns), with numbers; dark is low. Grey: no number."""
    rows = heat_rows(report)

    def draw(axes: "Axes") -> None:
        grid = np.array([[_qsnr(cell) for cell in tensor.cells] for tensor in rows])
        shown = np.ma.masked_invalid(grid)
        axes.set_facecolor("0.85")
        columns = [_finite_qsnr(report, i) for i in range(len(report.formats))]
        values = [value for column in columns for value in column] or [0.0]
        low, high = min(values), min(max(values), _upper_edge(columns))
        image = axes.imshow(shown, aspect="auto", cmap="cividis", interpolation="nearest", vmin=low, vmax=high)
        axes.set_xticks(range(len(report.formats)), [str(fmt) for fmt in report.formats], rotation=30, ha="left")
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(rows)), [_short(tensor.name) for tensor in rows])
        axes.tick_params(length=0)
        for (y, x), value in np.ndenumerate(grid):
            text = f"{round(value, 1) + 0.0:.1f}" if isfinite(value) else "exact" if value > 0 else "-"
            axes.text(
                x, y, text, ha="center", va="center", size=7, color="white" if 2 * value < low + high else "black"
            )
        assert axes.figure is not None
        axes.figure.colorbar(image, ax=axes, label="QSNR in dB", shrink=0.8, aspect=30)

    width = 4.2 + 0.62 * len(report.formats)
    return _svg(draw, width=width, height=1.3 + 0.2 * len(rows))


def heat_rows(report: Report) -> Sequence[TensorResult]:
    """The tensors that the heat map shows, in the file's order."""
    order = sorted(range(len(report.tensors)), key=lambda i: -int(np.prod(report.tensors[i].shape, dtype=object)))
    return [report.tensors[i] for i in sorted(order[:MAX_HEAT_ROWS])]


def _finite_qsnr(report: Report, i: int) -> list[float]:
    return [value for tensor in report.tensors if isfinite(value := _qsnr(tensor.cells[i]))]


def _qsnr(cell: Summary | str) -> float:
    return cell.qsnr_db if isinstance(cell, Summary) else float("nan")


def _short(name: str, limit: int = 44) -> str:
    """The end of a long name, which tells tensors apart better than its beginning."""
    return name if len(name) <= limit else f"…{name[1 - limit :]}"


def _svg(draw: "Callable[[Axes], None]", *, width: float, height: float) -> str:
    """Draw on one pair of axes of that size in inches; no window, no global state."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in scripts that the font lacks
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return text.getvalue()
