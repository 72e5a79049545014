"""docs/disagreements.md is what its command writes, for every library of the version that it names."""

import re
from collections import defaultdict

import pytest
from checked_peers import ALWAYS, PAGE, RECORDED, SOMETIMES, checked

from lowbit.testing import CLAUSES, list_peers
from lowbit.testing.peers import disagreements_page

Lines = dict[str, list[str]]


def lines_about(page: str) -> dict[str, Lines]:
    """library -> heading -> its rows there; in the table of clauses its column."""
    found: dict[str, Lines] = defaultdict(lambda: defaultdict(list))
    heading, head = "", [""]
    for line in page.splitlines():
        if line.startswith("#"):
            heading = line
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells or set(cells[0]) == {"-"}:
            continue
        if cells[0] in ("library", "clause"):
            head = cells
        elif head[0] == "library":
            found[cells[0]][heading].append(line)
        else:
            for library, cell in zip(head[2:], cells[2:], strict=True):
                found[library][heading] += [f"{_plain(cells[0])}: {cell}"] if cell else []
    return found


def _plain(cell: str) -> str:
    """A clause's id without its link, which it has where any library differs."""
    return re.sub(r"\[(.*)\]\(.*\)", r"\1", cell)


COMMITTED = lines_about(PAGE)


@pytest.mark.parametrize("name", [*ALWAYS, *(pytest.param(name, marks=pytest.mark.slow) for name in SOMETIMES)])
def test_what_the_page_says_about_a_library_is_what_it_does(name: str) -> None:
    fresh = lines_about(disagreements_page([checked(name)]))
    assert fresh[name] == COMMITTED[name]


@pytest.mark.slow
def test_the_whole_page_where_all_libraries_are_installed() -> None:
    assert disagreements_page([checked(name) for name in list_peers()]) == PAGE


def test_the_page_is_about_every_library() -> None:
    assert sorted(RECORDED) == list_peers() == sorted(COMMITTED)
    for name, lines in COMMITTED.items():
        assert {"## Libraries", "## Clauses", "## Functions"} <= set(lines), name


def test_ml_dtypes_and_torch_are_compared_in_every_run() -> None:
    """Their versions are pinned: with others the page has to be written anew."""
    for name in ("ml_dtypes", "torch"):
        assert checked(name).version == RECORDED[name]


def test_every_departure_is_on_record_and_every_link_leads_somewhere() -> None:
    assert "not on record" not in PAGE
    links = set(re.findall(r"\]\(#([^)]*)\)", PAGE))
    assert links == {heading.replace(".", "") for heading in re.findall(r"^### (.*)$", PAGE, flags=re.MULTILINE)}
    assert set(re.findall(r"^### (.*)$", PAGE, flags=re.MULTILINE)) <= {clause.id for clause in CLAUSES}


def test_libraries_that_were_not_checked_are_named() -> None:
    page = disagreements_page([], ["qtorch is not installed, so it cannot be checked: pip install qtorch"])
    assert "Not checked: qtorch is not installed" in page


def test_tables_are_tables() -> None:
    """Every row has as many cells as its head."""
    width = 0
    for line in PAGE.splitlines():
        cells = len(re.split(r"(?<!\\)\|", line))
        width = cells if cells > 1 and width == 0 else width if cells > 1 else 0
        assert cells == width or width == 0, line
