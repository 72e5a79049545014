"""Comparing kernels with expected runs: all patterns in strata of 2^24, a sample, or strata of a saved certificate."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np

from lowbit.errors import NonfiniteError
from lowbit.formats import BlockFormat, Rounding
from lowbit.formats import format as find_format
from lowbit.ops.front import get_num_threads, set_num_threads
from lowbit.testing.certificates.certificate import Certificate, Check, check_of, source_hash
from lowbit.testing.certificates.element_boundaries import MODES
from lowbit.testing.certificates.runs import REFUSED
from lowbit.testing.certificates.subjects import Subject, subjects_of
from lowbit.version import __version__

STRATUM = 1 << 24
"""Patterns that are hashed together."""

CHUNK = 1 << 19
"""Patterns that are quantized together: inputs, codes and values stay in the caches."""

Progress = Callable[[int], object]
"""Told how many more inputs are done."""


class Disagreement(Exception):
    """The kernels differ from what is expected; the message names the first input and both results."""


def certify(
    fmt: str | BlockFormat, *, modes: Sequence[Rounding] = MODES, progress: Progress | None = None
) -> Certificate:
    """Check every float32 input of a plain cast (2^32 patterns, in each mode), or every amax of a scale (2^31).

    A format without a scale is checked by its element codes and its fake-quantized values, bit by bit; one with a scale
    by its scale codes, in blocks of one element, whatever its block. Inputs that must raise are checked in chunks of
    2^19 and at the ends of each. Work is split over `lowbit.get_num_threads()` threads.
    Raises Disagreement at a difference, UnsupportedError for formats that no certificate is for.
    """
    found = find_format(fmt)
    subjects, sources = subjects_of(found, tuple(modes)), source_hash()  # of what is about to run
    units = [(subject, stratum) for subject in subjects for stratum in range(subject.runs.end // STRATUM)]
    with _workers() as pool:
        digests = list(_in_order(pool, units, progress))
    sizes = [subject.runs.end // STRATUM for subject in subjects]
    starts = np.cumsum([0, *sizes])
    checks = {
        subject.name: check_of(subject.runs, digests[start : start + size])
        for subject, start, size in zip(subjects, starts, sizes, strict=False)
    }
    today = datetime.now(UTC).date().isoformat()
    return Certificate(found.spec, __version__, sources, today, checks)


def check_sample(fmt: str | BlockFormat, count: int, *, modes: Sequence[Rounding] = MODES, seed: int = 0) -> int:
    """Check boundaries with their neighbours, and a random pattern in each of `count` equal strata, in every mode.

    Returns how many inputs were checked. Raises as `certify` does.
    """
    checked = 0
    for subject in subjects_of(find_format(fmt), tuple(modes)):
        rng, end = np.random.default_rng(seed), subject.runs.end
        edges = np.arange(count + 1, dtype=np.int64) * end // count
        random = rng.integers(edges[:-1], edges[1:])
        near = (np.array(subject.runs.firsts, np.int64)[:, None] + np.arange(-2, 3)).reshape(-1) % end
        patterns = np.concatenate([random, near])
        codes, values = subject.runs.look_up(patterns)
        kept = patterns[codes != REFUSED]
        x = kept.astype(np.uint32).view(np.float32)
        _compare(subject, kept, codes[codes != REFUSED], subject.codes(x), "code")
        if subject.is_element:
            _compare(subject, kept, values[codes != REFUSED], subject.values(x, np.empty_like(x)), "value bits")
        for pattern in patterns[codes == REFUSED][:8]:
            _check_refusal(subject, int(pattern), int(pattern) + 1)
        checked += len(patterns)
    return checked


def recheck(certificate: Certificate, strata: Sequence[int], *, checks: Sequence[str] | None = None) -> None:
    """Check some strata of a saved certificate again, and that the hashes of their codes are those that it holds.

    checks: the modes or rules to look at, all by default; counts are compared for all. Strata beyond the last one count
    on from the first. Raises Disagreement, also where counts differ from what the format's boundaries say now.
    """
    by_name = {subject.name: subject for subject in subjects_of(find_format(certificate.format))}
    for name, check in certificate.checks.items():
        subject = by_name[name]
        expected = (subject.runs.end, subject.runs.refused, len(subject.runs.firsts))
        if (check.inputs, check.refused, check.runs) != expected:
            raise Disagreement(f"{certificate.format} {name}: the certificate counts other inputs than {expected}")
        for stratum in strata if checks is None or name in checks else ():
            place = stratum % len(check.strata)
            if check.strata[place] != Check.word(_digest(subject, place)):
                raise Disagreement(f"{certificate.format} {name}: other codes in stratum {place} than certified")


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """Threads that run strata side by side, each with serial kernels."""
    threads = get_num_threads()
    set_num_threads(1)
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        set_num_threads(threads)


def _in_order(pool: ThreadPoolExecutor, units: list[tuple[Subject, int]], progress: Progress | None) -> Iterator[bytes]:
    """The digests of strata, and progress as they come in."""
    for digest in pool.map(lambda unit: _digest(*unit), units):
        if progress is not None:
            progress(STRATUM)
        yield digest


def _digest(subject: Subject, stratum: int) -> bytes:
    """Check a stratum; the sha256 of its codes in pattern order (refused inputs have none)."""
    digest, steps = hashlib.sha256(), np.arange(CHUNK, dtype=np.uint32)
    patterns, out = np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.float32)
    for first in range(stratum * STRATUM, (stratum + 1) * STRATUM, CHUNK):
        np.add(steps, np.uint32(first), out=patterns)
        for start, stop in _accepted(subject, first, first + CHUNK):
            x = patterns[start - first : stop - first].view(np.float32)
            codes = subject.codes(x)
            values = subject.values(x, out[start - first : stop - first])
            _compare_runs(subject, start, codes, values)
            digest.update(codes.astype(codes.dtype.newbyteorder("<"), copy=False).data)
    return digest.digest()


def _accepted(subject: Subject, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The parts of a chunk that have codes; the others are checked to raise."""
    begin: int | None = None
    for start, stop, code, _ in subject.runs.within(first, last):
        if code == REFUSED:
            if begin is not None:
                yield begin, start
                begin = None
            _check_refusal(subject, start, stop)
        elif begin is None:
            begin = start
    if begin is not None:
        yield begin, last


def _check_refusal(subject: Subject, first: int, last: int) -> None:
    """Whether the first and the last of some inputs raise, and all of them together."""
    for start, stop in ((first, first + 1), (last - 1, last), (first, last)):
        x = np.arange(start, stop, dtype=np.int64).astype(np.uint32).view(np.float32)
        try:
            code = subject.codes(x)[0]
        except NonfiniteError:
            continue
        raise Disagreement(f"{subject.format} {subject.name}: pattern {start:#010x} gives code {code:#x}, not an error")


def _compare_runs(subject: Subject, first: int, codes: np.ndarray, values: np.ndarray | None) -> None:
    """Whether codes and values of the patterns from `first` on are those of their runs."""
    for start, stop, code, value in subject.runs.within(first, first + len(codes)):
        part = slice(start - first, stop - first)
        for got, expected, what in ((codes, code, "code"), (values, value, "value bits")):
            if got is not None and not (got[part] == expected).all():
                patterns = np.arange(start, stop, dtype=np.int64)
                _compare(subject, patterns, np.full(stop - start, expected), got[part], what)


def _compare(subject: Subject, patterns: np.ndarray, expected: np.ndarray, got: np.ndarray | None, what: str) -> None:
    assert got is not None
    wrong = np.flatnonzero(expected != got)
    if len(wrong):
        at = int(wrong[0])
        pattern = int(patterns[at])
        x = np.array(pattern, np.uint32).view(np.float32)
        raise Disagreement(
            f"{subject.format} {subject.name}: pattern {pattern:#010x} ({float(x):.9g}) gives {what} "
            f"{int(got[at]):#x}, expected {int(expected[at]):#x}; {len(wrong)} of {len(got)} inputs beside it differ"
        )
