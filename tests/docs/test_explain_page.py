"""The examples of docs/explain.md print exactly what the page shows."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_there_are_two_examples() -> None:
    assert len(EXAMPLES) == 2 == PAGE.count("```python") == PAGE.count("```text")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_prints_what_the_page_shows(number: int) -> None:
    code, shown = EXAMPLES[number]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/explain.md", "exec"), {})
    assert printed.getvalue() == shown
