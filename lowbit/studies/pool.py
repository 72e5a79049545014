"""Worker processes and the threads that feed them, one trial at a time each.

A worker that dies is replaced and its trial tried again; a trial that raises is reported and not repeated,
since the same spec would fail the same way.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from lowbit.studies.records import TrialRecord
from lowbit.studies.spec import TrialSpec

ATTEMPTS = 3
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A worker took up a trial."""

    spec: TrialSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A trial gave a result (a diverged training is one)."""

    spec: TrialSpec
    record: TrialRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """A trial raised, or its workers kept dying: `message` is one line, `details` a traceback or nothing."""

    spec: TrialSpec
    message: str
    details: str


Event = Started | Finished | Failed


class WorkerDiedError(Exception):
    """The worker process ended before it replied; the text says how."""


class WorkerProcess:
    """One running `lowbit.studies.worker`; its standard error is appended to `log`."""

    def __init__(self, log: Path) -> None:
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "lowbit.studies.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C in the terminal is for the parent to handle
            )

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its reply; WorkerDiedError if none comes."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except (OSError, ValueError):
            line = ""
        if not line.endswith("\n"):
            self.stop()
            raise WorkerDiedError(f"its process ended with exit status {self._process.returncode}")
        return json.loads(line)

    def stop(self) -> None:
        """Kill the process if it still runs, and wait for its end: a worker keeps nothing that could be lost."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # a request it never read is lost with it
                    stream.close()


class WorkerPool:
    """Runs trials on `workers` processes; use as a context manager, which ends them all on the way out."""

    def __init__(self, *, workers: int, logs: Path, text_path: Path | None) -> None:
        self._logs = logs
        self._text = None if text_path is None else str(text_path.resolve())
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[TrialSpec] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: dict[int, WorkerProcess] = {}
        self._closed = False
        self._count = workers

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            for worker in self._running.values():
                worker.stop()

    def run(self, specs: Sequence[TrialSpec]) -> Iterator[Event | None]:
        """Events until every spec has finished or failed; None every fifth of a second, for clocks and
        signals.
        """
        for spec in specs:
            self._jobs.put(spec)
        for index in range(min(self._count, len(specs))):
            threading.Thread(target=self._feed, args=(index,), daemon=True).start()
        left = len(specs)
        while left:
            try:
                event = self._events.get(timeout=0.2)
            except queue.Empty:
                yield None
                continue
            left -= not isinstance(event, Started)
            yield event

    def _feed(self, index: int) -> None:
        """Body of a feeding thread: one trial after the other through worker `index`."""
        while not self._closed:
            try:
                spec = self._jobs.get_nowait()
            except queue.Empty:
                return
            self._events.put(Started(spec=spec))
            try:
                self._events.put(self._run_one(index, spec))
            except Exception as error:  # a reply nobody can read; without an event the run would wait for ever
                self._events.put(Failed(spec=spec, message=f"{type(error).__name__}: {error}", details=""))

    def _run_one(self, index: int, spec: TrialSpec) -> Event:
        death = ""
        for _ in range(ATTEMPTS):
            try:
                reply = self._worker(index).run({"spec": spec.to_json(), "text": self._text})
            except (WorkerDiedError, OSError) as error:
                death = str(error)
                with self._lock:
                    self._running.pop(index, None)
                continue
            if "record" in reply:
                return Finished(spec=spec, record=TrialRecord.from_json(reply["record"], "a worker's reply"))
            return Failed(spec=spec, message=reply["error"], details=reply["traceback"])
        return Failed(spec=spec, message=f"given up after {ATTEMPTS} attempts: {death}", details="")

    def _worker(self, index: int) -> WorkerProcess:
        """The running worker `index`, started if need be; WorkerDiedError once the pool is closed."""
        with self._lock:
            if self._closed:
                raise WorkerDiedError("the run was stopped")
            if index not in self._running:
                self._running[index] = WorkerProcess(self._logs / f"worker-{index}.log")
            return self._running[index]
