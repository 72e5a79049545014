"""Runs that are killed or stopped half-way: nothing is lost, nothing keeps running, and no number changes."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from lowbit.studies import Arm, LanguageSettings, Mode, Study, TaskPlan, load, run
from lowbit.studies.pool import Failed, Finished, WorkerPool
from lowbit.studies.runner import bind_data
from lowbit.studies.spec import BASELINE

COMMAND = [sys.executable, "-m", "lowbit.cli", "study", "run"]
SETTINGS = LanguageSettings(
    steps=60, batch=2, context=16, warmup=1, width=32, hidden=32, layers=1, heads=1, eval_windows=4
)
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks at processes through /proc")


def make_study(*, seeds: int, steps: int = 60) -> Study:
    plan = TaskPlan(task="language", settings=dataclasses.replace(SETTINGS, steps=steps))
    arm = Arm(format="mxfp4", mode=Mode.FORWARD, recipe="forward:mxfp4")
    return Study(name="tiny", description="", tasks=(plan,), arms=(BASELINE, arm), seeds=tuple(range(seeds)))


def numbers(folder: Path) -> dict[str, tuple[object, ...]]:
    return {r.spec.id: (r.loss, r.curve, r.parameters) for r in load(folder).records}


def test_a_killed_worker_is_replaced_and_its_trial_run_again(tmp_path: Path):
    study = bind_data(make_study(steps=300, seeds=1), None)
    (tmp_path / "logs").mkdir()
    killed = 0
    finished: list[str] = []
    with WorkerPool(workers=1, logs=tmp_path / "logs", text_path=None) as pool:
        for event in pool.run(study.trials()):
            worker = pool._running.get(0)
            if worker is not None and killed < 2 and worker._process.poll() is None:
                os.kill(worker._process.pid, signal.SIGKILL)
                killed += 1
                time.sleep(0.3)
            assert not isinstance(event, Failed)
            if isinstance(event, Finished):
                finished.append(event.spec.id)
    assert killed == 2
    assert finished == [spec.id for spec in study.trials()]


def test_a_worker_that_keeps_dying_fails_its_trial_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    study = bind_data(make_study(seeds=1), None)
    with WorkerPool(workers=2, logs=tmp_path / "logs", text_path=None) as pool:
        events = [event for event in pool.run(study.trials()) if isinstance(event, Failed)]
    assert len(events) == 2
    assert all("3 attempts" in event.message and "exit status 1" in event.message for event in events)


def children_of(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "the awaited state never came"
        time.sleep(0.02)


def start_and_wait_for_trials(folder: Path, spec: Path, *, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*COMMAND, str(spec), "--out", str(folder), "--workers", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # a background job of a script starts with SIGINT ignored, and hands that down to what it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    wait_until(lambda: process.poll() is not None or len(list(folder.glob("trials/[!.]*.json"))) >= count)
    assert process.poll() is None, process.communicate()
    return process


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study of 12 trials as a file, and a folder where it ran undisturbed on one worker."""
    base = tmp_path_factory.mktemp("longer")
    study = make_study(seeds=6)
    (base / "longer.json").write_text(str(study))
    run(study, out=base / "undisturbed", workers=1)
    return base / "longer.json", base / "undisturbed"


@needs_proc
def test_kill_minus_nine_then_the_same_command_gives_the_same_data(longer: tuple[Path, Path], tmp_path: Path):
    spec, undisturbed = longer
    folder = tmp_path / "killed"
    process = start_and_wait_for_trials(folder, spec, count=2)
    workers = children_of(process.pid)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    wait_until(lambda: not any(is_running(pid) for pid in workers), seconds=10)  # workers end by themselves
    kept = {file.name: file.stat().st_mtime_ns for file in (folder / "trials").glob("[!.]*.json")}
    assert 2 <= len(kept) < 12
    done = subprocess.run([*COMMAND, str(spec), "--out", str(folder)], capture_output=True, text=True, check=True)
    assert f"{len(kept)} of 12 trials are already done" in done.stdout
    assert numbers(folder) == numbers(undisturbed)
    assert all((folder / "trials" / name).stat().st_mtime_ns == when for name, when in kept.items())
    assert parquet.read_table(folder / "results.parquet").num_rows == 12


@needs_proc
def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(longer: tuple[Path, Path], tmp_path: Path):
    folder = tmp_path / "stopped"
    process = start_and_wait_for_trials(folder, longer[0], count=1)
    workers = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == "lowbit: stopped; finished trials are kept, run the same command to continue"
    assert not any(is_running(pid) for pid in workers)
    assert len(load(folder).records) >= 1
