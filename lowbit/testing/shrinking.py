"""The smallest input that still fails: fewer blocks, zeros where the failure stays, shorter numbers."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from lowbit.reference.layout import block_sides
from lowbit.testing.calling import Difference
from lowbit.testing.expected import exact, single
from lowbit.testing.numbers import FLT_MAX, short
from lowbit.testing.subject import Case, Subject

TRIALS = 100
"""Most calls that the search for a smaller input makes; what is found by then is reported."""

Check = Callable[[Case], Difference | None]
"""The first difference of a call."""


class _Search:
    """A failing case that only gets smaller, and the calls that are left."""

    def __init__(self, subject: Subject, case: Case, difference: Difference, check: Check) -> None:
        self.case, self.difference, self.check, self.left = case, difference, check, TRIALS
        self.has_level = subject.fmt.tensor_target is not None

    def attempt(self, x: np.ndarray, *, same: bool) -> bool:
        """Take x instead if it fails too: in the same way, or with the same numbers as well."""
        if self.left <= 0 or (self.has_level and _is_zero(x) and not _is_zero(self.case.x)):
            return False  # a tensor of zeros has no scale: it would fail for another reason
        self.left -= 1
        case = replace(self.case, x=x)
        found = self.check(case)
        if found is None or found.kind != self.difference.kind:
            return False
        if same and repr((found.expected, found.got)) != repr((self.difference.expected, self.difference.got)):
            return False
        self.case, self.difference = case, found
        return True


def _is_zero(x: np.ndarray) -> bool:
    """Whether every number is +0."""
    return not np.ascontiguousarray(x).view(np.uint32).any()


def shrunk(subject: Subject, case: Case, difference: Difference, check: Check) -> tuple[Case, Difference]:
    """A smaller case that fails like this one, with its own difference."""
    search = _Search(subject, case, difference, check)
    if subject.transform is None:
        _crop(subject, search)
    if not case.refused and case.x.size:
        own = difference.kind in ("value", "code") and subject.transform is None
        _zero(search, own)
        _shorten(search, own)
        if subject.transform is None:
            _compress(subject, search)
    return search.case, search.difference


def _crop(subject: Subject, search: _Search) -> None:
    """Keep only the block that fails along every axis, or drop what comes after it, or before it."""
    for axis in range(search.case.x.ndim):
        shape = search.case.x.shape
        if "global_shape" in search.case.arguments or not search.difference.where:
            return
        side = block_sides(subject.fmt, shape, search.case.arguments.get("axis", subject.axis))[axis]
        scaled = search.difference.kind == "scale"
        block = search.difference.where[axis] if scaled else search.difference.where[axis] // side
        start, stop = block * side, min((block + 1) * side, shape[axis])
        for low, high in ((start, stop), (0, stop), (start, shape[axis])):
            if (low, high) != (0, shape[axis]):
                part = np.take(search.case.x, range(low, high), axis=axis)
                if search.attempt(part, same=False):
                    break


def _zero(search: _Search, own: bool) -> None:
    """Put +0 in the place of as many numbers as possible: all at once, then halves, quarters and single ones."""
    places = _used(search, own)
    magnitudes = np.abs(exact(search.case.x).reshape(-1))
    keep = max(places, key=lambda place: magnitudes[place], default=None)
    for kept in ([], [] if keep is None else [keep]):
        if search.attempt(_without(search, [p for p in places if p not in kept]), same=True):
            break
    size = len(_used(search, own))
    while size >= 1:
        for part in _chunks(_used(search, own), size):
            search.attempt(_without(search, part), same=True)
        size //= 2


def _used(search: _Search, own: bool) -> list[int]:
    """Row-major places of numbers other than +0; `own` leaves out the one that differs, which must stay."""
    flat = np.ascontiguousarray(search.case.x).reshape(-1).view(np.uint32)
    kept = int(np.ravel_multi_index(search.difference.where, search.case.x.shape)) if own else -1
    return [int(place) for place in np.flatnonzero(flat) if place != kept]


def _chunks(places: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _without(search: _Search, places: list[int]) -> np.ndarray:
    x = np.ascontiguousarray(search.case.x).copy()
    x.reshape(-1)[places] = 0.0
    return _like(x, search.case.x)


def _shorten(search: _Search, own: bool) -> None:
    """Replace the other numbers by powers of two or numbers of a few bits."""
    for place in _used(search, own):
        x = np.ascontiguousarray(search.case.x)
        value = float(exact(x).reshape(-1)[place])
        for bits in (1, 2, 3) if np.isfinite(value) else ():
            shorter = short(value, bits)
            if shorter == value or abs(shorter) > FLT_MAX:
                break
            trial = x.copy()
            trial.reshape(-1)[place] = single([shorter])[0]
            if search.attempt(_like(trial, search.case.x), same=True):
                break


def _compress(subject: Subject, search: _Search) -> None:
    """Leave out zeros where blocks have no size of their own."""
    block = subject.fmt.block
    if (block is None or not block.sizes or block.is_row) and search.case.x.ndim == 1 and not search.case.arguments:
        kept = search.difference.where[0] if search.difference.kind in ("value", "code") else 0
        search.attempt(search.case.x[sorted({kept, *_used(search, False)})], same=True)


def _like(x: np.ndarray, model: np.ndarray) -> np.ndarray:
    """The numbers of x in an order in memory like the model's: contiguous, transposed or spaced."""
    if model.flags.c_contiguous:
        return x
    if model.flags.f_contiguous:
        return np.asfortranarray(x)
    spaced = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    spaced[..., ::2] = x
    return spaced[..., ::2]
