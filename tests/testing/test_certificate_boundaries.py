"""Certificates' definitions and boundaries: independent derivations that must agree with element tables and oracle."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import lowbit as lb
from lowbit.errors import UnsupportedError
from lowbit.formats import BlockFormat, Rounding
from lowbit.formats.binary32 import float_to_bits
from lowbit.reference.grid import grid_of
from lowbit.reference.rounding import round_to_code
from lowbit.testing.certificates import certified_formats, file_name
from lowbit.testing.certificates.definitions import definition_of
from lowbit.testing.certificates.element_boundaries import MODES, element_runs
from lowbit.testing.certificates.patterns import INFINITY, least_pattern, pattern_of, value_of
from lowbit.testing.certificates.runs import REFUSED, Runs, runs_of
from lowbit.testing.certificates.scale_boundaries import scale_runs

FORMATS = certified_formats()
CASTS = [fmt for fmt in FORMATS if fmt.scale is None]
SCALES = [fmt for fmt in FORMATS if fmt.scale is not None]


def near_boundaries(runs: Runs) -> list[int]:
    """Patterns at every boundary and on both sides of it."""
    return sorted({(first + step) % runs.end for first in runs.firsts for step in (-1, 0, 1)})


def number(pattern: int) -> float:
    return float(np.array(pattern, np.uint32).view(np.float32))


@pytest.mark.parametrize("fmt", [f for f in CASTS if "inf_nan" not in f.spec], ids=str)
def test_definitions_equal_the_tables(fmt: BlockFormat) -> None:
    element, definition = fmt.element, definition_of(fmt.element)
    pairs = definition.signed or [*definition.positive, *((-v, code) for v, code in definition.negative if v)]
    assert [(float(value), code) for value, code in sorted(pairs)] == list(element.grid)
    assert definition.nan == element.nan_code
    assert (definition.infinities or (None,))[0] == element.inf_code
    assert (bool(definition.negative) and definition.negative[0][1] != 0) or not element.has_negative_zero


@pytest.mark.parametrize("text", ["posit8es3", "posit10es1", "posit6es2", "posit3es0", "posit2es2", "log6f4", "log8f0"])
def test_definitions_of_other_widths(text: str) -> None:
    element = lb.format(text).element
    definition = definition_of(element)
    pairs = [*definition.positive, *((-value, code) for value, code in definition.negative if value)]
    assert [(float(value), code) for value, code in sorted(pairs)] == list(element.grid)


@pytest.mark.parametrize("fmt", CASTS, ids=str)
def test_boundaries_of_elements_agree_with_the_oracle(fmt: BlockFormat) -> None:
    grid = grid_of(fmt.element)
    for mode in MODES:
        runs = element_runs(fmt, mode)
        patterns = near_boundaries(runs)
        patterns = patterns[:: 1 + len(patterns) // 200]
        codes, values = runs.look_up(np.array(patterns))
        for pattern, code, value in zip(patterns, codes, values, strict=True):
            if code == REFUSED:
                continue
            assert fmt.overflow is not None
            expected = round_to_code(number(pattern), grid, mode, fmt.overflow)
            assert int(code) == expected, (mode, hex(pattern))
            decoded = fmt.element.decode(expected)
            assert int(value) == (float_to_bits(decoded) if decoded == decoded else 0x7FC00000), (mode, hex(pattern))


@pytest.mark.parametrize("fmt", SCALES, ids=str)
def test_boundaries_of_scales_agree_with_the_oracle(fmt: BlockFormat) -> None:
    runs = scale_runs(fmt)
    patterns = near_boundaries(runs)
    patterns = [pattern for pattern in patterns if pattern <= INFINITY]
    codes, _ = runs.look_up(np.array(patterns))
    for pattern, code in list(zip(patterns, codes, strict=True))[:: 1 + len(patterns) // 300]:
        got = lb.reference.quantize([number(pattern)], fmt).scales
        assert got is not None and np.ravel(np.array(got)).tolist() == [int(code)], hex(pattern)


def test_runs_cover_all_patterns() -> None:
    runs = element_runs(lb.format("e4m3"), Rounding.NEAREST_EVEN)
    assert runs.firsts[0] == 0 and list(runs.firsts) == sorted(set(runs.firsts)) and runs.end == 1 << 32
    parts = list(runs.within(0x3F000000, 0x41000000))
    assert parts[0][0] == 0x3F000000 and parts[-1][1] == 0x41000000
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert element_runs(lb.format("int8"), Rounding.TO_ODD).refused == 1 << 24, "NaN and infinities"
    assert runs_of([(0, 1, 1), (5, 2, 2), (5, 3, 3), (9, 3, 3)], 12) == Runs((0, 5), (1, 3), (1, 3), 12)


def test_patterns() -> None:
    for pattern in (0, 1, 2, 0x7FFFFF, 0x800000, 0x800001, 0x3F800000, 0x7F7FFFFF):
        value = value_of(pattern)
        assert value == Fraction(number(pattern)) and pattern_of(value) == pattern
        assert least_pattern(value, beyond=False) == pattern and least_pattern(value, beyond=True) == pattern + 1
        assert least_pattern(value + Fraction(1, 2**160), beyond=False) == pattern + 1
    assert least_pattern(Fraction(-1), beyond=True) == 0 and value_of(INFINITY) == 2**128
    assert least_pattern(Fraction(2) ** 200, beyond=False) == INFINITY


@pytest.mark.parametrize("spec", ["nvfp4", "e4m3/k16/f32", "e2m1/k16/e8m0:mse", "e2m1/k32/e8m0:nearest/statistic=rms"])
def test_scales_that_no_certificate_is_for(spec: str) -> None:
    with pytest.raises(UnsupportedError, match="amax"):
        scale_runs(lb.format(spec))


def test_file_names_are_unique() -> None:
    names = [file_name(fmt) for fmt in FORMATS]
    assert len(set(names)) == len(names) and all(name.endswith(".json") for name in names)
