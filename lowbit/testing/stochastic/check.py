"""`check_stochastic`: a stochastic quantizer and the contract's probabilities; `check_words`: random words alone."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lowbit.errors import ArgumentError
from lowbit.formats import BlockFormat, Rounding, Stochastic
from lowbit.formats import format as find_format
from lowbit.formats.rounding import find_rounding
from lowbit.testing.calling import accepted_keywords
from lowbit.testing.stochastic.bench import Bench, make_bench
from lowbit.testing.stochastic.enumeration import BITS, enumerate_words
from lowbit.testing.stochastic.independence import independence_tests
from lowbit.testing.stochastic.proportions import detectable_bias, proportion_tests
from lowbit.testing.stochastic.records import Identity, StatisticalTest, StochasticReport, holm
from lowbit.testing.stochastic.recovery import Recovery

ERROR_RATE = 1e-6
"""Probability with which a right quantizer fails anywhere in one report."""

ELEMENTS = 1 << 20
"""Elements of the tensors that are rounded."""

FEWEST = 1 << 18
"""Below this the distributions of some statistics are not those that p-values are computed from."""

POWER = 0.999

DRAW_ARGUMENTS = ("seed", "stream", "offset")

ROOM = {"seed": 1 << 63, "stream": 1 << 31, "offset": 1 << 63}


def check_stochastic(
    quantizer: Callable[..., Any] | None,
    format: str | BlockFormat,
    *,
    rounding: str | Rounding | Stochastic = Rounding.STOCHASTIC,
    axis: int = -1,
    draws: str = "philox",
    accepts: Iterable[str] | None = None,
    seed: int = 0,
    elements: int = ELEMENTS,
    gaps: int | None = 8,
    error_rate: float = ERROR_RATE,
) -> StochasticReport:
    """Whether a quantizer rounds up with the probabilities of the contract, independently everywhere (contract §5).

    quantizer: a function of a float32 array (rows, columns) that returns the fake-quantized array and takes the draw
    arguments `seed`, `stream` and `offset` of `lowbit.qdq`, or those of them that its signature (or `accepts`) names;
    None is `lowbit.qdq` itself. It rounds along `axis` (-1 or 0).

    Exact part, with 8 random bits: for numbers on, just below and just above every threshold of every rule, in at most
    `gaps` pairs of neighbouring values (None: in all), every one of the 256 random words occurs, and exactly as many of
    them round up as the rule says. With any number of bits, every result follows from the contract's random words.

    Statistical part: shares of numbers that go up at 16 distances in up to 8 gaps (chi-square), the mean error against
    its exact expectation, exact binomial tests next to a value, and, on the random bits that the quantizer is seen to
    use (read from its results by bisection), a battery of tests of randomness, correlations of elements at given lags
    and at any lag, of bit positions, and of tensors with neighbouring seeds, streams and offsets. All p-values are
    corrected together (Holm): a right quantizer fails with probability `error_rate` at most, whatever the number of
    tests. The same seed gives the same report.

    draws="own": the quantizer has random bits of its own, new ones in each call (or for each seed, if it takes one);
    nothing can be expected exactly, and each element and call gives one random bit to test.

    Raises ArgumentError, FormatError or UnsupportedError for formats and arguments that do not fit, among them formats
    whose scales follow from more than a block's largest magnitude.

    >>> import lowbit as lb
    >>> report = lb.testing.check_stochastic(None, "mxfp4", rounding="stochastic:8:midpoint", gaps=2, elements=2**18)
    >>> report.ok, report.exact.pairs // 256 == report.exact.fractions, len(report.failed)
    (True, True, 0)
    """
    fmt, mode = find_format(format), find_rounding(rounding)
    if not isinstance(mode, Stochastic):
        raise ArgumentError(f"rounding={str(mode)!r} draws nothing; choose stochastic, or stochastic:BITS:RULE")
    _check(axis, draws, seed, elements, error_rate)
    if axis == 0 and fmt.block is not None and fmt.block.is_tile:
        raise ArgumentError(f"axis=0: {fmt} has tiles over both axes; leave axis out")
    if gaps is not None and gaps < 1:
        raise ArgumentError(f"gaps={gaps!r}: give a positive integer, or None for all")
    called = _own_qdq(fmt, mode, axis) if quantizer is None else quantizer
    taken = accepted_keywords(called, accepts) & set(DRAW_ARGUMENTS)
    own = draws == "own"
    if not own and "seed" not in taken:
        raise ArgumentError("the quantizer takes no seed, so its random bits cannot be the contract's; use draws='own'")
    bench = make_bench(called, fmt, mode, axis=axis, elements=elements, accepts=taken, own=own)
    enumerable = mode.bits == BITS and not own
    exact = enumerate_words(bench, gaps=gaps, seed=seed) if enumerable else None
    words, tests = _statistics(bench, seed)
    bias = detectable_bias(bench.free.size, len(tests), error_rate, POWER)
    return StochasticReport(
        subject=str(fmt),
        rounding=str(mode),
        seed=seed,
        elements=bench.free.size,
        error_rate=error_rate,
        exact=exact,
        words=words,
        tests=tests,
        power=f"a mean error {bias:.2g} of a gap beside the expected one, or more, is found with probability {POWER}",
        skipped="" if enumerable else _why_not(own, mode),
    )


def check_words(
    source: Callable[..., np.ndarray],
    *,
    count: int = 1 << 19,
    seed: int = 0,
    accepts: Iterable[str] | None = None,
    error_rate: float = ERROR_RATE,
    name: str = "random words",
) -> StochasticReport:
    """The independence tests of `check_stochastic` alone, on a source of random words with all of their 32 bits.

    source(count, seed=, stream=, offset=) -> uint32 (count,); draw arguments that it does not take are left alone.

    >>> import lowbit as lb
    >>> lb.testing.check_words(lambda n, **draws: lb.random_bits(n, **draws)).ok
    True
    """
    _check(-1, "philox", seed, count, error_rate)
    taken = accepted_keywords(source, accepts) & set(DRAW_ARGUMENTS)

    def read(**draws: int) -> np.ndarray:
        words = np.asarray(source(count, **{key: value for key, value in draws.items() if key in taken}))
        if words.dtype != np.uint32 or words.shape != (count,):
            raise ArgumentError(f"the source returned {words.dtype} {words.shape}; return uint32 ({count},)")
        return words

    tests = independence_tests(read, resolution=32, places=np.arange(count), row=1 << 12, seed=seed, accepts=taken)
    return StochasticReport(
        subject=name,
        rounding="32 bits",
        seed=seed,
        elements=count,
        error_rate=error_rate,
        exact=None,
        words=None,
        tests=holm(tests),
    )


def _statistics(bench: Bench, seed: int) -> tuple[Identity, tuple[StatisticalTest, ...]]:
    """The tests of proportions and of the random bits behind the results."""
    recovery = Recovery(bench)
    identities: list[Identity] = []

    def read(**draws: int) -> np.ndarray:
        drawn, identity = recovery.read(**draws)
        identities.append(identity)
        return drawn

    tests = list(proportion_tests(bench, seed=seed + 1000))
    tests += independence_tests(
        read,
        resolution=recovery.resolution,
        places=bench.free,
        row=bench.template.shape[1],
        seed=seed,
        accepts=bench.accepts,
    )
    return sum(identities, Identity()), holm(tests)


def _own_qdq(fmt: BlockFormat, mode: Stochastic, axis: int) -> Callable[..., np.ndarray]:
    from lowbit.ops.front import qdq

    def quantize(x: np.ndarray, seed: int, stream: int = 0, offset: int = 0) -> np.ndarray:
        return qdq(x, fmt, axis=axis, rounding=mode, seed=seed, stream=stream, offset=offset)

    return quantize


def _check(axis: int, draws: str, seed: int, elements: int, error_rate: float) -> None:
    if axis not in (-1, 0):
        raise ArgumentError(f"axis={axis!r}: the matrices are quantized along axis -1 or 0")
    if draws not in ("philox", "own"):
        raise ArgumentError(f"draws={draws!r} is not known; choose one of: philox, own")
    if not isinstance(seed, int) or not 0 <= seed < ROOM["seed"]:
        raise ArgumentError(f"seed={seed!r}: give an integer from 0 to 2^63-1; tests use seeds next to it")
    if not isinstance(elements, int) or elements < FEWEST:
        raise ArgumentError(f"elements={elements!r}: give {FEWEST} or more, for the tests' distributions to be right")
    if not 0 < error_rate < 1:
        raise ArgumentError(f"error_rate={error_rate!r}: give a probability")


def _why_not(own: bool, mode: Stochastic) -> str:
    if own:
        return "which random word an element draws is the quantizer's own affair"
    return f"of 2^{mode.bits} random words; choose {BITS} bits for that"
