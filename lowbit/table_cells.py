"""Tables of any length for the vector path, cut into cells that a number's first bits name.

A cell is a range of binary32 patterns that agree in sign, exponent and the first k mantissa bits. With k large enough
at most one threshold lies in each, so that rounding is two look-ups: a cell's threshold, then one of its three entries,
below, at and above it (`to_odd` goes up beyond an even value and down before it).
Signs are part of the pattern: the sign of a zero and both sides of a list of signed values need no arithmetic.
"""

import numpy as np

from lowbit.formats.block import BlockFormat
from lowbit.formats.codes import Element
from lowbit.formats.rounding import Overflow, Rounding, ScaleDomain, Stochastic
from lowbit.rounding_rules import TINY, table_of

Cells = tuple[np.ndarray, np.ndarray, np.ndarray, int]
"""Thresholds by cell; values (as bits) and codes, three of each for a cell: below, at and above its threshold; and how
many bits of a number lie behind those that name its cell."""

MAX_ELEMENT_BITS = 10
MAX_MANTISSA_BITS = 7
"""Up to 2^16 cells: more would not stay in the caches."""

SMALLEST, LARGEST = 2.0**-26, 2.0**40
"""Values and thresholds between them are found exactly from scaled numbers, which are normal there."""

SIGN = 1 << 31
NO_THRESHOLD = (1 << 32) - 1  # the pattern of a NaN, which is never looked up


def vector_cells(fmt: BlockFormat, mode: Rounding | Stochastic) -> Cells | None:
    """The cells of a format's element in a deterministic mode, or None where the vector path cannot use them.

    That is with inverse scales, overflow to infinity, scaled values or thresholds far from one, more than ten bits, or
    thresholds so close that cells would be too many.
    """
    element = fmt.element
    exact = isinstance(mode, Stochastic) or fmt.overflow is not Overflow.SATURATE
    if exact or fmt.scale_domain is ScaleDomain.ENCODE or element.bits > MAX_ELEMENT_BITS:
        return None
    if not element.signed and element.min > 0:  # its smallest value stands for negative numbers
        return None
    table = table_of(element, mode)
    return None if fmt.scale is not None and not _near_one(table) else cells_of(table, element)


def cells_of(table: np.ndarray, element: Element) -> Cells | None:
    """The cells of a TABLE whose entries are those of `element`, or None if they are too many."""
    keys, entries = _changes(table)
    for mantissa in range(MAX_MANTISSA_BITS + 1):
        shift = 23 - mantissa
        first = np.arange(1 << (9 + mantissa), dtype=np.int64) << shift
        last = first + (1 << shift) - 1
        below = np.searchsorted(keys, first, "right") - 1
        above = np.searchsorted(keys, last, "right") - 1
        at = np.minimum(below + 1, above)
        thresholds = np.where(above > below, keys[at], NO_THRESHOLD)
        beyond = np.searchsorted(keys, np.minimum(thresholds + 1, last), "right") - 1
        if np.array_equal(beyond, above):
            break
    else:
        return None
    three = np.stack([below, at, above], axis=1).reshape(-1)
    values, codes = table["value"][entries].astype(np.float32), table["code"][entries].astype(np.uint32)
    if element.has_negative_zero:
        codes = np.where((keys >= SIGN) & (values == 0), 1 << (element.bits - 1), codes).astype(np.uint32)
        values = np.where((keys >= SIGN) & (values == 0), np.float32(-0.0), values)
    cells = thresholds.astype(np.uint32), values.view(np.uint32)[three], codes[three]
    for array in cells:
        array.flags.writeable = False
    return (*cells, shift)


def _changes(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(patterns, entries): from each pattern on, numbers belong to that entry; ascending, for +0 and -0 first.

    Patterns of negative numbers ascend with the magnitude, so entries descend there.
    """
    starts = table["start"]
    at_zero = int(np.searchsorted(starts, 0.0, "right")) - 1
    positive = np.arange(at_zero + 1, len(starts))
    negative = np.arange(at_zero, 0, -1)
    up = _least_patterns(starts[positive])
    down = _least_patterns(np.abs(starts[negative]))  # numbers up to the start; larger ones belong to the entry below
    reached = down.astype(np.uint32).view(np.float32).astype(np.float64) == -starts[negative]
    keys = np.concatenate([[0], up, [SIGN], down + reached + SIGN]).astype(np.int64)
    return keys, np.concatenate([[at_zero], positive, [at_zero], negative - 1])


def _least_patterns(numbers: np.ndarray) -> np.ndarray:
    """The least binary32 pattern that is not below each of some numbers, which are not negative."""
    near = numbers.astype(np.float32)
    return near.view(np.uint32).astype(np.int64) + (near.astype(np.float64) < numbers)


def _near_one(table: np.ndarray) -> bool:
    """Whether no value or threshold is so small or large that scaled numbers or results could be subnormal."""
    numbers = np.abs(np.concatenate([table["start"][1:], table["value"]]))
    values = numbers[(numbers != 0) & (numbers != TINY)]
    return bool(values.min() >= SMALLEST and values.max() <= LARGEST)
