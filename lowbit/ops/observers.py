"""The hook for those who watch quantizations: off, it costs each call one look at `active`.

Observers see every `qdq` and `quantize` of the process, whatever thread it runs in, also from compiled graphs (the
operator reports when it runs). They get arrays that live only during the call and must not change them; what they
raise reaches the caller. Labels belong to the thread that set them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, local

import numpy as np

from lowbit.formats.block import BlockFormat


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One quantization: x and the values y that came out, of one shape and dtype (bfloat16 as 16-bit patterns).

    `operation` is qdq or quantize; `tensor_amax` the amax that was given, or follows from the tensor scale that was;
    `name` the module at work and `role` what x is to it, empty where nobody said.
    """

    x: np.ndarray
    y: np.ndarray
    kind: str
    format: BlockFormat
    operation: str
    tensor_amax: float | None
    name: str
    role: str


Observer = Callable[[Observation], None]

active: tuple[Observer, ...] | None = None
"""Who watches now, or None. Read it through the module, as `observers.active`."""

_lock = Lock()
_thread = local()


def attach(observer: Observer) -> None:
    """Let the observer see every quantization from now on."""
    global active
    with _lock:
        active = (*(active or ()), observer)


def detach(observer: Observer) -> None:
    """Undo one `attach`."""
    global active
    with _lock:
        remaining = list(active or ())
        remaining.remove(observer)
        active = tuple(remaining) or None


def report(
    x: np.ndarray,
    y: np.ndarray,
    kind: str,
    fmt: BlockFormat,
    operation: str,
    tensor_amax: float | None,
    tensor_scale: float | None,
) -> None:
    """Tell the observers, unless this thread is muted."""
    watching = active
    if watching is None or getattr(_thread, "muted", False):
        return
    if tensor_scale is not None and fmt.tensor_target is not None:
        tensor_amax = tensor_scale * float(fmt.tensor_target) * fmt.element.max
    name, role = label()
    seen = Observation(
        x=x, y=y, kind=kind, format=fmt, operation=operation, tensor_amax=tensor_amax, name=name, role=role
    )
    for observer in watching:
        observer(seen)


def label() -> tuple[str, str]:
    """Name and role that this thread's quantizations carry now."""
    return getattr(_thread, "label", ("", ""))


def set_label(name: str, role: str) -> None:
    """Give this thread's quantizations from now on a name and a role."""
    _thread.label = (name, role)


@contextmanager
def labelled(name: str, role: str) -> Iterator[None]:
    """The same inside a `with` statement."""
    before = label()
    set_label(name, role)
    try:
        yield
    finally:
        set_label(*before)


@contextmanager
def muted() -> Iterator[None]:
    """Hide what this thread quantizes inside, because it is part of a measurement."""
    before = getattr(_thread, "muted", False)
    _thread.muted = True
    try:
        yield
    finally:
        _thread.muted = before
