"""The same bits when the process flushes subnormals to zero (contract §0): in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from format_cases import CASTS, REGISTERED, UNREGISTERED
from rounding_modes import DETERMINISTIC

WORK = """
import sys
import numpy as np
import torch
import lowbit as lb

folder, flush, names = sys.argv[1], sys.argv[2] == "1", sys.argv[3].split("|")
x = np.load(folder + "/x.npy")
results = {}
if flush:
    assert torch.set_flush_denormal(True)
    tiny = torch.tensor([2.0**-126]) * torch.tensor([0.5])
    assert tiny.view(torch.int32).item() == 0, "the processor flushes"
for index, name in enumerate(names):
    for kind in ("float32", "float16"):
        part = x if kind == "float32" else np.clip(x[:, :40], -60000, 60000).astype(np.float16)
        for axis in (-1, 0):
            if axis == 0 and (lb.format(name).block is None or len(lb.format(name).block.sizes) != 1):
                continue
            q = lb.quantize(part, name, axis=axis)
            key = f"{index}.{kind}.{axis}."
            unsigned = np.uint32 if kind == "float32" else np.uint16
            results[key + "qdq"] = lb.qdq(part, name, axis=axis).view(unsigned)
            results[key + "dequantize"] = q.dequantize().view(unsigned)
            results[key + "codes"] = q.codes
            if q.scales is not None:
                results[key + "scales"] = q.scales.view(np.uint32) if q.scales.dtype == np.float32 else q.scales
    for mode in sys.argv[4].split("|"):
        arguments = {"rounding": mode, **({"seed": 7} if mode.startswith("stochastic") else {})}
        results[f"{index}.{mode}.qdq"] = lb.qdq(x, name, **arguments).view(np.uint32)
        results[f"{index}.{mode}.codes"] = lb.quantize(x, name, **arguments).codes
np.savez(folder + f"/result{int(flush)}.npz", **results)
"""


@pytest.mark.skipif("linux" not in sys.platform and sys.platform != "darwin", reason="needs set_flush_denormal")
def test_subnormal_heavy_input_gives_the_same_bits(tmp_path: Path, rng: np.random.Generator) -> None:
    exponents = np.array([-149, -140, -133, -127, -126, -125, -120, -100, -14, -20, 0, 100, 126])
    x = rng.standard_normal((len(exponents) * 2, 77)) * 2.0 ** np.repeat(exponents, 2)[:, None]
    mixed = rng.standard_normal((8, 77)) * 2.0 ** rng.integers(-150, -110, (8, 77))
    tops = np.arange(-126, -40, 2)[:, None]  # blocks whose members reach far below their largest one
    deep = rng.uniform(1, 2, (len(tops), 77)) * 2.0 ** (tops - rng.integers(0, 46, (len(tops), 77)))
    deep[:, ::16] = 1.5 * 2.0**tops
    single = np.concatenate([x, mixed, deep]).astype(np.float32)
    np.save(tmp_path / "x.npy", np.clip(single, -3e38, 3e38))
    names = "|".join((*REGISTERED, *UNREGISTERED, *CASTS))
    modes = "|".join((*DETERMINISTIC[1:], "stochastic:8:nearest_odd", "stochastic:16:biased", "stochastic:32:midpoint"))
    for flush in ("0", "1"):
        command = [sys.executable, "-c", WORK, str(tmp_path), flush, names, modes]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "result0.npz") as plain, np.load(tmp_path / "result1.npz") as flushed:
        assert set(plain) == set(flushed)
        ordered = names.split("|")
        wrong = [
            f"{ordered[int(key.split('.')[0])]} {key}" for key in plain if not np.array_equal(plain[key], flushed[key])
        ]
    assert not wrong
