"""The oracle against torchao's MX (four scale rules) and NVFP4 quantizers: codes and scales, bit for bit."""

import pytest
from golden_excuses import EXCUSED, EXCUSED_IN_SAMPLE, SAMPLE_ROWS, tally
from golden_vectors import sample, torchao_mx_cases, torchao_nvfp4_cases
from oracle_runs import oracle_codes


def test_mx_on_a_sample_of_rows() -> None:
    assert tally(sample(torchao_mx_cases(), rows=SAMPLE_ROWS), oracle_codes) == EXCUSED_IN_SAMPLE["torchao_mx"]


def test_nvfp4_on_a_sample_of_rows() -> None:
    assert tally(sample(torchao_nvfp4_cases(), rows=SAMPLE_ROWS), oracle_codes) == EXCUSED_IN_SAMPLE["torchao_nvfp4"]


@pytest.mark.slow
def test_mx() -> None:
    assert tally(torchao_mx_cases(), oracle_codes) == EXCUSED["torchao_mx"]


@pytest.mark.slow
def test_nvfp4() -> None:
    assert tally(torchao_nvfp4_cases(), oracle_codes) == EXCUSED["torchao_nvfp4"]
