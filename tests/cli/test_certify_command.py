"""`lowbit conformance certify`: what it prints, writes and refuses."""

from pathlib import Path

import pytest

import lowbit as lb
from lowbit.cli import run_command
from lowbit.formats import BlockFormat
from lowbit.testing.certificates import Certificate, Check, Disagreement, certified_formats, file_name
from lowbit.testing.certificates import certificate as certificate_module
from lowbit.version import __version__

CERTIFY = ("conformance", "certify")


def made(fmt: str | BlockFormat) -> Certificate:
    """A certificate as a check of this version would give, of one mode."""
    check = Check(1 << 32, 0, 9, "0" * 64, ("0" * 8,) * 256)
    spec = lb.format(fmt).spec
    return Certificate(spec, __version__, certificate_module.source_hash(), "2026-01-01", {"nearest_even": check})


def test_a_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([*CERTIFY, "e2m1", "e2m1/k32/e8m0:ceil", "--sample", "100", "--mode", "to_odd"]) == 0
    element, scale = capsys.readouterr().out.splitlines()
    assert element.startswith("e2m1: ") and "as expected (to_odd)" in element
    assert scale.startswith("e2m1/k32/e8m0:ceil: ") and "as expected (ceil)" in scale


def test_all_skips_what_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def certify(fmt: BlockFormat, **options: object) -> Certificate:
        asked.append(fmt.spec)
        progress = options["progress"]
        assert callable(progress)
        progress(1 << 31)
        return made(fmt)

    monkeypatch.setattr("lowbit.testing.certificates.certify", certify)
    everything = certified_formats()
    for fmt in everything[3:]:
        made(fmt).save(tmp_path / file_name(fmt))
    old = everything[5]
    Certificate(old.spec, "0.0", "", "2020-01-01", {}).save(tmp_path / file_name(old))
    assert run_command([*CERTIFY, "--all", "--out", str(tmp_path)]) == 0
    assert asked == [fmt.spec for fmt in (*everything[:3], old)]
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert all(Certificate.load(tmp_path / file_name(fmt)).is_current for fmt in everything)
    asked.clear()
    assert run_command([*CERTIFY, "--all", "--out", str(tmp_path)]) == 0 and not asked


def test_a_disagreement_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise Disagreement("e2m1 to_odd: pattern 0x00000001 gives code 0x0, expected 0x1")

    monkeypatch.setattr("lowbit.testing.certificates.check_sample", fail)
    assert run_command([*CERTIFY, "e2m1", "--sample", "1"]) == 1
    assert "expected 0x1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give formats"),
        (("e2m1", "--all"), "give formats"),
        (("e2m1", "--out", "/nowhere/at/all"), "no folder"),
        (("e2m1", "--out", ".", "--sample", "5"), "leave out"),
        (("e2m1", "--out", ".", "--mode", "to_odd"), "leave out"),
        (("e2m1", "--mode", "stochastic"), "random"),
        (("e2m1", "--mode", "upward"), "not known"),
        (("nvfp4", "--sample", "5"), "amax"),
        (("e2m1", "--sample", "0"), "sample"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([*CERTIFY, *arguments]) == 2
    assert message in capsys.readouterr().err
