"""The HTML page: self-contained, escaped, complete; and files that are whole or absent."""

import base64
import os
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from lowbit.errors import FileError
from lowbit.reports import Report, collect, figures, parse_formats
from lowbit.reports.files import atomic_text
from lowbit.reports.page import write_page

HOSTILE = "<script>alert(1)</script>\"'&$x^2$ \x1b[31m"


class Page(HTMLParser):
    """Tags with their attributes, the text outside scripts, and table rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture
def report(tmp_path: Path, rng: np.random.Generator) -> Report:
    x = rng.standard_normal((40, 64)).astype(np.float32)
    exact = np.full((2, 32), 4, np.float32)
    np.savez(tmp_path / "x & y.npz", **{HOSTILE.replace("/", "|"): x, "层": -x, "row": x[0], "exact": exact})
    formats = parse_formats(["mxfp4", "nvfp4_2d", "{-1,0,1}/k32/e8m0"])
    return collect(tmp_path / "x & y.npz", formats, progress=lambda _: lambda name, done: None)


@pytest.fixture
def text(report: Report) -> str:
    stream = StringIO()
    write_page(report, stream)
    return stream.getvalue()


def test_page_is_well_formed_and_complete(text: str) -> None:
    page = Page(text)
    assert page.open == []
    assert sum(tag == "img" for tag, _ in page.tags) == 3
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    rows = [row for row in page.rows if row[0] == "层"]
    assert [row[2] for row in rows] == ["mxfp4", "nvfp4_2d", "{-1,0,1}/k32/e8m0"]
    assert [row[1] for row in rows] == ["40×64 float32"] * 3
    assert rows[0][3] == "4.25"
    assert any(row[0] == "row" and "two axes" in row[3] for row in page.rows)
    keys = [attributes["data-key"] for tag, attributes in page.tags if "data-key" in attributes]
    assert len(keys) == 7 * (4 * 3 - 1)
    assert all(float(key or "") is not None for key in keys)


def test_page_needs_nothing_from_outside(text: str) -> None:
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "href", "action", "data"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not re.search(r"https?:|//\w|@import|url\(", re.sub(r"base64,[^\"]*", "", text))
    policies = [attributes for tag, attributes in page.tags if attributes.get("http-equiv")]
    assert policies[0]["content"] is not None
    assert policies[0]["content"].startswith("default-src 'none'")


def test_names_from_the_file_are_escaped(text: str) -> None:
    page = Page(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    shown = HOSTILE.replace("/", "|").replace("\x1b", "\\x1b")
    assert sum(row[0] == shown for row in page.rows) == 3
    assert "\x1b" not in text
    assert "<title>x &amp; y.npz" in text


def test_plots_are_svg_without_links(text: str) -> None:
    for encoded in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", text):
        svg = base64.b64decode(encoded).decode()
        assert svg.rstrip().endswith("</svg>")
        assert "<script" not in svg.replace("<!-- <script", "")
        assert not re.search(r"href=\"(?!#|data:)", svg)


def test_plots_of_nothing_but_exact_tensors(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 4), np.float32))
    report = collect(tmp_path / "x.npy", parse_formats(["mxfp4"]), progress=lambda _: lambda name, done: None)
    for draw in (figures.distribution_figure, figures.tradeoff_figure, figures.heat_figure):
        assert "</svg>" in draw(report)


def test_heat_map_keeps_the_largest_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "x.npz", allow_pickle=False, **{f"t{n}": np.ones((n, 4), np.float32) for n in (3, 1, 5, 2)})
    report = collect(tmp_path / "x.npz", parse_formats(["mxfp4"]), progress=lambda _: lambda name, done: None)
    monkeypatch.setattr(figures, "MAX_HEAT_ROWS", 2)
    assert [tensor.name for tensor in figures.heat_rows(report)] == ["t3", "t5"]
    stream = StringIO()
    write_page(report, stream)
    assert "The 2 smaller tensors are in the table only." in stream.getvalue()


def test_a_failed_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.html"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_text(path, source=tmp_path / "x") as stream:
        stream.write("new")
        raise RuntimeError
    assert path.read_text() == "old"
    with atomic_text(path, source=tmp_path / "x") as stream:
        stream.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["out.html"]


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    source = tmp_path / "x.npy"
    source.write_text("precious")
    os.link(source, tmp_path / "same.html")
    for path, reason in {
        tmp_path: "it is a directory",
        tmp_path / "no" / "out.html": "No such file",
        source / "out.html": "Not a directory",
        source: "being read",
        tmp_path / "same.html": "being read",
    }.items():
        with pytest.raises(FileError, match=reason), atomic_text(path, source=source):
            pytest.fail("the block must not run")
    assert source.read_text() == "precious"
