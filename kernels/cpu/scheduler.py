"""Splitting work over threads: a small pool that survives forks, honouring `set_num_threads`.

Kernels are serial over a range of work items and release the interpreter lock, so plain threads suffice. The pool is
made at the first use in a process: a forked child makes its own, and never touches its parent's threads.
"""

import os
from collections.abc import Callable
from itertools import pairwise
from queue import SimpleQueue
from threading import Lock, Thread

from lowbit.errors import ArgumentError

PIECES = 8
"""Ranges a thread: more even the load out, fewer cost less."""


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _State:
    """Thread count and pool of this process."""

    threads = _available_cores()
    jobs: "SimpleQueue[_Job]" = SimpleQueue()
    workers = 0
    process = 0
    lock = Lock()


def _renew_lock() -> None:
    _State.lock = Lock()  # the parent may have held it at the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def set_num_threads(count: int) -> None:
    """Use at most `count` threads for kernels, in this process. Results never depend on it. ArgumentError below 1."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(f"number of threads {count!r}: give a positive integer")
    _State.threads = count


def get_num_threads() -> int:
    """How many threads kernels may use; by default the cores that this process may run on."""
    return _State.threads


class _Job:
    """Ranges of one call, and who is at work on them.

    What follows holds whatever instruction an interrupt hits in the caller's thread: only operations that cannot be cut
    in two are used (of lists and of `SimpleQueue`), and nothing that an interrupt could leave locked.
    """

    __slots__ = ("active", "done", "ended", "errors", "left", "work")

    def __init__(self, work: Callable[[int, int], None], left: list[tuple[int, int]]) -> None:
        self.work, self.left = work, left
        self.active, self.ended, self.errors = list[None](), list[None](), list[BaseException]()
        self.done = SimpleQueue[None]()

    def take(self) -> None:
        """Work on ranges until none is left."""
        while True:
            try:
                first, last = self.left.pop()
            except IndexError:
                return
            self.work(first, last)

    def help(self) -> None:
        """`take` in a thread of the pool. One that wakes too late finds no range left and so writes nothing."""
        self.active.append(None)
        try:
            self.take()
        except BaseException as error:
            self.left.clear()
            self.errors.append(error)
        finally:
            self.ended.append(None)
            self.done.put(None)

    def wait(self) -> None:
        """Return when no thread of the pool works on a range: to be called when none is left."""
        while len(self.ended) < len(self.active):
            self.done.get()


def run_ranges(work: Callable[[int, int], None], items: int, *, grain: int) -> None:
    """Call work(first, last) on ranges that cover 0..items, in parallel where each thread gets at least `grain` items.

    Threads, the caller's among them, take ranges from a common list until it is empty: one that wakes late, or whose
    core is taken, does fewer. After an exception or an interrupt no further range is begun; it is raised when all
    threads have ended, so that nothing is written any more.
    """
    threads = max(1, min(_State.threads, items // max(1, grain)))
    if threads == 1:
        work(0, items)
        return
    pieces = max(threads, min(threads * PIECES, items // max(1, grain)))
    bounds = [items * piece // pieces for piece in range(pieces + 1)]
    job, called, raised = _Job(work, list(pairwise(bounds))[::-1]), False, None
    while True:
        try:
            if not called:
                _call_helpers(job, threads - 1)
                called = True
            job.take()
            job.wait()
            break
        except BaseException as error:  # also an interrupt, wherever it hits
            job.left.clear()
            called, raised = True, raised or error
    if raised is not None or job.errors:
        raise raised or job.errors[0]


def _call_helpers(job: _Job, count: int) -> None:
    """Ask `count` threads of the pool to take part, starting those that do not exist yet."""
    with _State.lock:
        if _State.process != os.getpid():
            _State.jobs, _State.workers, _State.process = SimpleQueue(), 0, os.getpid()
        while _State.workers < count:
            _State.workers += 1
            Thread(target=_serve, args=(_State.jobs,), name=f"lowbit-{_State.workers}", daemon=True).start()
        jobs = _State.jobs
    for _ in range(count):
        jobs.put(job)


def _serve(jobs: "SimpleQueue[_Job]") -> None:
    """A thread of the pool. It keeps no job, and so no array, while it waits for the next one."""
    while True:
        jobs.get().help()
