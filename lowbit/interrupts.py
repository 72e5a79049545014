"""Ctrl-C, held back where it would break what cannot be mended: numba's import and its compiler.

Packages that are cut short in their import cannot be imported again, and a compiler that is cut short leaves state
behind that crashes the next compilation. Kernels themselves end early (see `lowbit.kernels.cpu.scheduler`).
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """A block at whose end a Ctrl-C that came within is raised.

    Nothing changes in other threads than the main one, as Python handles no signals there, or without a handler of
    Python's own.
    """
    handler, waiting = signal.getsignal(signal.SIGINT), list[tuple[int, FrameType | None]]()
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if waiting:
            handler(*waiting[0])
