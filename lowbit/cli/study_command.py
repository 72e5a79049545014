"""`lowbit study list | run | show | plot`: argument parsing and printing; the work is in `lowbit.studies`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

TABLE_WIDTH = 120  # columns for output that goes to a file or a pipe, which have no width of their own

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A study folder made by `lowbit study run`.")]


def register(app: typer.Typer) -> None:
    """Add the `study` group to the command line."""
    group = typer.Typer(
        help="Train real models in many formats and compare them, with error bars.", no_args_is_help=True
    )
    group.command("list")(list_command)
    group.command("run")(run_command)
    group.command("show")(show_command)
    group.command("plot")(plot_command)
    app.add_typer(group, name="study")


def list_command() -> None:
    """List the studies that come with lowbit."""
    from lowbit.studies.catalog import find_study, list_studies

    for name in list_studies():
        study = find_study(name)
        tasks = ", ".join(plan.task for plan in study.tasks)
        typer.echo(f"{name}: {study.description}")
        typer.echo(f"  {len(study.trials())} trials: {len(study.arms)} arms x {len(study.seeds)} seeds of {tasks}")


def run_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A study of `lowbit study list`, or a study.json file.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Study folder: made if new, continued if it holds this study.")
    ],
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes of one thread each. Default: one for every usable core.")
    ] = None,
    engine: Annotated[str, typer.Option(help="Where trials run: local (processes on this machine).")] = "local",
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seeds 0 to N-1 in place of the study's own. More seeds extend a folder."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Train language tasks on this file's bytes. Default: CPython's own manual."),
    ] = None,
) -> None:
    """Train every trial of a study and compare the formats.

    Finished trials are kept in DIR at once: after Ctrl-C, a crash or a kill, the same command continues. At
    the end the tables are printed, and DIR holds results.parquet (a row a trial, with spec and versions),
    plot.png and plot.svg.
    """
    from lowbit.studies.catalog import find_study
    from lowbit.studies.runner import StudyError, run
    from lowbit.studies.tables import render

    begin = time.perf_counter()
    study = find_study(name) if seeds is None else find_study(name).with_seeds(seeds)
    console = _console()
    try:
        results = run(study, out=out, engine=engine, workers=workers, text=text, console=console)
    except StudyError as error:
        typer.echo(f"lowbit: error: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("lowbit: stopped; finished trials are kept, run the same command to continue", err=True)
        raise typer.Exit(130) from None
    console.print(render(results))
    console.print(f"\nresults  {results.path / 'results.parquet'}", highlight=False, soft_wrap=True)
    console.print(f"plot     {results.path / 'plot.png'} (and .svg)", highlight=False, soft_wrap=True)
    console.print(f"time     {time.perf_counter() - begin:.1f} s", highlight=False)


def show_command(folder: Folder) -> None:
    """Print the tables of a study folder, finished or not, without training anything."""
    from lowbit.studies.results import load
    from lowbit.studies.tables import render

    _console().print(render(load(folder)))


def plot_command(
    folder: Folder,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write here (.png, .svg or .pdf). Default: plot.png and plot.svg in DIR."),
    ] = None,
) -> None:
    """Draw the loss gap to fp32 against the bits of each format."""
    from lowbit.studies.figures import plot
    from lowbit.studies.results import load

    for written in plot(load(folder), out):
        typer.echo(str(written))


def _console() -> "Console":
    """Standard output, wide enough for the tables if it is not a terminal."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, TABLE_WIDTH))
