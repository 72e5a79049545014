"""Adapters of other libraries: each departs from the contract as is on record, and nothing else passes unseen."""

import re
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from checked_peers import ALWAYS, RECORDED, SOMETIMES, checked, installed_as_recorded

from lowbit.errors import ArgumentError, UnsupportedError
from lowbit.testing import Adapter, Peer, PeerReport, check_conformance, check_peer, list_clauses, list_peers
from lowbit.testing.peers import find_peer
from lowbit.testing.peers.model import ROWS

CONTRACT = Path(__file__).resolve().parents[2] / "docs" / "numerics.md"


def table() -> list[list[str]]:
    """The rows of the contract's table of disagreements."""
    section = CONTRACT.read_text(encoding="utf-8").partition("## 10.")[2].partition("## 11.")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def numpy_peer(quantizer: Callable[[np.ndarray], np.ndarray], known: dict[str, int | str] | None = None) -> Peer:
    """A library, written in a few lines, that claims to cast to float16."""
    adapter = Adapter(format="fp16", call="f(x)", quantizer=quantizer, known=known or {})
    return Peer(name="mine", distribution="numpy", make=lambda: [adapter])


def half(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float16)


@pytest.mark.parametrize("name", [*ALWAYS, *(pytest.param(name, marks=pytest.mark.slow) for name in SOMETIMES)])
def test_a_library_departs_as_is_on_record(name: str) -> None:
    report = checked(name)
    assert report.ok, str(report)
    for adapter, check in report.checks:
        assert {item.clause for item in check.known} == set(adapter.known)
        assert check.passed or adapter.clauses, adapter.call
    assert "as on record" in str(report) and "\n" not in str(report)


def test_a_sample_of_torchao_departs_as_is_on_record() -> None:
    installed_as_recorded("torchao")
    peer = find_peer("torchao")
    sample = [item for item in peer.adapters() if item.format in ("mxfp4", "mxfp4_rceil", "nvfp4")]
    assert len(sample) == 3
    report = check_peer(replace(peer, make=lambda: sample))
    assert report.ok, str(report)


def test_torchao_departs_by_rows_of_the_contract() -> None:
    installed_as_recorded("torchao")
    for adapter in find_peer("torchao").adapters():
        assert all(isinstance(row, int) for row in adapter.known.values()), adapter.format


@pytest.mark.parametrize("name", [*ALWAYS, *SOMETIMES])
def test_rows_on_record_are_about_the_library(name: str) -> None:
    installed_as_recorded(name)
    rows = {row for item in find_peer(name).adapters() for row in item.known.values() if isinstance(row, int)}
    for row in rows:
        assert name in table()[row - 1][1], (name, row)


def test_the_rows_are_those_of_the_contract() -> None:
    assert [input for input, _ in ROWS] == [row[0] for row in table()]


@pytest.mark.parametrize("name", list_peers())
def test_a_file_is_a_library(name: str) -> None:
    peer = find_peer(name)
    assert peer.name == name and re.fullmatch(r"[A-Za-z0-9_.-]+", peer.distribution)
    assert name in RECORDED and name in (*ALWAYS, *SOMETIMES)


def test_casts_of_ml_dtypes_were_compared_where_it_matters() -> None:
    for _, report in checked("ml_dtypes").checks:
        assert {"1.values", "5.ties", "5.near_ties", "5.saturation", "1.negative_zero"} <= set(report.passed)


def test_a_cast_to_another_format_is_told_apart() -> None:
    fnuz = next(item for item in find_peer("torch").adapters() if item.format.startswith("e4m3fnuz"))
    report = check_conformance(fnuz.quantizer, "e4m3/overflow=inf_nan", tensors="torch")
    assert {"1.negative_zero", "5.saturation"} <= {violation.clause for violation in report.violations}


def test_a_library_of_a_few_lines() -> None:
    report = check_peer(numpy_peer(half))
    assert isinstance(report, PeerReport) and report.ok and report.peer == "mine"
    assert report.version == np.__version__ and report.checks[0][1].compared > 100


def test_a_broken_adapter_is_caught() -> None:
    report = check_peer(numpy_peer(lambda x: half(x) + np.float16(0)))
    assert not report.ok and [(format, item.clause) for format, item in report.unknown] == [("fp16", "1.negative_zero")]
    assert "not as on record" in str(report) and "fp16: 1.negative_zero" in str(report)
    announced = check_peer(numpy_peer(lambda x: half(x) + np.float16(0), known={"1.negative_zero": 8}))
    assert announced.ok and announced.checks[0][1].known[0].known == "§10 row 8: the sign of zero is lost"


def test_a_departure_that_is_gone_is_caught() -> None:
    report = check_peer(numpy_peer(half, known={"5.ties": 2}))
    assert not report.ok and report.gone == [("fp16", "5.ties")]
    assert "fp16: 5.ties is on record, but was not found" in str(report)


def test_a_clause_on_record_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"5\.tie"):
        check_peer(numpy_peer(half, known={"5.tie": 2}))


def test_a_library_that_is_not_installed_says_how_to_get_it() -> None:
    peer = replace(numpy_peer(half), distribution="no-such-distribution")
    with pytest.raises(UnsupportedError, match=r"mine is not installed.*: pip install no-such-distribution"):
        check_peer(peer)
    with pytest.raises(UnsupportedError, match="pip install it from somewhere"):
        check_peer(replace(peer, install="pip install it from somewhere"))


def test_a_library_that_does_not_load_is_one_error() -> None:
    peer = replace(numpy_peer(half), make=lambda: [import_module("no.such.module")])
    with pytest.raises(UnsupportedError, match=r"mine [0-9.]+ cannot be checked: ModuleNotFoundError: No module"):
        check_peer(peer)


def test_a_name_without_an_adapter_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no adapter for 'tensorflow'; choose from: brevitas, gfloat"):
        check_peer("tensorflow")


def test_clauses_on_record_exist() -> None:
    for name in ALWAYS:
        for adapter in find_peer(name).adapters():
            assert set(adapter.known) <= set(list_clauses())
