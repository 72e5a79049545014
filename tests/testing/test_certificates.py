"""Certificates: what they find, what they hold, and whether those that are committed still hold."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

import lowbit as lb
from lowbit.errors import FileError, FormatError, UnsupportedError
from lowbit.formats import BlockFormat, Rounding
from lowbit.testing.certificates import (
    Certificate,
    Disagreement,
    certified_formats,
    certify,
    check_sample,
    checking,
    file_name,
    recheck,
)
from lowbit.testing.certificates.element_boundaries import MODES
from lowbit.testing.certificates.subjects import Subject, subjects_of

FOLDER = Path(__file__).parents[1] / "certificates"
COMMITTED = sorted(FOLDER.glob("*.json"))
SAMPLE = 1 << 16


def shortened(fmt: BlockFormat, modes: tuple[Rounding, ...] = MODES) -> tuple[Subject, ...]:
    """The checks of a format, of the first two strata alone."""
    subjects = subjects_of(fmt, modes)
    for subject in subjects:
        subject.__dict__["runs"] = replace(subject.runs, end=2 * checking.STRATUM)
    return subjects


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "subjects_of", shortened)


@pytest.mark.parametrize("fmt", certified_formats(), ids=str)
def test_a_sample_of_every_format(fmt: BlockFormat) -> None:
    assert check_sample(fmt, SAMPLE, seed=crc32(fmt.spec.encode())) >= SAMPLE


@pytest.mark.slow
@pytest.mark.parametrize("fmt", certified_formats(), ids=str)
def test_a_large_sample_of_every_format(fmt: BlockFormat) -> None:
    assert check_sample(fmt, 1 << 20, seed=1) >= 1 << 20


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", ["e4m3", "int8", "posit8es2"])
def test_certificates_do_not_depend_on_threads(name: str) -> None:
    done: list[int] = []
    threads = lb.get_num_threads()
    certificate = certify(name, progress=done.append)
    assert lb.get_num_threads() == threads
    lb.set_num_threads(1)
    try:
        assert certify(name).checks == certificate.checks
    finally:
        lb.set_num_threads(threads)
    assert sum(done) == sum(check.inputs for check in certificate.checks.values())
    recheck(certificate, [0, 3])


def test_strata_of_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    """One near one, with the boundaries of every rule; a code changed in it is found."""
    for spec in ("e2m1/k32/e8m0:rceil", "e2m1/k16/ue5m3"):
        (subject,) = subjects_of(lb.format(spec))
        checking._digest(subject, 0x3F)
    planted = Planted(Subject.codes, 0x3F800001)
    monkeypatch.setattr(Subject, "codes", lambda *arguments: planted(*arguments))
    with pytest.raises(Disagreement, match="0x3f800001"):
        checking._digest(subjects_of(lb.format("e2m1/k16/ue5m3"))[0], 0x3F)


class Planted:
    """A kernel with one wrong answer."""

    def __init__(self, method: Any, pattern: int) -> None:
        self.method, self.pattern = method, pattern

    def __call__(self, subject: Subject, x: np.ndarray, *rest: Any) -> np.ndarray:
        result = self.method(subject, x, *rest)
        wrong = x.view(np.uint32) == self.pattern
        return np.where(wrong, result ^ 1, result).astype(result.dtype) if wrong.any() else result


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("what", ["codes", "values"])
@pytest.mark.parametrize("pattern", [0, 0x00FFFFFF, 0x01234567])
def test_one_wrong_answer_is_found(what: str, pattern: int, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted(getattr(Subject, what), pattern)
    monkeypatch.setattr(Subject, what, lambda *arguments: planted(*arguments))
    with pytest.raises(Disagreement, match=f"{pattern:#010x}"):
        certify("e4m3")


def test_a_wrong_boundary_is_found_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    first = subjects_of(lb.format("e4m3"))[0].runs.firsts[40]
    planted = Planted(Subject.codes, first)
    monkeypatch.setattr(Subject, "codes", lambda *arguments: planted(*arguments))
    with pytest.raises(Disagreement, match=f"{first:#010x}"):
        check_sample("e4m3", 10)


def test_inputs_that_should_be_refused_but_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Subject, "codes", lambda self, x: np.zeros(x.shape, np.uint8))
    with pytest.raises(Disagreement, match="not an error"):
        checking._check_refusal(subjects_of(lb.format("int8"))[0], 0x7F800000, 0x7F800010)


@pytest.mark.usefixtures("short")
def test_files(tmp_path: Path) -> None:
    certificate = certify("e2m1")
    path = tmp_path / file_name(lb.format("e2m1"))
    certificate.save(path)
    assert Certificate.load(path) == certificate and certificate.is_current
    assert not replace(certificate, sources="").is_current
    changed = {name: replace(check, strata=("0" * 8, *check.strata[1:])) for name, check in certificate.checks.items()}
    with pytest.raises(Disagreement, match="stratum 0"):
        recheck(replace(certificate, checks=changed), [0])
    counted = {name: replace(check, runs=1) for name, check in certificate.checks.items()}
    with pytest.raises(Disagreement, match="counts"):
        recheck(replace(certificate, checks=counted), [0])
    good = path.read_text()
    first = certificate.checks["nearest_even"].strata[0]
    damaged = [good.replace(first, f"{first}*{count}", 1) for count in ("9" * 30, "x", "255*2")]
    damaged += [good.replace('"runs": ', '"runs": 0.5e', 1), good[:-40]]
    for text in ("", "[]", "{}", '{"kind": "lowbit certificate 1", "checks": 3}', *damaged):
        path.write_text(text)
        with pytest.raises(FileError, match="is no certificate"):
            Certificate.load(path)
    with pytest.raises(FileError, match="cannot read"):
        Certificate.load(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["f32/cast", "tf32", "nvfp4", "mxfp4_quest", "int8_row"])
def test_formats_that_no_certificate_is_for(name: str) -> None:
    with pytest.raises((UnsupportedError, FormatError)):
        certify(name)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_certificates_hold(path: Path) -> None:
    """The counts of each, and a stratum in one mode, others for every file."""
    certificate = Certificate.load(path)
    fmt = lb.format(certificate.format)
    assert path.name == file_name(fmt) and fmt in certified_formats()
    assert len(certificate.checks) == (6 if fmt.scale is None else 1)
    number = crc32(fmt.spec.encode())
    recheck(certificate, [0x38 + number % 12], checks=[sorted(certificate.checks)[number % len(certificate.checks)]])


@pytest.mark.slow
@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_more_strata_of_committed_certificates_hold(path: Path) -> None:
    rng = np.random.default_rng(crc32(path.name.encode()))
    recheck(Certificate.load(path), rng.integers(0, 256, 4).tolist())


def test_committed_certificates_are_those_of_the_collection() -> None:
    assert {path.name for path in COMMITTED} <= {file_name(fmt) for fmt in certified_formats()}
