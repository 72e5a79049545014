"""`lowbit conformance check | export | peers | certify | stochastic`: arguments; the work is in `lowbit.testing`."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from lowbit.cli.certify_command import certify_command
from lowbit.cli.explain_command import block_axis
from lowbit.cli.peers_command import peers_command
from lowbit.cli.stochastic_command import stochastic_command
from lowbit.errors import ArgumentError

FormatOption = Annotated[str, typer.Option("--format", metavar="FORMAT", help="A name or spec text.")]
AxisOption = Annotated[str, typer.Option("--axis", metavar="AXIS", help="Axis of the blocks; a pair for tiles.")]
RoundingOption = Annotated[
    str, typer.Option("--rounding", metavar="MODE", help="nearest_even, stochastic, stochastic:8:biased, ...")
]
ClausesOption = Annotated[
    str | None, typer.Option("--clauses", metavar="A,B,...", help="Only these: ids such as 5.ties, or sections as 5.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of stochastic calls.")]


def register(app: typer.Typer) -> None:
    """Add the `conformance` group to the command line."""
    group = typer.Typer(help="Check numerics against the contract, bit by bit.", no_args_is_help=True)
    group.command("check")(check_command)
    group.command("export")(export_command)
    group.command("peers")(peers_command)
    group.command("certify")(certify_command)
    group.command("stochastic")(stochastic_command)
    app.add_typer(group, name="conformance")


def check_command(
    quantizer: Annotated[
        str,
        typer.Argument(metavar="MODULE:FUNCTION", help="Array -> fake-quantized array, or codes and scales."),
    ],
    format: FormatOption,
    axis: AxisOption = "-1",
    rounding: RoundingOption = "nearest_even",
    transform: Annotated[
        str | None,
        typer.Option("--transform", metavar="TEXT", help="It rotates first: hadamard16:seed=7, ..."),
    ] = None,
    clauses: ClausesOption = None,
    skip: Annotated[str | None, typer.Option("--skip", metavar="A,B,...", help="Leave these clauses out.")] = None,
    accepts: Annotated[
        str | None,
        typer.Option("--accepts", metavar="A,B,...", help="Keywords it takes (default: by its signature)."),
    ] = None,
    tensors: Annotated[str, typer.Option("--tensors", help="What it is given: numpy or torch.")] = "numpy",
    nonfinite: Annotated[str, typer.Option("--nonfinite", help="check, or skip NaN and infinities.")] = "check",
    draws: Annotated[
        str, typer.Option("--draws", help="philox: the contract's random bits; own: frequencies only.")
    ] = "philox",
    ndim: Annotated[int, typer.Option("--ndim", help="The fewest axes it takes.")] = 1,
    examples: Annotated[int, typer.Option("--examples", help="Violations shown for each clause, at most.")] = 1,
    seed: SeedOption = 0,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report there as JSON as well.")
    ] = None,
) -> None:
    """Say where a quantizer departs from the numerical contract, with the smallest inputs that show it.

    Modules in the current folder can be named. Exit code 0: it conforms, 1: it does not.
    """
    from lowbit.atomic_files import write_atomic
    from lowbit.formats import Hadamard
    from lowbit.testing import check_conformance

    report = check_conformance(
        named_function(quantizer),
        format,
        axis=block_axis(axis),
        rounding=rounding,
        transform=None if transform is None else Hadamard.from_text(transform),
        clauses=names(clauses),
        skip=names(skip) or (),
        accepts=names(accepts),
        tensors=tensors,
        nonfinite=nonfinite,
        draws=draws,
        ndim=ndim,
        examples=examples,
        seed=seed,
    )
    if json is not None:
        write_atomic(json, lambda temporary: temporary.write_text(report.to_json() + "\n", encoding="utf-8"))
    typer.echo(str(report))
    if not report.ok:
        raise typer.Exit(1)


def export_command(
    format: Annotated[str, typer.Argument(metavar="FORMAT", help="A name or spec text.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="A .npz or .jsonl file, or a folder of hex files ($readmemh).")
    ],
    axis: AxisOption = "-1",
    rounding: RoundingOption = "nearest_even",
    clauses: ClausesOption = None,
    seed: SeedOption = 0,
) -> None:
    """Write test vectors for hardware and kernels: inputs, codes, scales and values, every clause labelled."""
    from lowbit.testing import export_vectors

    counts = export_vectors(format, out, axis=block_axis(axis), rounding=rounding, clauses=names(clauses), seed=seed)
    for clause, count in counts.items():
        typer.echo(f"{clause:<26} {count}")
    typer.echo(f"{sum(counts.values())} vectors of {len(counts)} clauses in {out}")


def names(text: str | None) -> tuple[str, ...] | None:
    """Names separated by commas; None where nothing was given."""
    return None if text is None else tuple(name.strip() for name in text.split(","))


def named_function(text: str) -> Callable[..., Any]:
    """The function of `module:function`, with the current folder among those that modules come from.

    ArgumentError, in one line, for text of another form, and for whatever the import raises.
    """
    module, _, path = text.partition(":")
    if not module or not path:
        raise ArgumentError(f"{text!r}: give MODULE:FUNCTION, such as my_kernels:quantize")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except AttributeError as error:
        raise ArgumentError(f"{text!r}: {error}") from None
    except (Exception, SystemExit) as error:  # a module may raise anything when it is imported
        raise ArgumentError(f"{text!r}: importing {module} raised {type(error).__name__}: {error}") from None
    if not callable(found):
        raise ArgumentError(f"{text!r} is a {type(found).__name__}; give a function")
    return found
