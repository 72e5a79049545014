"""`lowbit conformance certify`: check every float32 input of a format against exact boundaries, with progress."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lowbit.errors import ArgumentError

if TYPE_CHECKING:
    from lowbit.formats import BlockFormat, Rounding

LINES = 10
"""Lines of progress where standard error is no terminal."""


def certify_command(
    formats: Annotated[
        list[str] | None,
        typer.Argument(metavar="FORMAT...", help="Elements (e4m3, nf4/cast) or block scales (e2m1/k32/e8m0:rceil)."),
    ] = None,
    modes: Annotated[
        list[str] | None, typer.Option("--mode", metavar="MODE", help="Only this rounding mode; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a certificate for each format into this folder.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Check only boundaries and N random inputs of each mode.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All formats of the collection but those with a current certificate in DIR.")
    ] = False,
) -> None:
    """Check all 2^32 float32 inputs of an element in every deterministic mode, or every amax of a block scale.

    Codes and values are compared with decision boundaries derived from the format's definition in exact arithmetic.
    A certificate holds counts and hashes of all codes. With --all the same command continues after an interruption.
    """
    from lowbit.testing.certificates import Disagreement

    try:
        for fmt in _chosen(formats or [], out, every=every):
            _certify(fmt, _modes(modes or [], out, sample), out, sample)
    except Disagreement as error:
        typer.echo(f"lowbit: error: {error}", err=True)
        raise typer.Exit(1) from None


def _chosen(texts: list[str], out: Path | None, *, every: bool) -> "Iterator[BlockFormat]":
    """The formats to check; for --all those whose file in `out` is missing or was made with other kernels."""
    from lowbit.formats import format as find_format
    from lowbit.testing.certificates import Certificate, certified_formats, file_name

    if every == bool(texts):
        raise ArgumentError("give formats to check, or --all for the whole collection")
    if out is not None and not out.is_dir():
        raise ArgumentError(f"--out {out} is no folder; make it first")
    for fmt in certified_formats() if every else [find_format(text) for text in texts]:
        path = None if out is None else out / file_name(fmt)
        if not (every and path is not None and path.exists() and Certificate.load(path).is_current):
            yield fmt


def _modes(names: list[str], out: Path | None, sample: int | None) -> "list[Rounding]":
    from lowbit.formats.rounding import Rounding, enum_member
    from lowbit.testing.certificates.element_boundaries import MODES

    if out is not None and (names or sample is not None):
        raise ArgumentError("a certificate has all inputs of all modes; leave out --out, or --mode and --sample")
    chosen = [enum_member(Rounding, name, "mode") for name in names]
    if Rounding.STOCHASTIC in chosen:
        raise ArgumentError(f"--mode stochastic is random; choose from: {', '.join(mode.value for mode in MODES)}")
    return chosen or list(MODES)


def _certify(fmt: "BlockFormat", modes: "list[Rounding]", out: Path | None, sample: int | None) -> None:
    from lowbit.testing.certificates import certify, check_sample, file_name

    begin = time.perf_counter()
    if sample is not None:
        checked, names = check_sample(fmt, sample, modes=modes), modes if fmt.scale is None else [str(fmt.scale_rule)]
    else:
        checks = len(modes) if fmt.scale is None else 1
        with _shown(str(fmt), checks << (32 if fmt.scale is None else 31)) as progress:
            certificate = certify(fmt, modes=modes, progress=progress)
        checked, names = sum(check.inputs for check in certificate.checks.values()), list(certificate.checks)
        if out is not None:
            certificate.save(out / file_name(fmt))
    seconds = time.perf_counter() - begin
    typer.echo(f"{fmt}: {checked:,} inputs as expected ({', '.join(names)}), {seconds:.1f} s")


@contextmanager
def _shown(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left on a terminal, a line for each tenth elsewhere, both on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console, done, begin = Console(stderr=True), 0, time.perf_counter()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name[:40], total=total)

        def advance(inputs: int) -> None:
            nonlocal done
            before, done = done, done + inputs
            bar.update(task, advance=inputs)
            if not console.is_terminal and before * LINES // total < done * LINES // total:
                left = (time.perf_counter() - begin) * (total - done) / done
                print(f"lowbit certify: {name} {done / total:.0%}, {left:.0f} s left", file=sys.stderr, flush=True)

        yield advance
