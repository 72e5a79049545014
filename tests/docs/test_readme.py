"""The README's examples run, each in a fresh interpreter, and its commands are where .ci/run looks for them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_runs(number: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", EXAMPLES[number]], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_there_are_examples_for_numpy_torch_formats_and_layers() -> None:
    assert len(EXAMPLES) >= 4
    assert all(text.count("\n") <= 12 for text in EXAMPLES)


@pytest.mark.parametrize("marker", ["main-job", "tests"])
def test_one_command_under_each_marker(marker: str) -> None:
    commands = re.findall(
        rf"^<!-- run: {marker} -->\n```sh\n(.+)\n```\n<!-- end -->$", README.read_text(), flags=re.MULTILINE
    )
    assert len(commands) == 1
    assert commands[0].startswith("python3 -m venv .venv && ")
