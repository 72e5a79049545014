"""The table that a run prints: one line a row, for each thread count the value, what is required, and met or not."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.model import Result, Unit
from benchmarks.timing import IDLE_LOAD

LEGEND = (
    "× memcpy: GB/s of bytes in plus bytes out (of packed codes: codes and scales), over torch's copy_ of the same "
    "tensor, measured in turns with it. × faster: the peer's time over lowbit's. ~: other processes took more than "
    f"{IDLE_LOAD:.0%} of the processor meanwhile."
)


def print_table(console: Console, results: Sequence[Result], threads: Sequence[int], machine: str, size: int) -> None:
    """Print the results, grouped, and a summary; `machine` is one line about what it ran on."""
    table = Table(title=f"lowbit, {size}×{size} elements", caption=f"{machine}\n{LEGEND}", caption_justify="left")
    table.add_column("row", overflow="fold")
    for count in threads:
        table.add_column("1 thread" if count == 1 else f"{count} threads", justify="right", no_wrap=True)
        table.add_column("required", no_wrap=True)
    table.add_column("note", overflow="fold")
    for group, members in groupby(results, key=lambda result: result.group):
        table.add_section()
        table.add_row(Text(group, style="bold"))
        for _, cells in groupby(members, key=lambda result: result.key):
            table.add_row(*_line(list(cells), threads))
    console.print(table)
    console.print(verdict(results))


def verdict(results: Sequence[Result]) -> str:
    """How many cells met their requirement, and how many there is nothing to say about."""
    met = sum(result.met is True for result in results)
    missed = sum(result.met is False for result in results)
    skipped = sum(bool(result.skipped) for result in results)
    failed = sum(bool(result.failed) for result in results)
    unjudged = len(results) - met - missed - skipped - failed
    return f"{met} met, {missed} not met, {unjudged} without requirement, {skipped} skipped, {failed} failed"


def _line(cells: list[Result], threads: Sequence[int]) -> list[Text]:
    """A row's label, two columns for each thread count, and its note; a row measured once fills the first two."""
    by_threads = {cell.threads: cell for cell in cells}
    line = [Text(f"  {cells[0].label}")]
    for position, count in enumerate(threads):
        cell = by_threads.get(count) or (by_threads.get(None) if position == 0 else None)
        line += [_value(cell), _required(cell)] if cell else [Text(), Text()]
    notes = dict.fromkeys(cell.skipped or cell.failed or cell.note for cell in cells)
    return [*line, Text("; ".join(note for note in notes if note))]


def _value(cell: Result) -> Text:
    if cell.value is None:
        return Text("failed", style="red") if cell.failed else Text("skipped", style="dim")
    noisy = "~" if cell.other_load is not None and cell.other_load > IDLE_LOAD else ""
    digits = 1 if cell.unit in (Unit.FASTER, Unit.MICROSECONDS) else 2
    return Text(f"{noisy}{cell.value:.{digits}f} {cell.unit}")


def _required(cell: Result) -> Text:
    if cell.required is None:
        return Text("-", style="dim")
    bound = f"{cell.limit} {cell.required:g}"
    if cell.met is None:
        return Text(bound, style="dim")
    return Text(f"{bound} met", style="green") if cell.met else Text(f"{bound} not met", style="bold red")
