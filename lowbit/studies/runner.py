"""Runs a study: skips what is done, keeps every finished trial at once, and leaves a folder that can be read
back.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from lowbit.errors import ArgumentError, LowbitError
from lowbit.recipes import recipe as find_recipe
from lowbit.studies.catalog import find_study
from lowbit.studies.figures import plot
from lowbit.studies.folder import StudyFolder
from lowbit.studies.pool import Failed, Finished, Started, WorkerPool
from lowbit.studies.progress import Reporter
from lowbit.studies.results import StudyResults, read_folder, write_results
from lowbit.studies.spec import Study, TaskPlan, TrialSpec
from lowbit.studies.tasks.text import digest, load_text

ENGINES = ("local",)
MAX_WORKERS = 1024
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class StudyError(LowbitError):
    """Some trials of a study failed; the others are kept. The text says which and where the details are."""


@dataclass(kw_only=True, slots=True)
class _Tally:
    """Trials that failed in this run, by their message."""

    failures: dict[str, list[TrialSpec]] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)


def run(
    spec: Study | str,
    *,
    out: str | Path,
    engine: str = "local",
    workers: int | None = None,
    text: str | Path | None = None,
    console: Console | None = None,
) -> StudyResults:
    """Run a study and return its results.

    `spec` is a Study, a name (`"quick"`) or a path to a .json file; `out` the study folder, made or
    continued: finished trials in it are kept and not repeated. `workers` processes of one thread each (None:
    as many as the process may use cores) train the trials; the result does not depend on their number. `text`
    is the training text of language tasks (None: CPython's own documentation). `console` shows progress; None
    keeps quiet.

    Writes DIR/results.parquet, plot.png and plot.svg at the end. Raises ArgumentError, FormatError or
    FileError for bad input before anything is trained, and StudyError after all other trials are done and
    kept if some failed. A KeyboardInterrupt ends the workers and passes through; finished trials are kept.
    """
    study = find_study(spec) if isinstance(spec, str) else spec
    if engine not in ENGINES:
        raise ArgumentError(f"no engine named {engine!r}; there is {', '.join(ENGINES)}")
    count = _checked_workers(workers)
    text_path = None if text is None else Path(text)
    study = bind_data(study, text_path)
    for arm in study.arms:
        if arm.recipe is not None:
            find_recipe(arm.recipe)
    folder = StudyFolder.create(Path(out), study)
    with folder.locked():
        todo = _unfinished(folder, study)
        tally = _train(folder, study, todo, workers=count, text_path=text_path, console=console or Console(quiet=True))
        results = read_folder(folder)
        write_results(folder, results)
        if any(row.gap.count for comparison in results.comparisons() for row in comparison.rows):
            plot(results)
    if tally.failures:
        raise _study_error(folder, tally)
    return results


def bind_data(study: Study, text_path: Path | None) -> Study:
    """The study with the SHA-256 of its training text filled in.

    Raises ArgumentError if the study already names another text, or if a text is given that no task reads.
    """
    readers = [plan for plan in study.tasks if plan.task == "language"]
    if text_path is not None and not readers:
        raise ArgumentError(f"study {study.name} has no language task, so it cannot use a text file")
    if not readers:
        return study
    found = digest(load_text(text_path))

    def bind(plan: TaskPlan) -> TaskPlan:
        if plan.task != "language":
            return plan
        if plan.data not in (None, found):
            raise ArgumentError(f"study {study.name} was made with another text (other SHA-256); pass it with --text")
        return replace(plan, data=found)

    return replace(study, tasks=tuple(bind(plan) for plan in study.tasks))


def usable_cores(quota_file: Path = CPU_QUOTA) -> int:
    """Cores this process may keep busy: its affinity, capped by a container's quota (cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (int(word) for word in quota_file.read_text().split())
    except (OSError, ValueError):  # no such file on this system, or the word "max": no quota
        return cores
    return max(1, min(cores, quota // max(1, period)))


def _checked_workers(workers: int | None) -> int:
    if workers is None:
        return usable_cores()
    if not 1 <= workers <= MAX_WORKERS:
        raise ArgumentError(f"{workers} workers asked for; between 1 and {MAX_WORKERS} are allowed")
    return workers


def _unfinished(folder: StudyFolder, study: Study) -> list[TrialSpec]:
    """Trials without a sound file; damaged files are set aside, so that nothing is lost or silently believed."""
    todo: list[TrialSpec] = []
    for spec in study.trials():
        try:
            done = folder.read_trial(spec) is not None
        except LowbitError:
            folder.set_aside(spec)
            done = False
        if not done:
            todo.append(spec)
    return todo


def _train(
    folder: StudyFolder,
    study: Study,
    todo: Sequence[TrialSpec],
    *,
    workers: int,
    text_path: Path | None,
    console: Console,
) -> _Tally:
    """Run the trials in `todo` and write each result as it comes."""
    tally = _Tally()
    workers = max(1, min(workers, len(todo)))
    reporter = Reporter(console, todo, total=len(study.trials()), workers=workers)
    with WorkerPool(workers=workers, logs=folder.logs, text_path=text_path) as pool, reporter:
        for event in pool.run(todo):
            match event:
                case Started(spec=spec):
                    reporter.start(spec)
                case Finished(record=record):
                    folder.write_trial(record)
                    reporter.finish(record)
                case Failed(spec=spec, message=message, details=details):
                    tally.failures.setdefault(message, []).append(spec)
                    tally.details.append(f"{spec.label} ({spec.id})\n{message}\n{details}")
                    reporter.fail(spec, message)
                case None:
                    reporter.tick()
    return tally


def _study_error(folder: StudyFolder, tally: _Tally) -> StudyError:
    log = folder.logs / "failures.log"
    log.write_text("\n".join(tally.details), encoding="utf-8")
    count = sum(len(specs) for specs in tally.failures.values())
    message, specs = max(tally.failures.items(), key=lambda item: len(item[1]))
    return StudyError(
        f"{count} trials failed, the others are kept; most often ({len(specs)}, first {specs[0].label}): {message}; "
        f"details in {log}; the same command tries them again"
    )
