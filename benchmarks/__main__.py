"""`python -m benchmarks`: measure, print the table, write JSON."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import machine
from benchmarks.model import Result
from benchmarks.peers import PEER_ROWS
from benchmarks.rows import ROWS, select
from benchmarks.runner import document, measure_rows, write_json
from benchmarks.table import print_table
from benchmarks.timing import Timer

SIZE, QUICK_SIZE = 4096, 256
REPEATS, QUICK_REPEATS = 15, 3
BUDGET_S = 3.0
"""Seconds of one measurement after which it makes do with fewer repeats."""

WIDEST = 160
"""Columns of a table that goes to a file or pipe."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks. 0: measured (requirements met or not), 1: a row failed, 2: bad usage, 130: interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        rows = select(options.rows, rows=ROWS if options.peers else tuple(row for row in ROWS if row not in PEER_ROWS))
    except ValueError as error:
        parser.error(str(error))
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: the folder does not exist")
    if options.list:
        print("\n".join(row.key for row in rows))
        return 0
    console = Console(width=WIDEST) if not sys.stdout.isatty() else Console()
    progress = Console(stderr=True)
    size, timer = _size_and_timer(options, progress)
    about = machine.describe()
    results: list[Result] = []
    status = 0
    with progress.status("starting") as line:
        try:
            for result in measure_rows(
                rows, options.threads, size=size, quick=options.quick, timer=timer, starting=line.update
            ):
                results.append(result)
        except KeyboardInterrupt:
            status = 130
    print_table(console, results, options.threads, machine.summary(about), size)
    if options.json:
        settings = {"size": size, "repeats": timer.repeats, "threads": options.threads, "quick": options.quick}
        write_json(options.json, document(results, about, {**settings, "waited_s": round(timer.waited_s, 2)}))
    return status or int(any(result.failed for result in results))


def _size_and_timer(options: argparse.Namespace, progress: Console) -> tuple[int, Timer]:
    if options.quick:
        size, repeats, patience = QUICK_SIZE, QUICK_REPEATS, 0.0
    else:
        size, repeats, patience = SIZE, REPEATS, options.wait
    timer = Timer(repeats=options.repeats or repeats, budget_s=BUDGET_S, patience_s=patience, say=progress.print)
    return options.size or size, timer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="lowbit's speed, as ratios of one run.")
    parser.add_argument("--size", type=_positive, help="matrices of SIZE×SIZE elements (4096; quick: 256)")
    parser.add_argument("--threads", type=_counts, default=_default_threads(), help="thread counts, as in 1,2")
    parser.add_argument("--rows", type=_names, default=[], help="only rows whose key contains or matches one of these")
    parser.add_argument("--list", action="store_true", help="print the keys of the rows and stop")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="compare with peers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, medians and ratios to FILE")
    parser.add_argument("--repeats", type=_positive, help="pairs a measurement at most (15; quick: 3)")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds, in all, to wait for an idle processor (60)")
    parser.add_argument("--quick", action="store_true", help="small and few: shows that everything runs, not how fast")
    return parser


def _default_threads() -> list[int]:
    return [1, 2] if machine.cores_allowed() > 1 else [1]


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return number


def _counts(text: str) -> list[int]:
    return sorted({_positive(part) for part in text.split(",")})


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


if __name__ == "__main__":
    sys.exit(main())
