"""Certificates as data and as files: what was checked of a format, and hashes of all codes that came out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from lowbit.atomic_files import write_atomic
from lowbit.errors import FileError
from lowbit.kernels.cpu.jit import source_files
from lowbit.testing.certificates.runs import Runs

WORD_DIGITS = 8
MAX_STRATA = 256
KIND = "lowbit certificate 1"


@dataclass(frozen=True, slots=True)
class Check:
    """All inputs of one rounding mode or scale rule.

    inputs: patterns looked at; refused: those of them that must raise and do; runs: stretches of patterns with one
    code. strata: for each 2^24 patterns the first 8 hex digits of the sha256 of their codes in pattern order (codes of
    up to 8 bits are bytes, others 16-bit words, low byte first; refused patterns have none); files say word*count where
    a word repeats. sha256: of the strata's whole digests (32 bytes each), in order.
    """

    inputs: int
    refused: int
    runs: int
    sha256: str
    strata: tuple[str, ...]

    @staticmethod
    def word(digest: bytes) -> str:
        """What is kept of a stratum's digest."""
        return digest.hex()[:WORD_DIGITS]


def check_of(runs: Runs, digests: Sequence[bytes]) -> Check:
    """The record of a check from the digests of its strata."""
    words = tuple(Check.word(digest) for digest in digests)
    return Check(runs.end, runs.refused, len(runs.firsts), hashlib.sha256(b"".join(digests)).hexdigest(), words)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was found of a format (its spec text), by rounding mode or scale rule.

    version: lowbit's; sources: hash of the kernels and of what they are lowered from (`source_hash`); date: when.
    """

    format: str
    version: str
    sources: str
    date: str
    checks: dict[str, Check]

    @property
    def is_current(self) -> bool:
        """Whether it was made with this version and these kernels."""
        from lowbit.version import __version__

        return (self.version, self.sources) == (__version__, source_hash())

    def to_json(self) -> str:
        """JSON text."""
        data = {"kind": KIND, **asdict(self)}
        for check in data["checks"].values():
            groups = [(word, len(list(same))) for word, same in groupby(check["strata"])]
            check["strata"] = " ".join(word if count == 1 else f"{word}*{count}" for word, count in groups)
        return json.dumps(data, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write to a file, as a whole or not at all. Raises FileError."""
        write_atomic(path, lambda temporary: temporary.write_text(self.to_json(), encoding="utf-8"))

    @staticmethod
    def load(path: Path) -> "Certificate":
        """Read what `save` wrote; FileError for anything else."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.pop("kind") != KIND:
                raise ValueError("of another kind")
            checks = {str(name): _read_check(check) for name, check in data.pop("checks").items()}
            found = Certificate(**data, checks=checks)
            if not all(isinstance(text, str) for text in (found.format, found.version, found.sources, found.date)):
                raise ValueError("a text is none")
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FileError(f"{path} is no certificate of lowbit ({type(error).__name__}); make it again") from None
        return found


def _read_check(data: dict[str, Any]) -> Check:
    """A check from JSON; ValueError, TypeError or AttributeError where it is none."""
    strata: list[str] = []
    for group in data["strata"].split():
        word, _, count = group.partition("*")
        strata += [word] * min(int(count or 1), MAX_STRATA + 1)  # a damaged count must not fill the memory
        if len(strata) > MAX_STRATA:
            raise ValueError("too many strata")
    check = Check(**{**data, "strata": tuple(strata)})
    numbers = (check.inputs, check.refused, check.runs)
    if not all(type(number) is int for number in numbers) or not isinstance(check.sha256, str) or not strata:
        raise ValueError("a number or text is none")
    return check


@cache
def source_hash() -> str:
    """Hash of the kernels' sources and of the modules that lower formats for them, whatever compiles them."""
    digest = hashlib.sha256()
    for path in source_files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
