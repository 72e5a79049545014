"""Measuring the rows one by one, and writing what came out."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import lowbit as lb
from benchmarks.data import release
from benchmarks.model import Measurement, Result, Row, Setting, Threads, Unavailable
from benchmarks.timing import Clock, Timer

SCHEMA = 1
"""Of the JSON file; grows when the meaning of a field changes."""


def measure_rows(
    rows: Sequence[Row],
    threads: Sequence[int],
    *,
    size: int,
    quick: bool,
    timer: Timer,
    starting: Callable[[str], None],
) -> Iterator[Result]:
    """Measure each row at each thread count, and yield results as they come; `starting` hears of each beforehand.

    A row that cannot be measured, or whose code fails, yields a result that says so; the others go on. The numbers of a
    quick run are not held against the requirements, which are about tensors larger than the caches.
    """
    for number, row in enumerate(rows, 1):
        for count in threads if row.threads is Threads.EACH else threads[:1]:
            starting(f"{number}/{len(rows)} {row.key}, {count} threads")
            torch.set_num_threads(count)
            lb.set_num_threads(count)
            result = _measure(row, Setting(size=size, threads=count, quick=quick, timer=timer))
            yield result if row.threads is Threads.EACH else replace(result, threads=None)
    release()


def _measure(row: Row, setting: Setting) -> Result:
    bound = row.bound.at(setting.threads)
    empty = Result(
        key=row.key,
        group=row.group,
        label=row.label,
        unit=row.unit,
        threads=setting.threads,
        limit=row.bound.limit,
        required=bound,
    )
    before = Clock.now()
    try:
        found: Measurement = row.measure(setting)
    except Unavailable as reason:
        return replace(empty, skipped=str(reason))
    except Exception as error:  # other people's code: whatever it raises, the table goes on
        return replace(empty, failed=_first_line(error))
    return replace(
        empty,
        value=found.value,
        met=row.bound.met(found.value, setting.threads) if found.judged and not setting.quick else None,
        raw=found.raw,
        note=found.note,
        other_load=before.other_load(Clock.now()),
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def document(results: Sequence[Result], machine: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything about a run as JSON types."""
    return {
        "schema": SCHEMA,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "settings": settings,
        "rows": [result.to_json() for result in results],
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all. Raises OSError."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
