"""Progress of a report on standard error: a bar on a terminal, a few lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from lowbit.reports.collect import Progress as Report
from lowbit.reports.entries import Contents

LINES = 10
"""Lines written to standard error where it is no terminal."""


@contextmanager
def shown_progress(n_formats: int) -> Iterator[Callable[[Contents], Report]]:
    """The `progress` argument of `collect`, shown while the block runs."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), NameColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:

        def start(contents: Contents) -> Report:
            total = n_formats * sum(entry.elements for entry in contents.entries if entry.load is not None)
            if not console.is_terminal:
                return _lines(total)
            task = bar.add_task("", total=total)
            return lambda name, done: bar.update(task, advance=done, description=name)

        yield start


class NameColumn(TextColumn):
    """The tensor's name, as plain text and at most 40 characters."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: object) -> Text:
        """The description of the task, which names the tensor."""
        return Text(str(getattr(task, "description", ""))[:40])


def _lines(total: int) -> Report:
    """Write a line each time another tenth is done."""
    done = written = 0

    def report(name: str, elements: int) -> None:
        nonlocal done, written
        done += elements
        if done * LINES >= (written + 1) * total:
            written = done * LINES // total
            print(f"lowbit report: {done / total:.0%} {name}", file=sys.stderr, flush=True)

    return report
