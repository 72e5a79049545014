"""`check_peer`: every adapter of a library through `check_conformance`, compared with what is on record."""

import warnings
from dataclasses import dataclass

from lowbit.testing.conformance import check_conformance
from lowbit.testing.peers.model import Adapter, Peer
from lowbit.testing.peers.registry import find_peer
from lowbit.testing.records import ConformanceReport, Violation


@dataclass(frozen=True, kw_only=True)
class PeerReport:
    """What the functions of a library do, one `ConformanceReport` for each adapter, in order."""

    peer: str
    version: str
    checks: tuple[tuple[Adapter, ConformanceReport], ...]

    @property
    def unknown(self) -> list[tuple[str, Violation]]:
        """Departures that are not on record: format and violation."""
        return [(report.format, item) for _, report in self.checks for item in report.violations]

    @property
    def gone(self) -> list[tuple[str, str]]:
        """Departures on record that were not found: format and clause."""
        return [
            (report.format, clause)
            for adapter, report in self.checks
            for clause in adapter.known
            if clause not in {item.clause for item in report.known}
        ]

    @property
    def ok(self) -> bool:
        """Whether the library departs from the contract exactly as is on record."""
        return not self.unknown and not self.gone

    def __str__(self) -> str:
        """One line, and every difference from what is on record."""
        compared = sum(report.compared for _, report in self.checks)
        lines = [f"{self.peer} {self.version}: {len(self.checks)} functions, {compared} numbers compared, "]
        lines[0] += "as on record" if self.ok else "not as on record"
        lines += [f"{format}: {violation}" for format, violation in self.unknown]
        lines += [f"{format}: {clause} is on record, but was not found" for format, clause in self.gone]
        return "\n".join(lines)


def check_peer(peer: str | Peer) -> PeerReport:
    """Run all adapters of a library, by its name or as data.

    Inputs and arguments are those of `check_conformance`. Raises ArgumentError for a name without an adapter, and
    UnsupportedError, with what to do, where the library is not installed or has not what its adapters call.

    >>> import lowbit as lb
    >>> report = lb.testing.check_peer("numpy")
    >>> report.ok, [check.format for _, check in report.checks]
    (True, ['fp16'])
    """
    found = find_peer(peer) if isinstance(peer, str) else peer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own: casts that overflow, deprecations
        checks = tuple((adapter, _check(adapter)) for adapter in found.adapters())
    return PeerReport(peer=found.name, version=found.version, checks=checks)


def _check(adapter: Adapter) -> ConformanceReport:
    return check_conformance(
        adapter.quantizer,
        adapter.format,
        known=adapter.reasons,
        clauses=adapter.clauses,
        tensors=adapter.tensors,
        ndim=adapter.ndim,
    )
