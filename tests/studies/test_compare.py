"""From records to rows, tables and pictures, with records made up so that the right answer is known."""

import io
import math
from itertools import pairwise

import numpy as np
import pytest
from rich.console import Console

from lowbit.errors import ArgumentError
from lowbit.studies import Arm, DigitsSettings, LanguageSettings, Mode, Study, StudyResults, TaskPlan, plot
from lowbit.studies.compare import compare
from lowbit.studies.figures import draw
from lowbit.studies.records import Provenance, TrialRecord
from lowbit.studies.spec import BASELINE, TrialSpec
from lowbit.studies.tables import render

FORMATS = ("bf16", "mxint8", "mxfp8_e4m3", "mxfp4", "nvfp4", "ue5m3_fp4", "nvint4")
OFFSETS = {"fp32": 0.0, "bf16": 0.0, "mxint8": 0.001, "mxfp8_e4m3": 0.01, "mxfp4": 0.3, "nvfp4": 0.2}
JITTER = (0.0, 0.0004, -0.0003)


def make_study(*, formats: tuple[str, ...] = FORMATS, seeds: tuple[int, ...] = (0, 1, 2)) -> Study:
    arms = [
        Arm(format=name, mode=mode, recipe=f"{mode}:{name}") for name in formats for mode in (Mode.FORWARD, Mode.GEMMS)
    ]
    plans = (
        TaskPlan(task="language", settings=LanguageSettings()),
        TaskPlan(task="digits", settings=DigitsSettings()),
    )
    return Study(name="made-up", description="", tasks=plans, arms=(BASELINE, *arms), seeds=seeds)


def make_record(spec: TrialSpec, *, versions: dict[str, str] | None = None) -> TrialRecord:
    offset = OFFSETS.get(spec.arm.format, 0.2) * (2 if spec.arm.mode is Mode.GEMMS else 1)
    wobble = 0.0 if spec.arm.is_baseline else JITTER[spec.seed % 3] * (1 + len(spec.arm.format) % 3)
    return TrialRecord(
        spec=spec,
        loss=2.0 + 0.5 * spec.seed + offset + wobble,
        accuracy=0.9 if spec.plan.task == "digits" else None,
        curve=((1, 3.0), (2, 2.0)),
        parameters=10,
        quantized_layers=0 if spec.arm.is_baseline else 3,
        provenance=Provenance(
            started="2026-01-01T00:00:00.000+00:00", seconds=1.0, platform="p", versions=versions or {"lowbit": "1"}
        ),
    )


def make_results(study: Study, records: list[TrialRecord], path) -> StudyResults:
    there = {record.spec for record in records}
    missing = tuple(spec for spec in study.trials() if spec not in there)
    return StudyResults(path=path, study=study, records=tuple(records), missing=missing, damaged=())


def printed(results: StudyResults) -> str:
    stream = io.StringIO()
    Console(file=stream, width=160).print(render(results))
    return stream.getvalue()


def test_rows_hold_paired_gaps_bits_and_order():
    study = make_study()
    panels = compare(study, [make_record(spec) for spec in study.trials()])
    assert [(panel.task, panel.mode) for panel in panels] == [
        (task, mode) for task in ("language", "digits") for mode in (Mode.FORWARD, Mode.GEMMS)
    ]
    forward = {row.arm.format: row for row in panels[0].rows}
    assert forward["mxfp4"].bits == 4.25
    assert forward["nvfp4"].bits == 4.5
    assert forward["bf16"].bits == 16
    assert panels[0].baseline.bits == 32
    assert forward["mxfp4"].gap.mean == pytest.approx(0.3, abs=1e-3)
    assert forward["mxfp4"].gap.differs_from_zero
    assert not forward["bf16"].gap.differs_from_zero
    assert panels[0].rows[-1].arm.format == "mxfp4"
    assert forward["mxfp4"].rank == (7, 7)
    assert panels[2].rows[0].accuracy is not None
    assert panels[0].rows[0].accuracy is None


def test_ties_are_named_and_not_ranked(tmp_path):
    study = make_study(formats=("bf16", "nvfp4", "nvint4", "mxfp4"))
    records = [make_record(spec) for spec in study.trials()]
    rows = compare(study, records)[0].rows
    tied = {row.arm.format: row for row in rows}
    assert tied["nvfp4"].rank == tied["nvint4"].rank == (2, 3)
    assert [row.ahead_of_next for row in rows] == [True, False, True, None]
    text = printed(make_results(study, records, tmp_path))
    assert "2-3" in text
    lines = {line.split()[1]: line.split() for line in text.splitlines() if line.split()[1:2]}
    assert "not distinguishable" in " ".join(lines["bf16"])
    assert lines["nvfp4"][-2:] in (["worse", "~"], ["worse", "<"])
    assert sum(" ~" in line for line in text.splitlines() if "worse" in line) >= 1


def test_diverged_runs_count_as_such():
    study = make_study(formats=("bf16", "mxfp4"))
    records = [make_record(spec) for spec in study.trials()]
    index = next(i for i, r in enumerate(records) if r.spec.arm.format == "bf16" and r.spec.seed == 1)
    spec = records[index].spec
    records[index] = TrialRecord(
        spec=spec, loss=None, accuracy=None, curve=(), parameters=1, quantized_layers=1,
        provenance=records[index].provenance,
    )  # fmt: skip
    rows = compare(study, records)[0].rows
    assert [row.arm.format for row in rows] == ["mxfp4", "bf16"]
    assert rows[1].diverged == 1
    assert rows[1].rank is None
    assert rows[1].gap.count == 2
    assert rows[0].rank == (1, 1)


def test_partial_study_shows_what_it_has(tmp_path):
    study = make_study()
    records = [make_record(spec) for spec in study.trials()[:18]]
    text = printed(make_results(study, records, tmp_path))
    assert "72 of 90 trials are missing" in text
    assert "too few seeds to say (1 of 3 seeds)" in text


def test_nothing_finished_is_shown_and_not_plotted(tmp_path):
    results = make_results(make_study(), [], tmp_path)
    assert "90 of 90 trials are missing" in printed(results)
    with pytest.raises(ArgumentError, match="nothing to plot"):
        plot(results)
    assert list(tmp_path.iterdir()) == []


def test_mixed_versions_are_said(tmp_path):
    study = make_study(formats=("bf16",))
    records = [make_record(spec, versions={"torch": f"2.{spec.seed}"}) for spec in study.trials()]
    assert "several versions of torch: 2.0, 2.1, 2.2" in printed(make_results(study, records, tmp_path))


def test_unknown_format_label_has_no_bits():
    study = make_study(formats=("own_format_of_elsewhere",))
    rows = compare(study, [])[0].rows
    assert math.isnan(rows[0].bits)


def test_plot_writes_complete_pictures(tmp_path):
    study = make_study()
    results = make_results(study, [make_record(spec) for spec in study.trials()], tmp_path)
    written = plot(results)
    assert [path.name for path in written] == ["plot.png", "plot.svg"]
    assert (tmp_path / "plot.png").read_bytes().endswith(b"IEND\xaeB\x60\x82")
    first = (tmp_path / "plot.svg").read_text()
    assert first.rstrip().endswith("</svg>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plot.png", "plot.svg"]
    with pytest.raises(ArgumentError, match=r"\.png, \.svg, \.pdf"):
        plot(results, tmp_path / "plot.exe")


def test_labels_do_not_overlap_and_every_point_is_drawn(tmp_path):
    study = make_study()
    figure = draw(make_results(study, [make_record(spec) for spec in study.trials()], tmp_path))
    figure.canvas.draw()
    for axis in figure.axes:
        boxes = [label.get_window_extent() for label in axis.get_xticklabels()]
        assert len(boxes) == len(FORMATS)
        for left, right in pairwise(boxes):
            assert left.x1 < right.x0
        points = [line for line in axis.lines if line.get_label() in ("forward only", "all three GEMMs")]
        assert sorted(len(np.asarray(line.get_xdata())) for line in points) == [len(FORMATS)] * 2
        bottom, top = axis.get_ylim()
        assert all(bottom < y < top for line in points for y in np.asarray(line.get_ydata()))
