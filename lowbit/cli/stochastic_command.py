"""`lowbit conformance stochastic`: probabilities and independence of stochastic rounding; `lowbit.testing` does it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lowbit.testing import StochasticReport

MODES = ("8:midpoint", "8:nearest_even", "8:nearest_odd", "8:biased", "32:midpoint")
"""What is checked of lowbit's own rounding: each rule exactly, then all random bits."""


def stochastic_command(
    format: Annotated[str, typer.Argument(metavar="FORMAT", help="A name or spec text.")],
    quantizer: Annotated[
        str | None,
        typer.Option("--quantizer", metavar="MODULE:FUNCTION", help="Instead of lowbit's own; see conformance check."),
    ] = None,
    rounding: Annotated[
        list[str] | None,
        typer.Option("--rounding", metavar="MODE", help="stochastic:8:biased, ...; may be repeated."),
    ] = None,
    axis: Annotated[int, typer.Option("--axis", help="Axis of the blocks, -1 or 0.")] = -1,
    draws: Annotated[
        str, typer.Option("--draws", help="philox: the contract's random bits; own: the quantizer's.")
    ] = "philox",
    gaps: Annotated[
        int, typer.Option("--gaps", min=0, help="Gaps of the grid to enumerate, evenly spread; 0: all.")
    ] = 8,
    elements: Annotated[int, typer.Option("--elements", help="Elements of a tensor.")] = 1 << 20,
    seed: Annotated[int, typer.Option("--seed", help="Where the seeds begin.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Repeat with so many seeds, far apart.")] = 1,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the reports there as JSON lines as well.")
    ] = None,
) -> None:
    """Enumerate all random words of 8-bit stochastic rounding, and test bias and independence with any number of bits.

    Without --rounding, lowbit's own rounding is checked with all four rules, a quantizer with `stochastic`.
    Exit code 0: nothing speaks against it, 1: something does.
    """
    from lowbit.atomic_files import write_atomic
    from lowbit.cli.conformance_command import named_function
    from lowbit.testing import check_stochastic

    function = None if quantizer is None else named_function(quantizer)
    modes = rounding or ([f"stochastic:{mode}" for mode in MODES] if function is None else ["stochastic"])
    reports: list[StochasticReport] = []
    for mode in modes:
        for number in range(seeds):
            report = check_stochastic(
                function,
                format,
                rounding=mode,
                axis=axis,
                draws=draws,
                gaps=gaps or None,
                elements=elements,
                seed=seed + number * 1_000_003,
                error_rate=1e-6 / seeds / len(modes),
            )
            reports.append(report)
            typer.echo(str(report))
    if json is not None:
        lines = "".join(report.to_json() + "\n" for report in reports)
        write_atomic(json, lambda temporary: temporary.write_text(lines, encoding="utf-8"))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)
