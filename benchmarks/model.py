"""The data of a benchmark run: rows with their requirements, what a row measures, and what came out."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from benchmarks.timing import Timer


class Unit(StrEnum):
    """What a row's number means. Every ratio is between two things measured alternately in this run."""

    MEMCPY = "× memcpy"
    CLONE = "× clone"
    AXIS = "× axis -1"
    FASTER = "× faster"
    PLAIN = "× plain"
    MICROSECONDS = "µs"
    SECONDS = "s"
    MEBIBYTES = "MiB/thread"


class Threads(StrEnum):
    """Whether a row is measured for every thread count asked for, or once because threads play no part in it."""

    EACH = "each"
    ONCE = "once"


class Limit(StrEnum):
    """The side on which a value must lie of its bound."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


class Unavailable(Exception):
    """A row cannot be measured here; the text is the reason that the table prints."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What is required with one thread and with more; None where nothing is."""

    one: float | None
    more: float | None
    limit: Limit = Limit.AT_LEAST

    def at(self, threads: int) -> float | None:
        """The number required with `threads` threads."""
        return self.one if threads == 1 else self.more

    def met(self, value: float, threads: int) -> bool | None:
        """Whether `value` satisfies the bound; None where nothing is required."""
        bound = self.at(threads)
        if bound is None:
            return None
        return value >= bound if self.limit is Limit.AT_LEAST else value <= bound


NO_BOUND = Bound(None, None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One cell to measure: matrices of (size, size) elements, the thread count in force, and the clock."""

    size: int
    threads: int
    quick: bool
    timer: Timer


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """A row's number in its unit, the raw medians behind it, and a remark for the table.

    `judged` is False where the number cannot be held against the requirement, for the reason in `note`.
    """

    value: float
    raw: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    judged: bool = True


Measure = Callable[[Setting], Measurement]
"""Measures one cell. Raises Unavailable where that is not possible on this machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the table. `key` is unique and is what `--rows` selects by."""

    key: str
    group: str
    label: str
    unit: Unit
    measure: Measure
    bound: Bound = NO_BOUND
    threads: Threads = Threads.EACH


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of one row at one thread count: a value, or the reason why there is none.

    `other_load` is the share of the processor that other processes had meanwhile, None where the system does not say.
    """

    key: str
    group: str
    label: str
    unit: Unit
    threads: int | None
    limit: Limit
    required: float | None
    value: float | None = None
    met: bool | None = None
    raw: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    skipped: str = ""
    failed: str = ""
    other_load: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return {**asdict(self), "unit": str(self.unit), "limit": str(self.limit), "raw": dict(self.raw)}
