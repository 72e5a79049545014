"""Assembles the commands. Importing it and showing help load neither numpy nor torch."""

from typing import Annotated

import typer

from lowbit.cli import conformance_command, explain_command, formats_command, report_command, study_command
from lowbit.version import __version__

# The base of every complaint about options and arguments. Taken from a public class, because typer has moved
# the module that defines it.
UsageProblem: type[typer.BadParameter] = typer.BadParameter.__mro__[2]  # pyright: ignore[reportAssignmentType]


def build_app() -> typer.Typer:
    """The `lowbit` command with all its subcommands."""
    app = typer.Typer(
        name="lowbit",
        help="Low-precision number formats, exact and fast: look at formats, measure tensors, run training studies.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for command in (formats_command, explain_command, report_command, study_command, conformance_command):
        command.register(app)
    return app


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=lambda on: _show(on)),
    ] = False,
) -> None:
    """Options of the command itself; the work is in the callbacks."""


def _show(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lowbit {__version__}")
        raise typer.Exit
