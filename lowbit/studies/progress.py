"""What a person sees while a study runs: a live bar in a terminal, one line per finished trial elsewhere."""

import time
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from lowbit.studies.records import TrialRecord
from lowbit.studies.spec import TrialSpec


class Remaining:
    """Estimates the time left from finished trials of the same task and arm, else of the same task, else of
    any.
    """

    def __init__(self, specs: Sequence[TrialSpec], workers: int) -> None:
        self._left = {spec.id: spec for spec in specs}
        self._workers = workers
        self._seen: dict[tuple[str, ...], list[float]] = defaultdict(list)

    def finish(self, spec: TrialSpec, seconds: float | None) -> None:
        """Note that a trial is done, in so many seconds (None: it failed, which says nothing)."""
        self._left.pop(spec.id, None)
        if seconds is not None:
            for key in _keys(spec):
                self._seen[key].append(seconds)

    def seconds(self) -> float | None:
        """Estimated wall seconds to the end; None before the first trial has finished."""
        if not self._seen:
            return None
        workers = min(self._workers, max(1, len(self._left)))
        return sum(self._expected(spec) for spec in self._left.values()) / workers

    def _expected(self, spec: TrialSpec) -> float:
        samples = next(samples for key in _keys(spec) if (samples := self._seen.get(key)))
        return sum(samples) / len(samples)


def _keys(spec: TrialSpec) -> tuple[tuple[str, ...], ...]:
    return (spec.plan.task, spec.arm.label), (spec.plan.task,), ()


def clock(seconds: float | None) -> str:
    """Minutes and seconds, `1:05`; `-:--` for None."""
    return "-:--" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Reporter:
    """Shows the progress of one run on `console`; use as a context manager around it."""

    def __init__(self, console: Console, specs: Sequence[TrialSpec], *, total: int, workers: int) -> None:
        self._console = console
        self._remaining = Remaining(specs, workers)
        self._begin = time.perf_counter()
        self._total, self._skipped = total, total - len(specs)
        self._done = self._skipped
        self._running: dict[str, str] = {}
        self._bar = Progress(
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[times]}"),
            TextColumn("{task.fields[running]}", style="dim", markup=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=self._done, times="", running="starting workers")

    def __enter__(self) -> "Reporter":
        if self._skipped:
            self._console.print(f"{self._skipped} of {self._total} trials are already done and kept")
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, spec: TrialSpec) -> None:
        """A worker took up `spec`."""
        self._running[spec.id] = spec.label
        self.tick()

    def finish(self, record: TrialRecord) -> None:
        """A trial gave a result."""
        self._end(record.spec, record.provenance.seconds)
        loss = "diverged" if record.loss is None else f"loss {record.loss:.4f}"
        self._line(f"{record.spec.label}: {loss}, {record.provenance.seconds:.1f} s")

    def fail(self, spec: TrialSpec, message: str) -> None:
        """A trial failed for good; shown in a terminal as well, above the bar."""
        self._end(spec, None)
        text = f"failed: {spec.label}: {message}"
        if self._console.is_terminal:
            self._console.print(Text(text, style="red"))
        self._line(text)

    def tick(self) -> None:
        """Bring clock and running trials up to date."""
        times = f"{clock(time.perf_counter() - self._begin)} so far, {clock(self._remaining.seconds())} left"
        running = " | ".join(self._running.values()) or "-"
        self._bar.update(self._task, completed=self._done, times=times, running=running)

    def _end(self, spec: TrialSpec, seconds: float | None) -> None:
        self._running.pop(spec.id, None)
        self._remaining.finish(spec, seconds)
        self._done += 1
        self.tick()

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            left = clock(self._remaining.seconds())
            self._console.print(Text(f"[{self._done}/{self._total}] {text} ({left} left)"), soft_wrap=True)
