"""The oracle against gfloat's rounding of single numbers: five deterministic modes, four stochastic rules."""

from math import copysign

import pytest
from golden_vectors import GFLOAT, RoundingCase, gfloat_cases

from lowbit import reference
from lowbit.formats import element


@pytest.mark.parametrize("name", GFLOAT.values())
def test_every_number_rounds_alike(name: str) -> None:
    """All 2458 numbers, with signed zeros; no differences are excused."""
    cases = [case for case in gfloat_cases() if case.element == name]
    assert len(cases) == 17
    for case in cases:
        _compare(case)


def _compare(case: RoundingCase) -> None:
    e = element(case.element)
    random = [None] * len(case.numbers) if case.random is None else case.random.tolist()
    for y, r, expected in zip(case.numbers.tolist(), random, case.expected.tolist(), strict=True):
        got = reference.round(y, e, case.rounding, bits=case.bits, random=r)
        assert got == expected and copysign(1.0, got) == copysign(1.0, expected), (case.key, y, r)
