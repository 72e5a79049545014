"""`Violation` and `ConformanceReport`: what a check found, as data and as text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np

from lowbit.errors import ConformanceError
from lowbit.explanations.numbers import bits_text, number_text, plain
from lowbit.formats.binary32 import binary32, float_to_bits
from lowbit.testing.calling import ANSWER
from lowbit.testing.expected import exact

SHOWN = 12
"""Numbers of an input that text shows; the data have them all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Violation:
    """One clause that a quantizer breaks, with the smallest failing input that was found.

    `clause` is the id (its number before the dot is the section of docs/numerics.md), `title` what its inputs are and
    `rule` what it demands. `input` is a float32 array and `arguments` the keywords of the call. `kind` says what
    differs: value, code, scale (a block word), tensor_scale, shape, error or frequency. At the index `where`, of an
    element or (scales) of a block, the oracle has `expected` and the quantizer `got`. `x` is the number there. `why`
    shows the oracle's steps in one line, `steps` all of them as a table (empty where there are none). `failures` of
    `compared` numbers differ in all inputs of the clause. `known` is the reason why this is no news, if one was given.
    """

    clause: str
    title: str
    rule: str
    input: np.ndarray
    arguments: Mapping[str, Any]
    kind: str
    where: tuple[int, ...]
    x: float | None
    expected: float | int | str
    got: float | int | str
    why: str
    steps: str
    failures: int
    compared: int
    known: str = ""

    @property
    def section(self) -> str:
        """The section of the contract, as §5."""
        return f"§{self.clause.partition('.')[0]}"

    @property
    def raised(self) -> bool:
        """Whether the quantizer raised an exception where it should have answered; `got` is its text."""
        return self.kind == "error" and self.expected == ANSWER

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: numbers with their bit patterns, NaN and infinities as text."""
        x = np.ascontiguousarray(self.input)
        return {
            "clause": self.clause,
            "title": self.title,
            "rule": self.rule,
            "kind": self.kind,
            "shape": list(x.shape),
            "input": plain(exact(x).reshape(-1).tolist()),
            "input_bits": [f"0x{bits:08X}" for bits in x.reshape(-1).view(np.uint32).tolist()],
            "arguments": {name: plain(value) for name, value in self.arguments.items()},
            "where": list(self.where),
            "x": plain(self.x),
            "expected": plain(self.expected),
            "expected_bits": _bits(self.expected, self.kind),
            "got": plain(self.got),
            "got_bits": _bits(self.got, self.kind),
            "why": self.why,
            "failures": self.failures,
            "compared": self.compared,
            "known": self.known,
        }

    def __str__(self) -> str:
        x = np.ascontiguousarray(self.input)
        count = f": {self.failures} of {self.compared} numbers differ"
        if self.kind in ("shape", "error"):
            count = f": {self.failures} calls fail" if self.failures > 1 else ": the call fails"
        count = "" if self.kind == "frequency" else count
        lines = [f"{self.clause}  {self.rule}", f"    {self.title}{count}"]
        lines.append(f"    input     {numbers_text(x)}" + (f", shape {x.shape}" if x.ndim > 1 else ""))
        if self.arguments:
            given = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
            lines.append(f"    called    with {given}")
        if self.x is not None:
            lines.append(f"    x         {_number_line(self.x, 'value')}, at {self.where}")
        elif self.where:
            lines.append(f"    block     {self.where}")
        lines.append(f"    expected  {_number_line(self.expected, self.kind)}")
        lines.append(f"    got       {_number_line(self.got, self.kind)}")
        lines += [f"    why       {self.why}"] if self.why else []
        lines += [f"    known     {self.known}"] if self.known else []
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConformanceReport:
    """What `check_conformance` found.

    `violations` are the clauses that are broken, most basic first; `known` are those that were announced; `passed` are
    the ids of clauses whose inputs all gave what the oracle says; `skipped` maps ids to the reason. `calls` of the
    quantizer compared `compared` numbers.
    """

    format: str
    spec: str
    rounding: str
    axis: int | tuple[int, int]
    transform: str
    violations: tuple[Violation, ...]
    known: tuple[Violation, ...]
    passed: tuple[str, ...]
    skipped: Mapping[str, str]
    calls: int
    compared: int

    @property
    def ok(self) -> bool:
        """Whether nothing but known disagreements was found."""
        return not self.violations

    def __bool__(self) -> bool:
        return self.ok

    def raise_for_violations(self) -> None:
        """ConformanceError, an AssertionError, with the whole report where a clause is broken."""
        if not self.ok:
            raise ConformanceError(str(self))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        return {
            "format": self.format,
            "spec": self.spec,
            "rounding": self.rounding,
            "axis": plain(self.axis),
            "transform": self.transform,
            "ok": self.ok,
            "violations": [violation.to_dict() for violation in self.violations],
            "known": [violation.to_dict() for violation in self.known],
            "passed": list(self.passed),
            "skipped": dict(self.skipped),
            "calls": self.calls,
            "compared": self.compared,
        }

    def to_json(self) -> str:
        """`to_dict` as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        subject = f"{self.format}, rounding {self.rounding}, axis {self.axis}"
        subject += f", {self.transform}" if self.transform else ""
        broken = {violation.clause for violation in self.violations}
        head = f"conforms to {len(self.passed)} clauses"
        if not self.ok:
            head = f"breaks {len(broken)} clause{'s' if len(broken) > 1 else ''}"
        tail = "" if self.ok else f" and conforms to {len(self.passed)}"
        parts = [f"{subject}: {head}{tail} ({self.compared} numbers in {self.calls} calls)"]
        parts += [str(violation) for violation in (*self.violations, *self.known)]
        reasons: dict[str, list[str]] = {}
        for clause, reason in self.skipped.items():
            reasons.setdefault(reason, []).append(clause)
        parts += [f"not checked: {', '.join(clauses)} ({reason})" for reason, clauses in reasons.items()]
        return "\n".join(parts)


def numbers_text(x: np.ndarray) -> str:
    """The numbers with their bits; equal ones that follow each other are counted."""
    parts = [(float(exact(run)[0]), len(run)) for run in _runs(x.reshape(-1))]
    shown = [_run_text(value, count) for value, count in parts[:SHOWN]]
    shown += [f"… {len(parts) - SHOWN} more"] if len(parts) > SHOWN else []
    return f"[{', '.join(shown)}]" + (f", {x.size} numbers" if len(parts) != x.size else "")


def _runs(flat: np.ndarray) -> list[np.ndarray]:
    """Runs of equal bits; none in an empty array."""
    changes = np.flatnonzero(np.diff(flat.view(np.uint32))) + 1
    return np.split(flat, changes) if len(flat) else []


def _run_text(value: float, count: int) -> str:
    bits = "" if float_to_bits(value) == 0 else f" ({bits_text(value)})"
    return number_text(value) + bits + (f" × {count}" if count > 1 else "")


def _number_line(value: float | int | str, kind: str) -> str:
    bits = _bits(value, kind)
    text = value if isinstance(value, str) else number_text(value)
    return f"{text:<14} {bits}".rstrip() if bits else str(text)


def _bits(value: float | int | str, kind: str) -> str:
    if isinstance(value, str) or kind == "where":
        return ""
    if isinstance(value, int):
        return f"0x{value & (1 << 64) - 1:X}"
    if not isnan(value) and value != binary32(value):
        return f"{value.hex()} (no binary32 number)"
    return f"0x{float_to_bits(value):08X}"
