"""Runs with real worker processes: nothing is repeated, nothing is lost, and a kill changes no number."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from lowbit.errors import ArgumentError, FileError, FormatError
from lowbit.studies import Arm, DigitsSettings, LanguageSettings, Mode, Study, StudyError, TaskPlan, load, run, runner
from lowbit.studies.files import exclusive_lock, write_text_atomic
from lowbit.studies.pool import WorkerPool
from lowbit.studies.results import VERSION_COLUMNS
from lowbit.studies.spec import BASELINE

TINY = LanguageSettings(steps=4, batch=2, context=16, warmup=1, width=32, hidden=32, layers=1, heads=1, eval_windows=4)
MXFP4 = Arm(format="mxfp4", mode=Mode.FORWARD, recipe="forward:mxfp4")


def make_study(
    *, settings: LanguageSettings = TINY, seeds: int = 2, arms: tuple[Arm, ...] = (BASELINE, MXFP4)
) -> Study:
    plan = TaskPlan(task="language", settings=settings)
    return Study(name="tiny", description="for tests", tasks=(plan,), arms=arms, seeds=tuple(range(seeds)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder of the tiny study; tests must not change it."""
    folder = tmp_path_factory.mktemp("studies") / "finished"
    run(make_study(), out=folder, workers=1)
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    (to / "trials").mkdir(parents=True)
    (to / "study.json").write_bytes((folder / "study.json").read_bytes())
    for file in (folder / "trials").iterdir():
        (to / "trials" / file.name).write_bytes(file.read_bytes())
    return to


def forbid_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerPool, "_worker", lambda *_: pytest.fail("nothing was left to train"))


def numbers(folder: Path) -> dict[str, tuple[object, ...]]:
    return {r.spec.id: (r.loss, r.curve, r.parameters) for r in load(folder).records}


def test_results_hold_every_trial_with_its_provenance(finished: Path):
    results = load(finished)
    assert results.missing == results.damaged == ()
    assert [record.spec for record in results.records] == list(results.study.trials())
    table = parquet.read_table(finished / "results.parquet")
    assert table.equals(results.table())
    columns = set(table.column_names)
    assert {"trial", "spec", "seed", "loss", "started", "seconds", "platform", *VERSION_COLUMNS} <= columns
    rows = table.to_pylist()
    assert [row["seed"] for row in rows] == [0, 0, 1, 1]
    assert rows[0]["format"] == "fp32"
    assert rows[0]["recipe"] is None
    assert rows[0]["bits_per_element"] == 32
    assert rows[1]["recipe"] == "forward:mxfp4"
    assert rows[1]["bits_per_element"] == 4.25
    assert rows[1]["quantized_layers"] == 4
    assert json.loads(rows[1]["spec"]) == results.records[1].spec.to_json()
    assert all(row[name] for row in rows for name in VERSION_COLUMNS)
    assert (finished / "plot.png").stat().st_size > 1000
    assert (finished / "plot.svg").stat().st_size > 1000


def test_finished_trials_are_not_repeated(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = copy_of(finished, tmp_path / "copy")
    before = {file.name: file.read_bytes() for file in (folder / "trials").iterdir()}
    forbid_training(monkeypatch)
    assert len(run(make_study(), out=folder).records) == 4
    assert {file.name: file.read_bytes() for file in (folder / "trials").iterdir()} == before
    assert (folder / "results.parquet").exists()


def test_reading_back_changes_nothing(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = copy_of(finished, tmp_path / "copy")
    next((folder / "trials").iterdir()).unlink()
    forbid_training(monkeypatch)
    results = load(folder)
    assert len(results.missing) == 1
    assert len(results.records) == 3
    assert sorted(file.name for file in folder.iterdir()) == ["study.json", "trials"]


def damage(file: Path, how: str) -> None:
    content = file.read_bytes()
    match how:
        case "cut off":
            file.write_bytes(content[: len(content) // 2])
        case "empty":
            file.write_bytes(b"")
        case "a digit changed":
            at = content.index(b'"loss":') + 10
            file.write_bytes(content[:at] + (b"1" if content[at : at + 1] != b"1" else b"2") + content[at + 1 :])
        case _:
            file.write_bytes(b"\x00\xff" * 50)


@pytest.mark.parametrize("how", ["cut off", "empty", "a digit changed", "foreign bytes"])
def test_damaged_trial_file_is_seen(finished: Path, tmp_path: Path, how: str):
    folder = copy_of(finished, tmp_path / "copy")
    victim = load(folder).records[2].spec
    damage(folder / "trials" / f"{victim.id}.json", how)
    results = load(folder)
    assert results.damaged == results.missing == (victim,)


def test_damaged_and_exchanged_files_are_set_aside_and_run_again(finished: Path, tmp_path: Path):
    folder = copy_of(finished, tmp_path / "copy")
    specs = [record.spec for record in load(folder).records]
    files = [folder / "trials" / f"{spec.id}.json" for spec in specs]
    damage(files[0], "cut off")
    files[1].write_bytes(files[3].read_bytes())  # sound in itself, but another trial's
    (folder / "trials" / ".partial-1-x.json").write_text("half a")  # what a killed writer leaves
    run(make_study(), out=folder, workers=1)
    assert numbers(folder) == numbers(finished)
    names = sorted(file.name for file in (folder / "trials").iterdir())
    assert names == sorted([*(f.name for f in files), f"{specs[0].id}.damaged", f"{specs[1].id}.damaged"])


def test_more_seeds_extend_a_folder_and_other_studies_are_refused(finished: Path, tmp_path: Path):
    folder = copy_of(finished, tmp_path / "copy")
    with pytest.raises(FileError, match="holds another study"):
        run(make_study(seeds=1), out=folder)
    with pytest.raises(FileError, match="holds another study"):
        run(make_study(settings=dataclasses.replace(TINY, steps=5)), out=folder)
    assert numbers(folder) == numbers(finished)
    extended = run(make_study(seeds=3), out=folder, workers=2)
    assert len(extended.records) == 6
    assert set(numbers(finished)) < set(numbers(folder))


def test_bad_input_is_refused_before_anything_is_written(tmp_path: Path):
    study = make_study()
    out = tmp_path / "out"
    with pytest.raises(ArgumentError, match="engine"):
        run(study, out=out, engine="ray")
    with pytest.raises(ArgumentError, match="workers"):
        run(study, out=out, workers=0)
    with pytest.raises(FormatError, match="mxfp5"):
        run(make_study(arms=(BASELINE, dataclasses.replace(MXFP4, recipe="forward:mxfp5"))), out=out)
    with pytest.raises(FileError, match="cannot read text file"):
        run(study, out=out, text=tmp_path / "none")
    only_digits = dataclasses.replace(study, tasks=(TaskPlan(task="digits", settings=DigitsSettings()),))
    with pytest.raises(ArgumentError, match="no language task"):
        run(only_digits, out=out, text=__file__)
    bound = dataclasses.replace(study.tasks[0], data="0" * 64)
    with pytest.raises(ArgumentError, match="another text"):
        run(dataclasses.replace(study, tasks=(bound,)), out=out)
    assert not out.exists()


def test_own_text_is_part_of_the_spec_and_its_path_is_not(tmp_path: Path):
    content = bytes(range(256)) * 400
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_bytes(content)
    one, two = (runner.bind_data(make_study(), tmp_path / name) for name in ("one.txt", "two.txt"))
    assert one == two
    assert one.tasks[0].data == hashlib.sha256(content).hexdigest()
    assert str(tmp_path) not in str(one)
    assert one != runner.bind_data(make_study(), None)


def test_folders_that_are_none_of_ours_are_left_alone(tmp_path: Path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileError, match="not a study folder"):
        run(make_study(), out=tmp_path / "theirs")
    with pytest.raises(FileError, match="is a file"):
        run(make_study(), out=tmp_path / "theirs" / "thesis.tex")
    assert [file.name for file in (tmp_path / "theirs").iterdir()] == ["thesis.tex"]
    with pytest.raises(FileError, match="not a study folder"):
        load(tmp_path)
    (tmp_path / "theirs" / "thesis.tex").rename(tmp_path / "study.json")
    with pytest.raises(FormatError, match="not valid JSON"):
        load(tmp_path)


def test_two_runs_cannot_share_a_folder(finished: Path, tmp_path: Path):
    folder = copy_of(finished, tmp_path / "copy")
    with exclusive_lock(folder / ".lock"), pytest.raises(FileError, match="another run is at work"):
        run(make_study(), out=folder)
    assert len(run(make_study(), out=folder).records) == 4


def test_failed_trials_are_reported_and_the_others_kept(tmp_path: Path):
    small = DigitsSettings(steps=1, batch=4, width=32, hidden=32, layers=1, heads=1)
    study = make_study(settings=dataclasses.replace(TINY, context=10_000_000), seeds=1)
    study = dataclasses.replace(study, tasks=(*study.tasks, TaskPlan(task="digits", settings=small)))
    with pytest.raises(StudyError, match=r"2 trials failed.*context of 10000000 bytes") as caught:
        run(study, out=tmp_path / "out", workers=1)
    assert "\n" not in str(caught.value)
    assert "Traceback" in (tmp_path / "out" / "logs" / "failures.log").read_text()
    assert len(load(tmp_path / "out").records) == 2


def test_cores_respect_affinity_and_container_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    quota = tmp_path / "cpu.max"
    assert runner.usable_cores(quota) == 16
    for text, cores in [("max 100000", 16), ("250000 100000", 2), ("50000 100000", 1), ("6400000 100000", 16)]:
        quota.write_text(text + "\n")
        assert runner.usable_cores(quota) == cores


def test_atomic_write_leaves_old_content_or_new_and_no_litter(tmp_path: Path):
    target = tmp_path / "file.txt"
    write_text_atomic(target, "old")
    with pytest.raises(FileError, match="cannot write"):
        write_text_atomic(tmp_path / "missing" / "file.txt", "x")
    with pytest.raises(UnicodeEncodeError):
        write_text_atomic(target, "half \ud800")
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]
