"""The report of a file: totals, skipped tensors, formats that do not fit, memory."""

import tracemalloc
from collections.abc import Sequence
from math import log10
from pathlib import Path

import numpy as np
import pytest
import torch

from lowbit import analysis
from lowbit.analysis import Summary, views
from lowbit.errors import ArgumentError, FormatError
from lowbit.reports import DEFAULT_FORMATS, Report, collect, parse_formats
from lowbit.reports.wording import footnotes, percent, values_of


def report_of(path: Path, formats: Sequence[str] = ("mxfp4", "nvfp4"), axis: int = -1) -> Report:
    return collect(path, parse_formats(formats), axis=axis, progress=lambda _: lambda name, done: None)


@pytest.fixture
def arrays(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "big": (100 * rng.standard_normal((40, 70))).astype(np.float32),
        "small": rng.standard_normal((5, 33)).astype(np.float32),
    }


@pytest.fixture
def path(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(tmp_path / "x.npz", allow_pickle=False, **arrays)
    return tmp_path / "x.npz"


def test_cells_are_the_summaries(path: Path, arrays: dict[str, np.ndarray]) -> None:
    report = report_of(path)
    assert [tensor.name for tensor in report.tensors] == ["big", "small"]
    for tensor in report.tensors:
        assert tensor.shape == arrays[tensor.name].shape
        assert tensor.cells == tuple(analysis.summary(arrays[tensor.name], name) for name in ("mxfp4", "nvfp4"))
    assert report_of(path, axis=0).tensors[0].cells[0] == analysis.summary(arrays["big"], "mxfp4", axis=0)


def test_total_weighs_relative_errors_by_elements(path: Path, arrays: dict[str, np.ndarray]) -> None:
    total = report_of(path).totals[0]
    parts = {name: analysis.summary(array, "mxfp4") for name, array in arrays.items()}
    mean = sum(part.relative_mse * part.elements for part in parts.values()) / (2800 + 165)
    assert total.relative_mse == pytest.approx(mean)
    assert total.qsnr_db == pytest.approx(-10 * log10(mean))
    assert total.elements == 2965
    assert total.saturated == pytest.approx(sum(part.saturated * part.elements for part in parts.values()) / 2965)
    assert total.bits_per_element == pytest.approx((2965 * 4 + (40 * 3 + 5 * 2) * 8) / 2965)
    assert total.crest_max == max(part.crest_max for part in parts.values())


def test_formats_that_do_not_fit_say_why(tmp_path: Path) -> None:
    row, bad = np.ones(40, np.float32), np.full((2, 40), np.nan, np.float32)
    np.savez(tmp_path / "x.npz", row=row, bad=bad)
    report = report_of(tmp_path / "x.npz", ("nvfp4_2d", "e2m1", "mxfp4"))
    (tile, plain, block), (_, no_nan, all_nan) = (tensor.cells for tensor in report.tensors)
    assert isinstance(tile, str)
    assert "two axes" in tile
    assert isinstance(plain, Summary)
    assert isinstance(block, Summary)
    assert isinstance(no_nan, str)
    assert "no NaN" in no_nan
    assert isinstance(all_nan, Summary)
    assert values_of(all_nan)[1:4] == ("-", "-", "-")
    assert report.totals[1].elements == 40
    assert report.totals[2].relative_mse == block.relative_mse
    assert "The total of nvfp4_2d leaves out 1 tensor that it cannot hold." in footnotes(report)


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    state = {"w": torch.ones(4), "d": torch.ones(4).double(), "ids": torch.arange(3), "e": torch.ones(0), "step": 7}
    torch.save({**state, "mask": torch.ones(2, dtype=torch.bool), "ids2": torch.arange(9)}, tmp_path / "x.pt")
    notes = " ".join(footnotes(report_of(tmp_path / "x.pt")))
    assert "Skipped 2 tensors (int64, not one of float32, float16, bfloat16, float64): ids, ids2." in notes
    assert "Skipped 1 tensor (bool" in notes
    assert "Skipped 1 tensor (empty): e." in notes
    assert "Converted 1 tensor float64 -> float32" in notes
    assert "Ignored 1 value that are no tensors" in notes


def test_float64_is_rounded_to_float32_first(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, 64))
    np.save(tmp_path / "x.npy", x)
    (tensor,) = report_of(tmp_path / "x.npy").tensors
    assert tensor.note == "float64 -> float32"
    assert tensor.cells[1] == analysis.summary(x.astype(np.float32), "nvfp4")


def test_formats() -> None:
    assert len(parse_formats(DEFAULT_FORMATS)) == 6
    with pytest.raises(FormatError, match="mxfp5"):
        parse_formats(["mxfp5"])
    with pytest.raises(ArgumentError, match="give each once"):
        parse_formats(["mxfp4", "e2m1/k32/e8m0"])
    with pytest.raises(ArgumentError, match="no format"):
        parse_formats([])


def test_an_axis_that_no_tensor_has(path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"nothing could be measured.*axis 2 does not exist in shape \(40, 70\)"):
        report_of(path, axis=2)


def test_progress_reaches_the_total(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PIECE_ELEMENTS", 500)
    done: dict[str, int] = {"big": 0, "small": 0}

    def count(name: str, elements: int) -> None:
        done[name] += elements

    collect(path, parse_formats(["mxfp4", "e2m1"]), progress=lambda _: count)
    assert done == {"big": 2 * 2800, "small": 2 * 165}


def test_memory_does_not_grow_with_the_tensor(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(1500, 8192))
    stored[:] = np.linspace(-1, 1, 8192, dtype=np.float32)
    stored.flush()
    del stored
    report_of(path, ("nvfp4",))  # compiles, and imports what is imported late
    tracemalloc.start()
    try:
        report_of(path, ("nvfp4",))
        assert tracemalloc.get_traced_memory()[1] < 24 << 20  # the file has 49 MB
    finally:
        tracemalloc.stop()


def test_percentages_do_not_pretend() -> None:
    found = [percent(fraction) for fraction in (0.0, 1e-7, 0.0123, 0.99999, 1.0, float("nan"))]
    assert found == ["0", "<0.01%", "1.23%", ">99.99%", "100%", "-"]
