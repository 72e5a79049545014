"""Timing on a machine that is not ours alone: pairs measured in turns, medians, and waiting for an idle processor."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

IDLE_LOAD = 0.10
"""Other processes' share of the processor below which it counts as idle."""

LOOK_S = 0.15
"""How long one look at the other load takes; the counters of the system tick every 10 ms."""

SETTLE_S = 0.006
"""Pause before each timed call, followed by one call that is not timed.

After a parallel operation torch's OpenMP threads spin for 4 ms more (measured), on the cores that the next call wants:
without the pause each call of a pair would pay for the other one's library, and without the call after it for waking
threads and cores, as no call in a loop does."""

FEWEST_PAIRS = 3
"""Pairs that are measured however slow they are: a median of fewer says nothing."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds of wall time, of all processors being busy (the hypervisor's theft included), and of our own work."""

    wall: float
    busy: float | None
    own: float

    @classmethod
    def now(cls) -> "Clock":
        """The counters of this moment; `busy` is None where /proc/stat does not exist."""
        own = os.times()
        return cls(time.perf_counter(), _busy_seconds(), sum(own[:4]))

    def other_load(self, later: "Clock") -> float | None:
        """Other processes' share of the processor between two moments, in 0..1."""
        if self.busy is None or later.busy is None or later.wall <= self.wall:
            return None
        other = (later.busy - self.busy) - (later.own - self.own)
        return min(1.0, max(0.0, other / (later.wall - self.wall) / (os.cpu_count() or 1)))


def _busy_seconds() -> float | None:
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    except (OSError, IndexError):
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(ticks) for ticks in fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Paired:
    """Two things timed alternately: median seconds of each, and the median over pairs of base time / subject time."""

    subject_s: float
    base_s: float
    ratio: float
    pairs: int


@dataclass(slots=True)
class Timer:
    """Measures calls. Before each measurement it waits for an idle processor while `patience_s` lasts.

    repeats: pairs or samples of a measurement; fewer, but at least three, where they take longer than `budget_s`.
    say: receives one line when it starts to wait.
    """

    repeats: int
    budget_s: float
    patience_s: float
    say: Callable[[str], None]
    waited_s: float = field(default=0.0, init=False)

    def paired(self, subject: Callable[[], object], base: Callable[[], object]) -> Paired:
        """Time `base` and `subject` in turns, so that a drift of the machine hits both alike; each is warmed up."""
        _timed(base)
        _timed(subject)
        self.wait_until_idle()
        times: list[tuple[float, float]] = []
        start = time.perf_counter()
        while len(times) < self.repeats:
            times.append((_timed(base), _timed(subject)))
            if len(times) >= FEWEST_PAIRS and time.perf_counter() - start > self.budget_s:
                break
        return Paired(
            subject_s=median(pair[1] for pair in times),
            base_s=median(pair[0] for pair in times),
            ratio=median(pair[0] / pair[1] for pair in times),
            pairs=len(times),
        )

    def per_call(self, call: Callable[[], object], *, calls: int) -> float:
        """Median seconds of a short call, from samples of `calls` calls each; the loop itself is taken off."""
        self.wait_until_idle()
        _looped(call, calls)
        return median(max(0.0, _looped(call, calls) - _looped(_nothing, calls)) for _ in range(self.repeats)) / calls

    def samples(self, sample: Callable[[], float]) -> float:
        """Median of a few values that `sample` measures itself, for what is too slow to repeat often."""
        self.wait_until_idle()
        return median(sample() for _ in range(min(self.repeats, FEWEST_PAIRS)))

    def wait_until_idle(self) -> None:
        """Return when other processes leave the processor alone, or when the patience of the whole run is used up."""
        told = False
        while self.waited_s < self.patience_s:
            before = Clock.now()
            time.sleep(LOOK_S)
            load = before.other_load(Clock.now())
            if load is None or load <= IDLE_LOAD:
                return
            self.waited_s += LOOK_S
            if not told:
                left = self.patience_s - self.waited_s
                self.say(f"other processes use {load:.0%} of the processor: waiting for it, at most {left:.0f} s more")
                told = True
            if self.waited_s >= self.patience_s:
                self.say("the processor stays busy: measuring anyway; take these numbers with care")


def _timed(call: Callable[[], object]) -> float:
    time.sleep(SETTLE_S)
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _looped(call: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def _nothing() -> None:
    return None
