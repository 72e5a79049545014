"""The picture of a study: loss gap to fp32 of every format, ordered by its storage bits per element.

Formats stand side by side, in groups of equal bits, instead of on a true bits axis: most formats of interest
store 4 to 5 bits and would hide each other there.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lowbit.atomic_files import write_atomic
from lowbit.errors import ArgumentError
from lowbit.studies.compare import Comparison, Row
from lowbit.studies.results import StudyResults
from lowbit.studies.spec import Mode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of Okabe & Ito (2008), distinguishable with every common colour vision deficiency; markers differ as
# well.
STYLES = {Mode.FORWARD: ("#0072B2", "o", -0.14), Mode.GEMMS: ("#D55E00", "s", 0.14)}
BAND = "#EEEEEE"
SUFFIXES = (".png", ".svg", ".pdf")
AXIS_LABELS = {
    "digits": "digits (ViT): gap in cross-entropy (nats)",
    "language": "English (Llama-style): gap in nats per byte",
}
DPI = 160


def plot(results: StudyResults, out: Path | None = None) -> tuple[Path, ...]:
    """Draw a study and write it to `out`, or to plot.png and plot.svg in its folder; the paths written.

    Files are replaced atomically. Raises ArgumentError for another suffix than .png, .svg or .pdf, or if no
    gap can be drawn yet; FileError if a file cannot be written.
    """
    targets = (results.path / "plot.png", results.path / "plot.svg") if out is None else (out,)
    for target in targets:
        if target.suffix.lower() not in SUFFIXES:
            raise ArgumentError(f"cannot write a plot as {target.name!r}; the name must end in {', '.join(SUFFIXES)}")
    figure = draw(results)
    for target in targets:
        _save(figure, target)
    return targets


def draw(results: StudyResults) -> "Figure":
    """The figure: one panel per task. Raises ArgumentError if not a single gap is known."""
    from matplotlib.figure import Figure  # a plain Figure draws off screen, whatever backend the caller uses

    panels = [panel for panel in _by_task(results.comparisons()) if _formats(panel)]
    if not panels:
        raise ArgumentError(f"{results.path} has no pair of fp32 and a format with the same seed yet; nothing to plot")
    width = max(len(_formats(panel)) for panel in panels)
    size = (max(6.0, 1.1 * width + 1.6), 3.3 * len(panels) + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for panel, ax in zip(panels, axes, strict=True):
        _draw_panel(ax, panel)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    seeds = len(results.study.seeds)
    axes[-1].set_xlabel(
        f"format and storage bits per element; {seeds} seeds: mean, ± standard error (thick), 95% (thin)"
    )
    return figure


def _by_task(comparisons: Sequence[Comparison]) -> list[list[Comparison]]:
    tasks = dict.fromkeys(comparison.task for comparison in comparisons)
    return [[item for item in comparisons if item.task == task] for task in tasks]


def _formats(panel: Sequence[Comparison]) -> list[tuple[float, str]]:
    """(bits, format) with a known gap in any mode, from most to fewest bits; equal bits in alphabetical
    order.
    """
    drawn = {(row.bits, row.arm.format) for item in panel for row in item.rows if row.gap.count}
    return sorted(drawn, key=lambda pair: (-pair[0], pair[1]))


def _draw_panel(ax: "Axes", panel: Sequence[Comparison]) -> None:
    formats = _formats(panel)
    place = {name: index for index, (_, name) in enumerate(formats)}
    for item in panel:
        rows = [row for row in item.rows if row.arm.format in place and row.gap.count]
        _draw_rows(ax, rows, place, item.mode)
    _shade_groups(ax, [bits for bits, _ in formats])
    ax.axhline(0.0, color="black", linewidth=0.8, linestyle="--", zorder=1)
    ax.set_xticks(range(len(formats)), [f"{name}\n{bits:g}" for bits, name in formats])
    ax.set_xlim(-0.5, len(formats) - 0.5)
    ax.set_ylabel(AXIS_LABELS.get(panel[0].task, f"{panel[0].task}: gap in held-out loss"), fontsize="small")
    ax.tick_params(labelsize="small")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_rows(ax: "Axes", rows: Sequence[Row], place: dict[str, int], mode: Mode) -> None:
    colour, marker, shift = STYLES[mode]
    x = [place[row.arm.format] + shift for row in rows]
    y = [row.gap.mean for row in rows]
    errors = [0.0 if math.isnan(row.gap.standard_error) else row.gap.standard_error for row in rows]
    reach = [0.0 if math.isnan(row.gap.high) else row.gap.high - row.gap.mean for row in rows]
    ax.errorbar(x, y, yerr=reach, fmt="none", ecolor=colour, elinewidth=0.9, capsize=3, zorder=2)
    ax.errorbar(x, y, yerr=errors, fmt="none", ecolor=colour, elinewidth=3.0, zorder=3)
    ax.plot(x, y, marker, color=colour, markersize=6.5, markeredgecolor="white", label=mode.title, zorder=4)


def _shade_groups(ax: "Axes", bits: Sequence[float]) -> None:
    """Shade every other group of neighbouring formats with equal bits."""
    groups = sorted(set(bits), reverse=True)
    for index, value in enumerate(bits):
        if groups.index(value) % 2:
            ax.axvspan(index - 0.5, index + 0.5, color=BAND, linewidth=0, zorder=0)


def _save(figure: "Figure", target: Path) -> None:
    kind = target.suffix.lower().lstrip(".")
    metadata = {"Date": None} if kind == "svg" else None  # the same study gives the same file
    write_atomic(target, lambda temporary: figure.savefig(temporary, format=kind, dpi=DPI, metadata=metadata))
