"""Does the suite notice? `python tests/mutations [NAME ...]` plants realistic defects one by one and runs the tests.

`planted_defects` is the table of what is planted and where a test should see it, `mutation_check` the method.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mutation_check import Defect, Outcome, Verdict, copied_tree, judge, run_tests
from planted_defects import DEFECTS
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every defect was caught, 1: one was not, or the tests fail without a defect; 2: bad usage."""
    parser = argparse.ArgumentParser(
        prog="python tests/mutations", description="Does the suite notice planted defects?"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these defects (all)")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--workers", type=int, default=2, help="processes that run tests (2)")
    options = parser.parse_args(arguments)
    known = {defect.name: defect for defect in DEFECTS}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no defect is named {unknown[0]!r}; --list prints the names")
    if options.workers < 1:
        parser.error(f"--workers {options.workers}: give 1 or more")
    if options.list:
        print("\n".join(known))
        return 0
    return check([known[name] for name in options.names] or list(DEFECTS), workers=options.workers)


def check(defects: Sequence[Defect], *, workers: int) -> int:
    """Run the check with a progress bar and print the table."""
    console, outcomes = Console(stderr=True), list[Outcome]()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    root = Path(__file__).resolve().parents[2]
    with copied_tree(root) as tree, Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task("without a defect", total=len(defects) + 1)
        tests = sorted({test for defect in defects for test in defect.tests})
        verdict, evidence = run_tests(tree, tests, workers=workers)
        if verdict is not Verdict.SURVIVED:
            console.print(f"the tests fail without a defect: {evidence}")
            return 1
        for defect in defects:
            progress.update(bar, advance=1, description=defect.name)
            outcomes.append(judge(tree, defect, workers=workers))
        progress.update(bar, advance=1, description="done")
    _print(outcomes)
    return int(any(outcome.verdict is not Verdict.CAUGHT for outcome in outcomes))


def _print(outcomes: Sequence[Outcome]) -> None:
    table = Table("defect", "in", "", "first test that failed")
    for outcome in outcomes:
        table.add_row(outcome.defect.name, outcome.defect.file, outcome.verdict.value, outcome.evidence)
    console = Console(width=200) if not sys.stdout.isatty() else Console()
    console.print(table)
    caught = sum(outcome.verdict is Verdict.CAUGHT for outcome in outcomes)
    console.print(f"{caught} of {len(outcomes)} defects caught")


if __name__ == "__main__":
    sys.exit(main())
