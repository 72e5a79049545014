"""Rotations have the same bits when the process flushes subnormals to zero (contract §0): in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracle_arrays import bit_patterns
from rotations import rotated

import lowbit as lb

WORK = """
import sys
import numpy as np
import torch
import lowbit as lb

folder, flush = sys.argv[1], sys.argv[2] == "1"
x = np.load(folder + "/x.npy")
if flush:
    assert torch.set_flush_denormal(True)
    tiny = torch.tensor([2.0**-126]) * torch.tensor([0.5])
    assert tiny.view(torch.int32).item() == 0, "the processor flushes"
results = {}
for n in (2, 8, 12, 16, 32, 48, 128, 192, 256):
    t = lb.Hadamard(n, signs=n)
    for kind in ("float32", "float16") if n in (12, 16) else ("float32",):
        part = x if kind == "float32" else np.clip(x * np.float32(2.0**100), -60000, 60000).astype(np.float16)
        unsigned = np.uint32 if kind == "float32" else np.uint16
        for axis in (-1, 0):
            key = f"{n}.{kind}.{axis}."
            y = lb.rotate(part, t, axis)
            results[key + "rotate"] = y.view(unsigned)
            results[key + "unrotate"] = lb.unrotate(y, t, axis, length=x.shape[axis]).view(unsigned)
            for fmt in ("mxfp4", "nvfp4", "bf16"):
                results[key + fmt] = lb.qdq(part, fmt, axis=axis, transform=t).view(unsigned)
                results[key + fmt + ".packed"] = lb.quantize(part, fmt, axis=axis, transform=t).packed
np.savez(folder + f"/result{int(flush)}.npz", **results)
"""


@pytest.mark.skipif("linux" not in sys.platform and sys.platform != "darwin", reason="needs set_flush_denormal")
def test_subnormal_heavy_input_gives_the_same_bits(tmp_path: Path, rng: np.random.Generator) -> None:
    """Groups around the bound of the fast path, cancelling ones among them, and ones that leave only subnormals."""
    exponents = np.repeat(np.array([-149, -140, -127, -126, -121, -110, -102, -97, -96, -95, -90, -60, 0]), 3)
    x = (
        rng.uniform(1, 2, (len(exponents), 300))
        * rng.choice([-1, 1], (len(exponents), 300))
        * 2.0 ** exponents[:, None]
    )
    x[::3, 1:] = -x[::3, :-1] * (1 + 2.0**-23)
    x[1::3, ::5] = 2.0**-149
    x[2::3, ::3] = rng.choice([0.0, -0.0], x[2::3, ::3].shape)
    single = x.astype(np.float32)
    np.save(tmp_path / "x.npy", single)
    for flush in ("0", "1"):
        command = [sys.executable, "-c", WORK, str(tmp_path), flush]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=550)
        assert done.returncode == 0, done.stderr[-3000:]
    with np.load(tmp_path / "result0.npz") as plain, np.load(tmp_path / "result1.npz") as flushed:
        assert set(plain.files) == set(flushed.files)
        different = [key for key in plain.files if not np.array_equal(plain[key], flushed[key])]
        assert different == []
        for n in (16, 48):
            expected = rotated(single, lb.Hadamard(n, signs=n))
            assert np.array_equal(
                bit_patterns(plain[f"{n}.float32.-1.rotate"].view(np.float32)), bit_patterns(expected)
            )
