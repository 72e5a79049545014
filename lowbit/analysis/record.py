"""Telemetry: what quantization does to the tensors of a running program, call by call and added up over steps."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock, local
from typing import Any, NamedTuple

import numpy as np

from lowbit.analysis.summaries import ratio
from lowbit.analysis.sums import Sums, compared_sums
from lowbit.analysis.views import FloatView, pieces
from lowbit.errors import ArgumentError
from lowbit.formats import BlockFormat, list_formats
from lowbit.formats import format as find_format
from lowbit.ops import observers
from lowbit.ops.observers import Observation

COLUMNS = (
    "name",
    "role",
    "format",
    "operation",
    "calls",
    "qsnr_db",
    "bias",
    "underflowed",
    "beyond",
    "nonfinite",
    "amax",
)
"""What the table shows, in order; `Log.rows` has more."""


class Key(NamedTuple):
    """What calls are added up by."""

    name: str
    role: str
    format: str
    operation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Calls of one key, added up; `a + b` merges. `amax` is the largest finite magnitude of the inputs.

    `beyond` counts inputs larger than the tensor amax (or what the tensor scale can hold) that the call was given.
    """

    calls: int = 0
    sums: Sums = field(default_factory=Sums)
    amax: float = 0.0
    beyond: int = 0

    def __add__(self, other: "Entry") -> "Entry":
        """The calls of both."""
        return Entry(
            calls=self.calls + other.calls,
            sums=self.sums + other.sums,
            amax=max(self.amax, other.amax),
            beyond=self.beyond + other.beyond,
        )


class Log:
    """What was quantized while it was open, by module name, role, format and operation. Safe to fill from any thread.

    Logs add (`a + b`), for runs in parts or on several machines, and print as a table.
    """

    def __init__(self, every: int = 1) -> None:
        if not isinstance(every, int) or every < 1:
            raise ArgumentError(f"every={every!r}: give a positive integer")
        self._every = every
        self._entries: dict[Key, Entry] = {}
        self._lock = Lock()

    @property
    def entries(self) -> dict[Key, Entry]:
        """The sums so far, in the order in which keys first appeared."""
        with self._lock:
            return dict(self._entries)

    def rows(self) -> list[dict[str, Any]]:
        """One flat dict a key, of strings and numbers, for a table or a parquet file.

        Holds the key, `calls`, of the measured calls `elements`, `amax` and `beyond` (a fraction), and all fields of
        `lowbit.analysis.Summary` that follow from inputs and outputs: qsnr_db, relative_mse, mean_error, bias,
        magnitude_bias, shrinkage, cosine, underflowed, nonfinite and poisoned.
        """
        return [_row(key, entry) for key, entry in self.entries.items()]

    def clear(self) -> None:
        """Forget everything, to start the next period."""
        with self._lock:
            self._entries.clear()

    def __add__(self, other: "Log") -> "Log":
        """A log of both."""
        merged = Log()
        for log in (self, other):
            for key, entry in log.entries.items():
                merged._entries[key] = merged._entries.get(key, Entry()) + entry
        return merged

    def __len__(self) -> int:
        return len(self.entries)

    def __str__(self) -> str:
        """The columns of `COLUMNS`, aligned; keys in the order in which they first appeared."""
        rows = [COLUMNS, *([_cell(row[column]) for column in COLUMNS] for row in self.rows())]
        widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def observe(self, seen: Observation) -> None:
        """Add one call; what `record` registers."""
        key = Key(seen.name, seen.role, _format_name(seen.format), seen.operation)
        with self._lock:
            entry = self._entries.setdefault(key, Entry())
            self._entries[key] = entry + Entry(calls=1)
        if entry.calls % self._every == 0:
            measured = _entry(seen)
            with self._lock:
                self._entries[key] = self._entries.get(key, Entry()) + measured


@contextmanager
def record(model: Any = None, *, every: int = 1) -> Iterator[Log]:
    """Collect what every quantization inside does: `lb.qdq`, `lb.quantize`, layers of `lb.nn`, in all threads.

    Costs nothing outside the `with`. Inside, a measured call takes some 20 ns an element more, far longer than the
    quantization itself: `every=100` counts all calls and measures every hundredth of a key, from the first on. The sums
    are of the values that came out, whatever rounding and scale made them. With a torch `model`, calls inside a module
    carry its dotted name, through hooks that are removed at the end; layers of `lb.nn` also say the role (fprop.weight,
    ...), in their backward passes too. Compiled graphs report when they run, without names and roles.

    Logs may be nested: each open log gets every call. What an analysis function quantizes for its own measurement is
    not recorded. Calls under autograd count as they run, a recomputed forward pass once more.
    Raises ArgumentError for a model that is not a torch module, or `every` below 1.

    >>> import numpy as np, lowbit as lb
    >>> with lb.analysis.record() as log:
    ...     for step in range(3):
    ...         y = lb.qdq(np.arange(64, dtype=np.float32), "mxfp4")
    >>> [(row["format"], row["calls"], row["elements"]) for row in log.rows()]
    [('mxfp4', 3, 192)]
    """
    log = Log(every)
    with ExitStack() as stack:
        if model is not None:
            stack.enter_context(_named_modules(model))
        observers.attach(log.observe)
        stack.callback(observers.detach, log.observe)
        yield log


def _format_name(fmt: BlockFormat) -> str:
    """Its registered name, or its spec text: operators pass spec text on, and both are the same format."""
    return next((name for name in list_formats() if find_format(name) == fmt), fmt.spec)


def _row(key: Key, entry: Entry) -> dict[str, Any]:
    summary = entry.sums.summary(key.format)
    shared = ("elements", "qsnr_db", "relative_mse", "mean_error", "bias", "magnitude_bias", "shrinkage", "cosine")
    measured = {name: getattr(summary, name) for name in (*shared, "underflowed", "nonfinite", "poisoned")}
    beyond = ratio(entry.beyond, entry.sums.elements)
    return {**key._asdict(), "calls": entry.calls, **measured, "amax": entry.amax, "beyond": beyond}


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _entry(seen: Observation) -> Entry:
    """The statistics of one call, in pieces, so that large tensors need little memory."""
    views = [FloatView(raw=array, bfloat16=seen.kind == "bfloat16") for array in (seen.x, seen.y)]
    limit = np.inf if seen.tensor_amax is None else seen.tensor_amax
    total = Entry()
    for index in pieces(seen.x.shape):
        x, y = (view.read(index) for view in views)
        magnitude = np.abs(x)[np.isfinite(x)]
        total += Entry(
            sums=compared_sums(x, y),
            amax=float(magnitude.max(initial=0.0)),
            beyond=int(np.count_nonzero(magnitude > limit)),
        )
    return total


class _Outer(local):
    """The labels of a thread from before it entered the modules that it is in."""

    def __init__(self) -> None:
        self.labels: list[tuple[str, str]] = []


@contextmanager
def _named_modules(model: Any) -> Iterator[None]:
    """Let calls inside a module carry its dotted name (the innermost one's), by hooks."""
    if not hasattr(model, "named_modules"):
        raise ArgumentError(f"model is a {type(model).__name__}; give a torch module or nothing")
    import torch

    outer = _Outer()

    def enter(name: str) -> Any:
        def hook(*_: Any) -> None:
            if not torch.compiler.is_compiling():
                outer.labels.append(observers.label())
                observers.set_label(name, "")

        return hook

    def leave(*_: Any) -> None:
        if not torch.compiler.is_compiling() and outer.labels:  # none if recording began inside the module
            observers.set_label(*outer.labels.pop())

    with ExitStack() as stack:
        for name, module in model.named_modules():
            stack.callback(module.register_forward_pre_hook(enter(name), prepend=True).remove)
            stack.callback(module.register_forward_hook(leave, always_call=True).remove)
        yield
