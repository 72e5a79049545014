"""The oracle against TransformerEngine's reference NVFP4 quantizer, 1x16 and 16x16, and four over six: bit for bit."""

import pytest
from golden_excuses import EXCUSED, EXCUSED_IN_SAMPLE, SAMPLE_ROWS, tally
from golden_vectors import four_over_six_cases, sample, transformer_engine_cases
from oracle_runs import oracle_codes


def test_nvfp4_on_a_sample_of_rows() -> None:
    assert (
        tally(sample(transformer_engine_cases(), rows=SAMPLE_ROWS), oracle_codes)
        == EXCUSED_IN_SAMPLE["transformer_engine_nvfp4"]
    )


@pytest.mark.slow
def test_nvfp4() -> None:
    assert tally(transformer_engine_cases(), oracle_codes) == EXCUSED["transformer_engine_nvfp4"]


@pytest.mark.slow
def test_nvfp4_2d_of_the_transposed_tensor() -> None:
    assert (
        tally(transformer_engine_cases(transposed=True), oracle_codes) == EXCUSED["transformer_engine_nvfp4_transposed"]
    )


def test_four_over_six_on_a_sample_of_rows() -> None:
    assert (
        tally(sample(four_over_six_cases(), rows=SAMPLE_ROWS), oracle_codes)
        == EXCUSED_IN_SAMPLE["transformer_engine_four_over_six"]
    )


@pytest.mark.slow
def test_four_over_six() -> None:
    assert tally(four_over_six_cases(), oracle_codes) == EXCUSED["transformer_engine_four_over_six"]
