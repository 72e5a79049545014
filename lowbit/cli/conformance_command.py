"""`lowbit conformance ...`: the group of commands that check numerics."""

import typer

from lowbit.cli.certify_command import certify_command


def register(app: typer.Typer) -> None:
    """Add the `conformance` group to the command line."""
    group = typer.Typer(help="Check numerics against the contract, bit by bit.", no_args_is_help=True)
    group.command("certify")(certify_command)
    app.add_typer(group, name="conformance")
