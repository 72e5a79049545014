"""`lowbit report FILE`: argument parsing, progress and output; the work is in `lowbit.reports`."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

PIPE_WIDTH = 140  # columns for output that goes to a file or a pipe, which have no width of their own

COMMA_OUTSIDE_BRACES = re.compile(r",(?![^{]*\})")  # a codebook's entries have commas too: {-1,0,1}/k32/e8m0


def register(app: typer.Typer) -> None:
    """Add the `report` command to the command line."""
    app.command("report")(report_command)


def report_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .safetensors, .npy, .npz, .pt or .pth file.")],
    formats: Annotated[
        str | None,
        typer.Option("--formats", metavar="A,B,...", help="Names or spec texts (default: a choice of six)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="HTML", help="Also write a self-contained page with plots.")
    ] = None,
    axis: Annotated[int, typer.Option("--axis", help="Axis that blocks run along.")] = -1,
) -> None:
    """Measure what low-precision formats would do to the tensors of a file.

    Tensors are read one by one, so the file may be larger than memory.
    """
    from contextlib import nullcontext

    from rich.console import Console

    from lowbit.reports.collect import DEFAULT_FORMATS, collect, parse_formats
    from lowbit.reports.files import atomic_text
    from lowbit.reports.progress import shown_progress
    from lowbit.reports.table import report_table

    texts = DEFAULT_FORMATS if formats is None else COMMA_OUTSIDE_BRACES.split(formats)
    chosen = parse_formats([text.strip() for text in texts if text.strip()])
    with nullcontext() if out is None else atomic_text(out, source=file) as page:
        with shown_progress(len(chosen)) as progress:
            report = collect(file, chosen, axis=axis, progress=progress)
        if page is not None:
            from lowbit.reports.page import write_page

            write_page(report, page)
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(report_table(report))
    if out is not None:
        typer.echo(f"wrote {out}")
