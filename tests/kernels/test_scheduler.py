"""Threads, forks and concurrent callers: never another bit, never a hang."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from oracle_arrays import bit_patterns

import lowbit as lb
from lowbit.errors import ArgumentError
from lowbit.kernels.cpu import scheduler

THREADS = (1, 2, 3, 7)
FORMATS = ("mxfp4", "nvfp4", "nvfp4_2d", "mxint8", "fp8_e4m3", "int8_row", "nf4", "bf16", "mxfp6_e3m2", "e2m1/k5/e8m0")


@pytest.fixture(autouse=True)
def _same_number_of_threads_afterwards() -> Iterator[None]:
    before = lb.get_num_threads()
    yield
    lb.set_num_threads(before)


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """Float32 (515, 1030), large enough that every thread gets work."""
    return (rng.standard_normal((515, 1030)) * 2.0 ** rng.integers(-20, 20, (515, 1))).astype(np.float32)


def results(x: np.ndarray, fmt: str, axis: Any) -> list[np.ndarray]:
    """Everything that a format makes of x."""
    q = lb.quantize(x, fmt, axis=axis)
    parts = [bit_patterns(lb.qdq(x, fmt, axis=axis)), q.codes, q.packed, bit_patterns(q.dequantize())]
    return parts if q.scales is None else [*parts, q.scales]


@pytest.mark.parametrize("fmt", FORMATS)
def test_results_do_not_depend_on_the_number_of_threads(fmt: str, x: np.ndarray) -> None:
    tiles = (block := lb.format(fmt).block) is not None and block.is_tile
    for axis in (-1, (1, 0) if tiles else 0):
        lb.set_num_threads(1)
        expected = results(x, fmt, axis)
        for threads in THREADS[1:]:
            lb.set_num_threads(threads)
            got = results(x, fmt, axis)
            assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(got, expected, strict=True)), threads


def test_nonfinite_positions_and_amax_do_not_depend_on_threads(x: np.ndarray) -> None:
    x[400, 7], x[13, 999] = np.nan, np.inf
    for fmt in ("nvfp4", "fp8_e4m3", "int8_row"):
        seen = []
        for threads in THREADS:
            lb.set_num_threads(threads)
            q = lb.quantize(x, fmt)
            seen.append((q.tensor_scale, bit_patterns(lb.qdq(x, fmt)).tobytes()))
        assert len(set(seen)) == 1


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2", None, True])
def test_number_of_threads_is_checked(bad: Any) -> None:
    with pytest.raises(ArgumentError, match="positive integer"):
        lb.set_num_threads(bad)


def test_number_of_threads_is_kept() -> None:
    lb.set_num_threads(5)
    assert lb.get_num_threads() == 5


@pytest.mark.parametrize(("items", "grain"), [(0, 1), (1, 1), (5, 2), (100, 7), (3, 1000), (64, 1)])
def test_ranges_cover_every_item_once(items: int, grain: int) -> None:
    for threads in THREADS:
        lb.set_num_threads(threads)
        seen = np.zeros(items, int)
        lock = threading.Lock()

        def work(first: int, last: int, seen: np.ndarray = seen, lock: threading.Lock = lock) -> None:
            with lock:
                seen[first:last] += 1

        scheduler.run_ranges(work, items, grain=grain)
        assert (seen == 1).all()


def test_an_error_in_a_worker_reaches_the_caller_after_all_have_ended() -> None:
    lb.set_num_threads(4)
    ended = []

    def work(first: int, last: int) -> None:
        if first:
            ended.append(first)
            raise ValueError(f"range {first}")
        ended.append(0)

    with pytest.raises(ValueError, match="range"):
        scheduler.run_ranges(work, 8, grain=1)
    count = len(ended)
    assert 1 <= count <= 8  # a thread stops at its first error
    time.sleep(0.05)
    assert len(ended) == count, "some thread was still at work when the error was raised"
    scheduler.run_ranges(lambda first, last: None, 8, grain=1)  # the pool is still good


def test_concurrent_callers(x: np.ndarray) -> None:
    """Python threads that all call, while one changes the number of threads: the same bits every time."""
    lb.set_num_threads(2)
    expected = {fmt: results(x, fmt, -1) for fmt in FORMATS[:6]}
    wrong: list[str] = []

    def call(number: int) -> None:
        fmt = FORMATS[number % 6]
        if number % 5 == 0:
            lb.set_num_threads(1 + number % 3)
        got = results(x, fmt, -1)
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(got, expected[fmt], strict=True)):
            wrong.append(fmt)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(call, range(36)))
    assert not wrong


FORK = """
import os, sys, threading
import multiprocessing
import numpy as np
import lowbit as lb

x = np.random.default_rng(0).standard_normal((700, 1024)).astype(np.float32)
lb.set_num_threads(3)
expected = lb.qdq(x, "nvfp4")
assert threading.active_count() > 1, "the parent's pool is running"

def child():
    ok = np.array_equal(lb.qdq(x, "nvfp4"), expected) and lb.get_num_threads() == 3
    q = lb.quantize(x, "mxfp4")
    os._exit(0 if ok and q.dequantize().shape == x.shape else 3)

children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        child()
    children.append(pid)
assert np.array_equal(lb.qdq(x, "nvfp4"), expected), "the parent goes on"
for pid in children:
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status

def task(seed):
    y = np.random.default_rng(seed).standard_normal((600, 512)).astype(np.float32)
    return float(np.abs(lb.qdq(y, "mxint8")).sum(dtype=np.float64))

with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(task, range(6)) == [task(seed) for seed in range(6)]
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes_and_exits() -> None:
    """Also while another thread of the parent holds the pool's lock."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr[-2000:]


LOCKED = """
import os
import numpy as np
import lowbit as lb
from lowbit.kernels.cpu import scheduler

x = np.random.default_rng(0).standard_normal((700, 1024)).astype(np.float32)
lb.set_num_threads(2)
expected = lb.qdq(x, "mxfp4")
with scheduler._State.lock:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if np.array_equal(lb.qdq(x, "mxfp4"), expected) else 3)
_, status = os.waitpid(pid, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_the_lock_is_held_does_not_hang() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", LOCKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
