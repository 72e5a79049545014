"""What a tensor file holds, before anything of it is read: names, shapes, types, and how to get at the numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from lowbit.analysis import FloatView

FLOATS = ("float32", "float16", "bfloat16", "float64")
"""Types that can be measured; float64 is rounded to float32 first, and the report says so."""

FLOAT64_NOTE = "float64 -> float32"

MAX_NAME = 240
"""Longest name that is shown whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One tensor of a file. `load` maps or reads it; it is None exactly if `skipped` gives a reason."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], FloatView] | None
    skipped: str = ""

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def note(self) -> str:
        """The conversion that is made before measuring, or nothing."""
        return FLOAT64_NOTE if self.dtype == "float64" else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """All tensors of a file in its order, and how many values that are no tensors lie beside them."""

    entries: tuple[Entry, ...]
    other_values: int = 0


def entry(name: str, shape: tuple[int, ...], dtype: str, load: Callable[[], FloatView], refusal: str = "") -> Entry:
    """An entry that is measured if its type is one of FLOATS, it is not empty and nothing else speaks against it."""
    reason = refusal or _refusal(shape, dtype)
    return Entry(name=printable(name), shape=shape, dtype=dtype, load=None if reason else load, skipped=reason)


def printable(name: str) -> str:
    """A name from a file, safe to print: control, direction and other unprintable characters escaped, length limited.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in name)
    return safe if len(safe) <= MAX_NAME else f"{safe[: MAX_NAME - 20]}…{safe[-19:]}"


def _refusal(shape: tuple[int, ...], dtype: str) -> str:
    if dtype not in FLOATS:
        return f"{dtype}, not one of {', '.join(FLOATS)}"
    return "empty" if prod(shape) == 0 else ""
