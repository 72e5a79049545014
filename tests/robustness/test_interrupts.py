"""Ctrl-C in the middle of a call: the call ends, no thread goes on writing, and the next call is right."""

import os
import subprocess
import sys

import pytest

INTERRUPTED = """
import random, signal, sys, time
import numpy as np
import lowbit as lb

lb.set_num_threads(3)
x = np.random.default_rng(0).standard_normal((1024, 2048)).astype(np.float32)
out, rng = np.empty_like(x), random.Random(0)
calls = {
    "qdq": lambda: lb.qdq(x, "nvfp4", out=out),
    "stochastic": lambda: lb.qdq(x, "mxfp4", rounding="stochastic", seed=1, out=out),
    "exact": lambda: lb.qdq(x, "posit8es1/k32/ue5m3", out=out),
}
for name, call in calls.items():
    call()
    expected = out.copy()
    start = time.perf_counter()
    call()
    length = time.perf_counter() - start
    interrupts = attempts = 0
    while interrupts < (10 if name == "exact" else 40):
        attempts += 1
        assert attempts < 1000, f"{name}: only {interrupts} interrupts"
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.05, 0.95) * length)
            call()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            interrupts += 1
            seen = out.copy()
            time.sleep(0.3 * length)
            assert np.array_equal(out, seen), f"{name}: written after the interrupt"
    call()
    assert np.array_equal(out, expected), name
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX timers")
def test_interrupted_calls_end_and_leave_nothing_behind() -> None:
    handler = "import signal\nsignal.signal(signal.SIGALRM, signal.default_int_handler)\n"
    command = [sys.executable, "-c", handler + INTERRUPTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr[-3000:]
