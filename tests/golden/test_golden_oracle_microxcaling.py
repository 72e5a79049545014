"""The oracle against microxcaling's fake quantization: eight elements, two block sizes, three roundings."""

import pytest
from golden_excuses import EXCUSED, EXCUSED_IN_SAMPLE, SAMPLE_ROWS, tally
from golden_vectors import microxcaling_cases, sample
from oracle_runs import oracle_values


def test_mx_on_a_sample_of_rows() -> None:
    assert tally(sample(microxcaling_cases(), rows=SAMPLE_ROWS), oracle_values) == EXCUSED_IN_SAMPLE["microxcaling_mx"]


@pytest.mark.slow
def test_mx() -> None:
    assert tally(microxcaling_cases(), oracle_values) == EXCUSED["microxcaling_mx"]
