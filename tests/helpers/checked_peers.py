"""Reports on other libraries, each made once a run; a library that cannot be compared is a skip with its reason."""

import re
from functools import cache
from pathlib import Path

import pytest

from lowbit.errors import UnsupportedError
from lowbit.testing import PeerReport, check_peer
from lowbit.testing.peers import find_peer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "disagreements.md").read_text(encoding="utf-8")
RECORDED = dict(re.findall(r"^\| (\w+) \| ([0-9][0-9.a-z]*) \| \d+ \|", PAGE, flags=re.MULTILINE))
"""Library -> the version that the page is about."""

ALWAYS = ("ml_dtypes", "torch", "numpy", "gfloat")
"""Libraries of the test installation: quick, and always there."""

SOMETIMES = ("brevitas", "pychop", "qtorch", "torchao")


def checked(name: str) -> PeerReport:
    """The report on a library of the recorded version."""
    installed_as_recorded(name)
    return _checked(name)


def installed_as_recorded(name: str) -> None:
    """Skip the test unless the version of the page is installed and loads."""
    try:
        version = find_peer(name).version
        if version == RECORDED[name]:
            find_peer(name).adapters()
    except UnsupportedError as error:
        pytest.skip(str(error))
    if version != RECORDED[name]:
        pytest.skip(f"docs/disagreements.md is about {name} {RECORDED[name]}, installed is {version}")


@cache
def _checked(name: str) -> PeerReport:
    return check_peer(name)
