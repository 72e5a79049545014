"""`lowbit conformance peers`: run the adapters of other libraries and write the page of disagreements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lowbit.testing.peers import Peer


def peers_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="LIBRARY...", help="Only these (default: all that are installed).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the page there instead of standard output.")
    ] = None,
) -> None:
    """Say where other libraries depart from the numerical contract: docs/disagreements.md, as Markdown.

    Each library gets a line on standard error. Exit code 1: a library departs otherwise than its adapter has on record.
    """
    from lowbit.atomic_files import replacing
    from lowbit.testing.peers import find_peer, list_peers

    peers = [find_peer(name) for name in dict.fromkeys(names or list_peers())]
    if out is None:
        page, as_recorded = _run(peers, skip_missing=not names)
        typer.echo(page, nl=False)
    else:
        with replacing(out) as temporary:
            page, as_recorded = _run(peers, skip_missing=not names)
            temporary.write_text(page, encoding="utf-8")
    if not as_recorded:
        raise typer.Exit(1)


def _run(peers: "list[Peer]", *, skip_missing: bool) -> tuple[str, bool]:
    """The page, and whether every library does what is on record."""
    from lowbit.errors import UnsupportedError
    from lowbit.testing.peers import PeerReport, check_peer, disagreements_page

    reports: list[PeerReport] = []
    missing: list[str] = []
    for peer in peers:
        try:
            reports.append(check_peer(peer))
            typer.echo(str(reports[-1]), err=True)
        except UnsupportedError as error:
            if not skip_missing:
                raise
            missing.append(str(error))
            typer.echo(str(error), err=True)
    return disagreements_page(reports, missing), all(report.ok for report in reports)
