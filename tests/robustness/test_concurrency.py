"""Eight threads at once, forks and interrupts around the first compilation: in fresh processes with empty caches."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lowbit as lb

CALLS = [
    (fmt, rounding)
    for fmt in ("mxfp4", "nvfp4", "nf4", "bf16", "fp8_e4m3", "mxint8", "int8_row", "e2m1/k5/e8m0")
    for rounding in ("nearest_even", "stochastic", "stochastic:8:biased")
]

SHARED = """
import hashlib, json, os, signal, sys, threading, time
import numpy as np
import lowbit as lb

calls = json.loads(sys.argv[1])
x = np.random.default_rng(7).standard_normal((96, 320)).astype(np.float32)

def called(fmt, rounding):
    return lb.qdq(x, fmt, rounding=rounding, **({"seed": 3} if rounding.startswith("stochastic") else {}))

def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()
"""

THREADS = (
    SHARED
    + """
assert not [name for name in sys.modules if name.startswith("numba")], "kernels are not loaded yet"
start, found, errors = threading.Barrier(8), {}, []

def work(number):
    try:
        start.wait()
        for step in range(len(calls)):  # every thread makes every call, each in another order
            place = (number * 3 + step) % len(calls)
            found[number, place] = digest(called(*calls[place]))
    except BaseException as error:
        errors.append(repr(error))

threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not errors, errors
serial = [digest(called(*call)) for call in calls]
assert len(found) == 8 * len(calls) and all(found[n, place] == serial[place] for n, place in found)
import gc
assert gc.isenabled(), "the collector runs again"
print(json.dumps(serial))
"""
)

FORK = (
    SHARED
    + """
lb.set_num_threads(2)
big = np.random.default_rng(1).standard_normal((700, 1024)).astype(np.float32)
expected = lb.qdq(big, "mxfp4"), lb.qdq(big, "mxfp4", rounding="stochastic", seed=5)
assert threading.active_count() > 1, "the parent's pool is running"

def child(calls):
    lb.set_num_threads(2)
    same = np.array_equal(lb.qdq(big, "mxfp4"), expected[0])
    same &= np.array_equal(lb.qdq(big, "mxfp4", rounding="stochastic", seed=5), expected[1])
    same &= np.array_equal(lb.quantize(big, "mxfp4").dequantize(), expected[0])
    with open(sys.argv[2], "w") as file:
        json.dump([digest(called(*call)) for call in calls], file)  # compiled for the first time in the child
    os._exit(0 if same else 3)

pid = os.fork()
if pid == 0:
    child(calls)
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
with open(sys.argv[2]) as file:
    assert json.load(file) == [digest(called(*call)) for call in calls]
print("done")
"""
)

INTERRUPT = (
    SHARED
    + """
import gc
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background may have it ignored
delay = float(sys.argv[2])
def interrupt():
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
interrupted = 0
try:
    for call in calls:
        called(*call)
    time.sleep(60)
except KeyboardInterrupt:
    interrupted = 1
assert gc.isenabled()
print(json.dumps([interrupted, [digest(called(*call)) for call in calls]]))
"""
)


def run(code: str, *arguments: str, cache: Path) -> str:
    """Run code in a fresh interpreter with its own folder of compiled kernels; its output."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *arguments]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


FIRST = [("mxfp4", "nearest_even"), ("mxfp4", "stochastic")]


def expected(calls: list[tuple[str, str]]) -> list[str]:
    """What this process computes, one call after the other."""
    x = np.random.default_rng(7).standard_normal((96, 320)).astype(np.float32)
    digests = []
    for fmt, rounding in calls:
        arguments: dict[str, Any] = {"seed": 3} if rounding.startswith("stochastic") else {}
        digests.append(hashlib.sha256(lb.qdq(x, fmt, rounding=rounding, **arguments).tobytes()).hexdigest())
    return digests


def test_eight_threads_compile_and_compute_at_once(tmp_path: Path) -> None:
    """Import, first compilation and all calls in eight threads that start together: the bits of serial calls."""
    assert json.loads(run(THREADS, json.dumps(CALLS), cache=tmp_path)) == expected(CALLS)
    assert json.loads(run(THREADS, json.dumps(CALLS), cache=tmp_path)) == expected(CALLS)  # and with a full cache


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_rounds_stochastically_and_compiles(tmp_path: Path) -> None:
    """After the parent's threads have worked; the child has two threads, and formats that nobody compiled before."""
    calls = [("nf4", "nearest_even"), ("bf16", "stochastic"), ("e2m1/k5/e8m0", "stochastic:8:biased")]
    assert run(FORK, json.dumps(calls), str(tmp_path / "child.json"), cache=tmp_path) == "done\n"


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
@pytest.mark.parametrize("delay", [0.3, 1.2])
def test_an_interrupted_first_call_can_be_repeated(delay: float, tmp_path: Path) -> None:
    """SIGINT while kernels are imported or compiled: KeyboardInterrupt, and then every call is right."""
    interrupted, digests = json.loads(run(INTERRUPT, json.dumps(FIRST), str(delay), cache=tmp_path))
    assert interrupted and digests == expected(FIRST)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
def test_first_calls_can_be_interrupted_at_any_time(tmp_path: Path) -> None:
    for step in range(30):
        cache = tmp_path / str(step)
        interrupted, digests = json.loads(run(INTERRUPT, json.dumps(FIRST), str(0.05 + step * 0.12), cache=cache))
        assert interrupted and digests == expected(FIRST), step
