"""A finished trial as a file: its spec, its outcome and where it comes from, with a checksum over all of it."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lowbit.errors import FormatError
from lowbit.studies.codec import canonical_json, check_keys, parse_object, sha256_of
from lowbit.studies.spec import TrialSpec
from lowbit.version import __version__

PACKAGES = ("torch", "numpy", "numba", "scipy", "scikit-learn")


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where a result comes from.

    `started` is UTC in ISO 8601, `seconds` the wall time of the trial, loading of its data included.
    """

    started: str
    seconds: float
    platform: str
    versions: Mapping[str, str]

    @classmethod
    def of_this_process(cls, *, started: datetime, seconds: float) -> "Provenance":
        """Versions and platform of the running interpreter."""
        return cls(
            started=started.astimezone(UTC).isoformat(timespec="milliseconds"),
            seconds=round(seconds, 4),
            platform=platform.platform(),
            versions=installed_versions(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """A finished trial. `loss` is the held-out loss (None: diverged), `curve` pairs (steps done, training
    loss).
    """

    spec: TrialSpec
    loss: float | None
    accuracy: float | None
    curve: tuple[tuple[int, float], ...]
    parameters: int
    quantized_layers: int
    provenance: Provenance = field(compare=False)  # a repeated trial is equal although it took another time

    @property
    def diverged(self) -> bool:
        """Whether a loss became NaN or infinite."""
        return self.loss is None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        source = self.provenance
        return {
            "spec": self.spec.to_json(),
            "loss": self.loss,
            "accuracy": self.accuracy,
            "curve": [list(point) for point in self.curve],
            "parameters": self.parameters,
            "quantized_layers": self.quantized_layers,
            "started": source.started,
            "seconds": source.seconds,
            "platform": source.platform,
            "versions": dict(source.versions),
        }

    def to_text(self) -> str:
        """The content of the trial's file: the record and its SHA-256, as one line of canonical JSON."""
        record = self.to_json()
        return canonical_json({"record": record, "sha256": sha256_of(record)}) + "\n"

    @classmethod
    def from_text(cls, text: bytes, what: str) -> "TrialRecord":
        """Inverse of `to_text`; FormatError if the file is cut off, altered or of another kind."""
        outer = parse_object(text, what)
        check_keys(outer, {"record", "sha256"}, what)
        if not isinstance(outer["record"], dict) or sha256_of(outer["record"]) != outer["sha256"]:
            raise FormatError(f"{what} does not match its checksum")
        return cls.from_json(outer["record"], what)

    @classmethod
    def from_json(cls, given: Mapping[str, Any], what: str) -> "TrialRecord":
        """Inverse of `to_json`; FormatError for keys it does not know. Values are trusted: the checksum
        covers them.
        """
        keys = {"spec", "loss", "accuracy", "curve", "parameters", "quantized_layers"}
        check_keys(given, keys | {"started", "seconds", "platform", "versions"}, what)
        return cls(
            spec=TrialSpec.from_json(given["spec"]),
            loss=given["loss"],
            accuracy=given["accuracy"],
            curve=tuple((int(step), float(loss)) for step, loss in given["curve"]),
            parameters=given["parameters"],
            quantized_layers=given["quantized_layers"],
            provenance=Provenance(
                started=given["started"],
                seconds=given["seconds"],
                platform=given["platform"],
                versions=given["versions"],
            ),
        )


def installed_versions() -> dict[str, str]:
    """Versions of lowbit, Python and the packages whose arithmetic or data a trial uses; read from metadata,
    no import.
    """
    found = {"lowbit": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
