"""The clip mask: |y| < M by the oracle's own scales, in every framework and dtype."""

import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit import reference
from lowbit.errors import UnsupportedError
from lowbit.testing.hostile_inputs import hostile_tensors

FORMATS = ("mxfp4", "mxfp4_quest", "e2m1/k32/e8m0:floor/statistic=rms", "int4_g32", "e4m3/row/f32", "ue5m3_fp4", "nf4")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("axis", [0, -1])
def test_equals_the_scaled_elements_of_the_oracle(name: str, axis: int) -> None:
    fmt = lb.format(name)
    for x in hostile_tensors(name, np.random.default_rng(4)):
        mask = lb.clip_mask(x, name, axis=axis)
        result = reference.quantize(x.tolist(), name, axis=axis, rounding="toward_zero")
        values = np.array(result.values, np.float64)
        codes = np.array(result.codes)
        elements = np.array([fmt.element.decode(int(code)) for code in codes.reshape(-1)]).reshape(codes.shape)
        expected = (np.abs(elements) < fmt.element.max) & ~np.isnan(values)
        assert mask.dtype == bool and np.array_equal(mask, expected)


def test_quest_clips_what_lies_beyond_three_sigma_or_so() -> None:
    x = np.random.default_rng(0).standard_normal((1024, 1024), dtype=np.float32)
    clipped = 1 - lb.clip_mask(x, "mxfp4_quest").mean()
    assert 0.001 < clipped < 0.03


def test_torch_and_rotation() -> None:
    x = torch.randn(8, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    mask = lb.clip_mask(x, "mxfp4_quest")
    assert mask.dtype is torch.bool and mask.shape == x.shape
    turn = lb.Hadamard(32)
    assert torch.equal(lb.clip_mask(x, "mxfp4_quest", transform=turn), lb.clip_mask(lb.rotate(x, turn), "mxfp4_quest"))


@pytest.mark.parametrize("name", ["if4", "uint4_g128", "nvfp4_eden", "uint4/k32/f32"])
def test_formats_without_one_range(name: str) -> None:
    with pytest.raises(UnsupportedError, match="side bits"):
        lb.clip_mask(np.ones(32, np.float32), name)
