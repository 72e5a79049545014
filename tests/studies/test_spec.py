"""Study and trial specs: one text for one meaning, and refusal of everything else."""

import dataclasses
import json

import pytest

from lowbit.errors import ArgumentError, FileError, FormatError
from lowbit.formats import format as find_format
from lowbit.recipes import recipe
from lowbit.studies import Arm, DigitsSettings, LanguageSettings, Mode, Study, TaskPlan, TrialSpec, find_study
from lowbit.studies.codec import canonical_json
from lowbit.studies.spec import BASELINE


def one_trial(**changes: object) -> TrialSpec:
    plan = TaskPlan(task="digits", settings=DigitsSettings(steps=5))
    arm = Arm(format="mxfp4", mode=Mode.FORWARD, recipe="forward:mxfp4")
    return dataclasses.replace(TrialSpec(plan=plan, arm=arm, seed=0), **changes)


def test_quick_is_the_study_the_documentation_promises():
    quick = find_study("quick")
    assert {plan.task for plan in quick.tasks} == {"digits", "language"}
    assert len(quick.seeds) >= 3
    assert len(quick.trials()) == 2 * 15 * len(quick.seeds)
    formats = {arm.format for arm in quick.arms}
    assert formats == {"fp32", "bf16", "mxint8", "mxfp8_e4m3", "mxfp4", "nvfp4", "ue5m3_fp4", "nvint4"}
    for arm in quick.arms:
        if arm.recipe is not None:
            assert find_format(arm.format) is not None
            assert recipe(arm.recipe) is not None
            assert {a.mode for a in quick.arms if a.format == arm.format} == {Mode.FORWARD, Mode.GEMMS}


def test_study_and_trial_survive_json():
    quick = find_study("quick")
    assert Study.from_text(str(quick), "text") == quick
    for trial in quick.trials()[::7]:
        assert TrialSpec.from_json(json.loads(canonical_json(trial.to_json()))) == trial


def test_id_is_a_hash_of_the_content_alone():
    trial = one_trial()
    again = TrialSpec.from_json(dict(reversed(trial.to_json().items())))
    assert trial.id == again.id
    assert len(trial.id) == 16
    others = [
        one_trial(seed=1),
        one_trial(arm=BASELINE),
        one_trial(plan=TaskPlan(task="digits", settings=DigitsSettings(steps=6))),
        one_trial(plan=TaskPlan(task="digits", settings=DigitsSettings(steps=5), data="abc")),
    ]
    assert len({trial.id, *(other.id for other in others)}) == 5


def test_id_does_not_change_between_versions():
    """Folders of earlier versions must stay readable: change SPEC_VERSION with the meaning, never the hash alone."""
    settings = DigitsSettings(
        steps=5,
        batch=4,
        learning_rate=0.5,
        warmup=1,
        weight_decay=0.0,
        loss_scale=1.0,
        width=32,
        hidden=32,
        layers=1,
        heads=1,
    )
    assert one_trial(plan=TaskPlan(task="digits", settings=settings)).id == "a280bbbc6fcfccd3"


def test_integer_learning_rate_means_the_float():
    given = one_trial().to_json()
    given["settings"] = {**given["settings"], "learning_rate": 1}
    assert TrialSpec.from_json(given).plan.settings == DigitsSettings(steps=5, learning_rate=1.0)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("version", 99, "version"),
        ("task", "chess", "no task named 'chess'"),
        ("seed", -1, "seed"),
        ("seed", True, "seed"),
        ("arm", {"format": "x", "mode": "sideways", "recipe": None}, "no mode named"),
        ("arm", "mxfp4", "object"),
        ("settings", {"steps": 3}, "lacks"),
        ("extra", 1, "unknown keys extra"),
    ],
)
def test_bad_trial_specs_are_refused_in_words(key: str, value: object, said: str):
    with pytest.raises(FormatError, match=said):
        TrialSpec.from_json({**one_trial().to_json(), key: value})


def test_bad_settings_are_refused():
    with pytest.raises(ArgumentError, match="steps"):
        DigitsSettings(steps=0)
    with pytest.raises(ArgumentError, match="power of two"):
        DigitsSettings(loss_scale=1000.0)
    with pytest.raises(ArgumentError, match="heads"):
        DigitsSettings(width=30, heads=4)
    with pytest.raises(ArgumentError, match="heads"):
        LanguageSettings(width=12, heads=4)
    given = one_trial().to_json()
    given["settings"] = {**given["settings"], "steps": "many"}
    with pytest.raises(FormatError, match="steps is 'many'"):
        TrialSpec.from_json(given)


def test_a_study_needs_one_baseline_and_no_doubles():
    quick = find_study("quick")
    with pytest.raises(ArgumentError, match="baseline"):
        dataclasses.replace(quick, arms=quick.arms[1:])
    with pytest.raises(ArgumentError, match="seed"):
        dataclasses.replace(quick, seeds=(0, 0))
    with pytest.raises(ArgumentError, match="recipe"):
        Arm(format="mxfp4", mode=Mode.FORWARD, recipe=None)


def test_find_study_reads_files_and_refuses_the_rest(tmp_path):
    file = tmp_path / "own.json"
    file.write_text(str(find_study("quick")))
    assert find_study(str(file)) == find_study("quick")
    with pytest.raises(ArgumentError, match="quick"):
        find_study("quik")
    with pytest.raises(FileError, match="cannot read"):
        find_study(str(tmp_path / "none.json"))
    for damaged in (b"", b"[]", b"\xff\xfe", b"{" * 100_000, file.read_bytes()[:-20]):
        file.write_bytes(damaged)
        with pytest.raises(FormatError):
            find_study(str(file))


def test_seeds_can_be_replaced_within_reason():
    assert find_study("quick").with_seeds(5).seeds == (0, 1, 2, 3, 4)
    for count in (0, -3, 10**9):
        with pytest.raises(ArgumentError, match="seeds"):
            find_study("quick").with_seeds(count)
