"""Splitting work over threads: a small pool that survives forks, honouring `set_num_threads`.

Kernels are serial over a range of work items and release the interpreter lock, so plain threads suffice. The pool is
made at the first use in a process: a forked child makes its own, and never touches its parent's threads.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock

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
    pool: ThreadPoolExecutor | None = None
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


def run_ranges(work: Callable[[int, int], None], items: int, *, grain: int) -> None:
    """Call work(first, last) on ranges that cover 0..items, in parallel where each thread gets at least `grain` items.

    Threads, the caller's among them, take ranges from a common list until it is empty: one that wakes late, or whose
    core is taken, does fewer. The first exception is raised after all threads have ended.
    """
    threads = max(1, min(_State.threads, items // max(1, grain)))
    if threads == 1:
        work(0, items)
        return
    pieces = max(threads, min(threads * PIECES, items // max(1, grain)))
    bounds = [items * piece // pieces for piece in range(pieces + 1)]
    left = list(pairwise(bounds))[::-1]

    def take() -> None:
        while True:
            try:
                first, last = left.pop()  # one atomic step
            except IndexError:
                return
            work(first, last)

    pool = _pool(threads - 1)
    futures = [pool.submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        for future in futures:
            future.exception()
    for future in futures:
        future.result()


def _pool(workers: int) -> ThreadPoolExecutor:
    with _State.lock:
        if _State.pool is None or _State.process != os.getpid() or _State.workers < workers:
            _State.pool = ThreadPoolExecutor(workers, thread_name_prefix="lowbit")
            _State.workers, _State.process = workers, os.getpid()
        return _State.pool
