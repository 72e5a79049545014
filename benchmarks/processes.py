"""What only a new process shows: import time, the first call, cold and from the cache, and peak memory."""

import json
import os
import subprocess
import sys
import tempfile
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from statistics import median

import torch

import lowbit as lb
from benchmarks.model import Measure, Measurement, Setting, Unavailable

TIME_LIMIT_S = 300
MEBIBYTE = 1 << 20

FIRST_CALL = """
import json, time, torch
x = torch.ones(64, 64)
start = time.perf_counter()
from lowbit import dequantize, qdq, quantize
imported = time.perf_counter()
qdq(x, {fmt!r})
print(json.dumps([imported - start, time.perf_counter() - imported]))
"""
"""Prints the seconds of importing the public functions after torch, and of the first call."""

PEAK_MEMORY = """
import json, torch, lowbit
from pathlib import Path
def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))
lowbit.set_num_threads({threads})
small = torch.ones(512, 512)
lowbit.qdq(small, {fmt!r}, out=small)
x, out = torch.ones({size}, {size}), torch.ones({size}, {size})
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
lowbit.qdq(x, {fmt!r}, out=out)
print(json.dumps([before, status("VmHWM")]))
"""
"""Prints KiB in memory before a call and at its peak. The peak is the kernel's own record of this address space, which
the program first sets back; `ru_maxrss` would inherit the peak of the process that started this one."""


class Start(StrEnum):
    """What is timed of a process that has imported torch."""

    IMPORT = "import lowbit"
    CACHED = "first call, kernels cached"
    COLD = "first call, nothing compiled yet"


def start_time(what: Start, fmt: str) -> Measure:
    """Seconds of `import lowbit` with its functions looked up, or of the first `qdq` of a (64, 64) float32 tensor.

    Importing numba counts as part of the first call. Cold: with an empty NUMBA_CACHE_DIR of its own.
    """

    def measure(setting: Setting) -> Measurement:
        setting.timer.wait_until_idle()
        runs = 1 if setting.quick else min(3, setting.timer.repeats)
        if what is Start.COLD:
            seconds = median(_cold_start(fmt) for _ in range(runs))
        else:
            lb.qdq(torch.ones(64, 64), fmt)  # fills the cache
            seconds = median(run[0 if what is Start.IMPORT else 1] for run in _cached_starts(fmt, runs))
        return Measurement(value=seconds, raw={"subject_s": seconds})

    return measure


def peak_memory(fmt: str) -> Measure:
    """MiB a thread that `qdq` with out= needs at its peak, beyond input and output."""

    def measure(setting: Setting) -> Measurement:
        if not Path("/proc/self/clear_refs").exists():
            raise Unavailable("the peak of one call is only known on Linux (/proc/self/clear_refs)")
        program = PEAK_MEMORY.format(fmt=fmt, size=setting.size, threads=setting.threads)
        before, peak = _run(program)
        grown = max(0.0, (peak - before) * 1024)
        return Measurement(value=grown / MEBIBYTE / setting.threads, raw={"peak_bytes": grown})

    return measure


@lru_cache(maxsize=8)
def _cached_starts(fmt: str, runs: int) -> tuple[list[float], ...]:
    """(import, first call) of a few processes; the rows of both numbers read the same processes."""
    return tuple(_run(FIRST_CALL.format(fmt=fmt)) for _ in range(runs))


def _cold_start(fmt: str) -> float:
    with tempfile.TemporaryDirectory(prefix="lowbit-benchmarks-") as folder:
        return _run(FIRST_CALL.format(fmt=fmt), NUMBA_CACHE_DIR=folder)[1]


def _run(program: str, **environment: str) -> list[float]:
    """What a program prints as JSON, run by this Python with this lowbit."""
    home = Path(lb.__file__).resolve().parents[1]  # `-c` imports from the folder it runs in
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, **environment},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"the measuring process ended with status {done.returncode}: {last}")
    return json.loads(done.stdout.splitlines()[-1])
