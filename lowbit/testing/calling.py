"""Calls of the quantizer under test, and what differs from the oracle's answer: values, or codes and scales."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lowbit.errors import ArgumentError, DtypeError
from lowbit.explanations.numbers import number_text
from lowbit.formats import BlockFormat
from lowbit.testing.expected import Expected, bit_patterns, exact, scale_codes, widen
from lowbit.testing.subject import KEYWORDS, Case, Subject

Quantizer = Callable[..., Any]
"""f(x, **keywords) -> fake-quantized array, or an object with `codes` and `scales` (such as `Stored` or a QTensor)."""


ANSWER = "a result"
"""What is expected where a quantizer raised an exception instead."""


class Stored(NamedTuple):
    """What a quantizer returns that is checked by its codes: one code an element and one word a block.

    `codes` has x's shape, `scales` the block grid's (None for plain casts); words are integers, or float32 numbers
    where scales are binary32. `tensor_scale`, if given, is compared too.
    """

    codes: Any
    scales: Any = None
    tensor_scale: Any = None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs. `kind` is value, code, scale, tensor_scale, shape or error; `where` is the index of an
    element, or of a block; numbers of kind value are floats, codes integers, the rest text.
    """

    kind: str
    where: tuple[int, ...]
    expected: float | int | str
    got: float | int | str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that differs in one call, out of `compared` numbers; the first difference and how many there are."""

    compared: int
    count: int = 0
    first: Difference | None = None


def accepted_keywords(quantizer: Quantizer, accepts: Iterable[str] | None) -> frozenset[str]:
    """The KEYWORDS that a quantizer takes, by its signature unless they are given. ArgumentError for unknown ones."""
    if accepts is not None:
        given = frozenset([accepts] if isinstance(accepts, str) else accepts)
        if given - set(KEYWORDS):
            raise ArgumentError(f"accepts={sorted(given)}: choose from {', '.join(KEYWORDS)}")
        return given
    if not callable(quantizer):
        raise ArgumentError(f"a quantizer is a function of an array, not {type(quantizer).__name__}")
    try:
        parameters = list(inspect.signature(quantizer).parameters.values())
    except (TypeError, ValueError):  # builtins and extension types may have none
        return frozenset()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return frozenset(KEYWORDS)
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return frozenset(parameter.name for parameter in parameters if parameter.kind in named) & frozenset(KEYWORDS)


@dataclass(frozen=True)
class Tester:
    """A quantizer with what it is checked against; `torch` gives it tensors instead of arrays."""

    quantizer: Quantizer
    subject: Subject
    torch: bool = False

    def call(self, case: Case) -> Any:
        """The quantizer's result; the arguments of the case that it takes are passed on."""
        arguments = dict(case.arguments)
        if "axis" in self.subject.accepts:
            arguments.setdefault("axis", self.subject.axis)
        arguments = {name: value for name, value in arguments.items() if name in self.subject.accepts}
        x = case.x.copy() if case.x.flags.c_contiguous else case.x
        return self.quantizer(self._tensor(x) if self.torch else x, **arguments)

    def _tensor(self, x: np.ndarray) -> Any:
        import torch

        return torch.from_numpy(np.ascontiguousarray(x) if any(stride < 0 for stride in x.strides) else x)

    def outcome(self, case: Case) -> Outcome:
        """What differs in a call. Exceptions are differences too, except where an error is expected."""
        expected = None if case.refused else self.subject.expected(case)
        try:
            result = self.call(case)
            if expected is not None:
                return compare(result, expected, self.subject.fmt)
        except Exception as error:  # whatever the quantizer raises is its answer
            if expected is None:
                return Outcome(compared=1)
            return _one("error", ANSWER, f"{type(error).__name__}: {' '.join(str(error).split())}"[:300])
        return _one("error", "an error: the format cannot hold NaN or infinity", _answer(result, case))


def _answer(result: Any, case: Case) -> str:
    """What a quantizer made of the first number that it should have refused; anything may be returned here."""
    numbers = exact(case.x).reshape(-1)
    place = int(np.flatnonzero(~np.isfinite(numbers))[0])
    try:
        return f"{number_text(float(as_array(result).reshape(-1)[place]))} for {number_text(float(numbers[place]))}"
    except Exception:
        return ANSWER


def compare(result: Any, expected: Expected, fmt: BlockFormat) -> Outcome:
    """What differs between a quantizer's result and the expected one."""
    if hasattr(result, "codes") and hasattr(result, "scales"):
        return _compare_codes(result, expected, fmt)
    return _compare_values(as_array(result), expected.values)


def as_array(result: Any) -> np.ndarray:
    """A result as a numpy array, from torch tensors too. DtypeError for what has no numbers."""
    if hasattr(result, "detach"):
        result = result.detach().cpu()
        result = (result.float() if result.is_floating_point() else result).numpy()
    array = np.asarray(result)
    if array.dtype.kind not in "fiub" and array.dtype.name not in ("bfloat16",):
        raise DtypeError(f"the quantizer returned {type(result).__name__} of dtype {array.dtype}; return numbers")
    return array


def _compare_values(got: np.ndarray, expected: np.ndarray) -> Outcome:
    if got.shape != expected.shape:
        return _one("shape", str(expected.shape), str(got.shape))
    with np.errstate(over="ignore", invalid="ignore"):
        single = widen(got)
        rounded = (single != got) & ~np.isnan(single)  # a float64 result that is no binary32 number
    different = (bit_patterns(single) != bit_patterns(expected)) | rounded
    return _outcome("value", different, exact(expected), exact(got), float)


def _compare_codes(result: Any, expected: Expected, fmt: BlockFormat) -> Outcome:
    codes = as_array(result.codes)
    if codes.shape != expected.codes.shape:
        return _one("shape", f"codes {expected.codes.shape}", f"codes {codes.shape}")
    found = _outcome("code", codes.astype(np.int64) != expected.codes, expected.codes, codes, int)
    if expected.scales is None or not expected.codes.size:  # nothing is scaled in an empty tensor
        return found
    scales = _scale_words(as_array(result.scales), fmt)
    if scales.shape != expected.scales.shape:
        return _one("shape", f"scales {expected.scales.shape}", f"scales {scales.shape}")
    second = _outcome("scale", scales != expected.scales, expected.scales, scales, int)
    first = second if second.first is not None else found  # a wrong scale is why codes are wrong
    count, compared = found.count + second.count, found.compared + second.compared
    if first.first is None:
        return _compare_levels(getattr(result, "tensor_scale", None), expected, compared)
    return Outcome(compared=compared, count=count, first=first.first)


def _compare_levels(level: Any, expected: Expected, compared: int) -> Outcome:
    """The tensor scales, where there are both."""
    if level is None or expected.tensor_scale is None:
        return Outcome(compared=compared)
    got = float(as_array(level).astype(np.float32).reshape(()))
    if got == expected.tensor_scale:
        return Outcome(compared=compared + 1)
    first = Difference(kind="tensor_scale", where=(), expected=expected.tensor_scale, got=got)
    return Outcome(compared=compared + 1, count=1, first=first)


def _scale_words(scales: np.ndarray, fmt: BlockFormat) -> np.ndarray:
    """Scales as words: integers as they are, float8 dtypes by their bits, floats of narrower scales encoded."""
    if scales.dtype.kind in "iub":
        return scales.astype(np.int64)
    if scales.dtype.itemsize == 1:
        return scales.view(np.uint8).astype(np.int64)
    if fmt.is_float32_scale:
        return scale_codes(scales.astype(np.float32))
    assert fmt.scale is not None  # a plain cast has no scales to compare
    known = {fmt.scale.decode(code): code for code in reversed(range(1 << fmt.scale.bits))}
    nan = -1 if fmt.scale.nan_code is None else fmt.scale.nan_code
    words = [nan if x != x else known.get(x, -1) for x in scales.astype(np.float64).reshape(-1).tolist()]
    return np.array(words, np.int64).reshape(scales.shape)


def _outcome(kind: str, different: np.ndarray, expected: np.ndarray, got: np.ndarray, number: type) -> Outcome:
    if not different.any():
        return Outcome(compared=expected.size)
    where = tuple(int(place) for place in np.argwhere(different)[0])
    first = Difference(kind=kind, where=where, expected=number(expected[where]), got=number(got[where]))
    return Outcome(compared=expected.size, count=int(different.sum()), first=first)


def _one(kind: str, expected: str, got: str) -> Outcome:
    return Outcome(compared=1, count=1, first=Difference(kind=kind, where=(), expected=expected, got=got))
