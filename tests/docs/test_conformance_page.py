"""The examples of docs/conformance.md run, and print what the page shows."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from lowbit.testing.vector_files import MANIFEST

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_one_example_shows_a_report() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") >= 5
    assert sum(bool(shown) for _, shown in EXAMPLES) == 1 == PAGE.count("```text")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number: int) -> None:
    code, shown = EXAMPLES[number]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/conformance.md", "exec"), {})
    assert printed.getvalue() == shown


def test_the_page_names_every_file_of_a_folder() -> None:
    source = (Path(__file__).resolve().parents[2] / "lowbit" / "testing" / "vector_files.py").read_text()
    names = set(re.findall(r'"(\w+\.(?:hex|txt))"', source)) | {MANIFEST}
    assert names >= {"inputs.hex", "clauses.txt"}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
