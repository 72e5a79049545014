"""`lowbit formats [NAME]`: the registry as a table, or one format in detail. Loads neither numpy nor torch."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from lowbit.formats import BlockFormat

PIPE_WIDTH = 160  # columns for output that goes to a file or a pipe, which have no width of their own

SPEC_WIDTH = 30  # longer spec texts are cut in the table; `lowbit formats NAME` shows them whole

PADDING = 2  # columns between two columns of the table

WIDE = 130  # narrower consoles leave out block and scale, which the spec text names too


def register(app: typer.Typer) -> None:
    """Add the `formats` command to the command line."""
    app.command("formats")(formats_command)


def formats_command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A name or spec text, such as e3m2/k16/ue5m3:ceil/ts.")
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="List every code, however many there are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON that lowbit reads back.")] = False,
) -> None:
    """List the registered formats, or show one: codes, values, range, scale and a picture of its grid."""
    from rich.console import Console, Group

    from lowbit.cli.format_details import format_details
    from lowbit.formats import format as find_format
    from lowbit.formats import format_to_json, list_formats

    chosen = [find_format(key) for key in (list_formats() if name is None else [name])]
    if as_json:
        texts = [format_to_json(fmt) for fmt in chosen]
        typer.echo(texts[0] if name is not None else "[" + ",\n ".join(texts) + "]")
        return
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    if name is None:
        console.print(registry_table(chosen, console.width))
    else:
        console.print(Group(*format_details(chosen[0], show_all=show_all)))


def registry_table(formats: "Sequence[BlockFormat]", columns: int) -> "Table":
    """One row a format: name, spec text, stored bits, largest element, block and scale where they fit, and source."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    wide = columns >= WIDE
    rows = [_registry_row(fmt, wide=wide) for fmt in formats]
    headings = ("name", "spec", "bits", "max", *(("block", "scale") if wide else ()))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    left = columns
    for column, heading in enumerate(headings):
        width = max(len(heading), *(len(row[column]) for row in rows))
        table.add_column(heading, justify="right" if heading in ("bits", "max") else "left", min_width=width)
        left -= width + PADDING
    table.add_column("source", overflow="ellipsis", no_wrap=True, max_width=max(left - PADDING, len("source")))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _registry_row(fmt: "BlockFormat", *, wide: bool) -> tuple[str, ...]:
    from lowbit.cli.format_details import number, scale_text

    block = "-" if fmt.block is None else str(fmt.block)
    middle = (block, scale_text(fmt)) if wide else ()
    spec = fmt.spec if len(fmt.spec) <= SPEC_WIDTH else fmt.spec[: SPEC_WIDTH - 1] + "…"
    return (fmt.name, spec, number(fmt.bits_per_element), number(fmt.element.max), *middle, fmt.source)
