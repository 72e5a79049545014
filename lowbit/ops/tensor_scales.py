"""Tensor amaxes that outlive a call: sampled and held, taken from a history, or fixed.

A state is an explicit object of the caller: nothing is global, nothing is random, and the same calls give the same
numbers. Calling it with a tensor gives the `tensor_amax` for that tensor and takes one step:

>>> import numpy as np, lowbit as lb
>>> state = lb.SampleAndHold(period=2)
>>> [state(np.array([amax, -1.0], np.float32)) for amax in (3.0, 8.0, 5.0)]
[3.0, 3.0, 5.0]
>>> x = np.array([5.0, 0.3], np.float32)
>>> lb.qdq(x, "nvfp4", tensor_amax=state(x))
array([5.        , 0.41666666], dtype=float32)

Amaxes are those of the contract (§4): the largest finite magnitude, 0 where there is none. What was recorded as 0 is no
information about scale: it is never held, and a tensor for which nothing else is known is quantized with its own amax.
A state reads the tensor on the host. Inside `torch.compile` it is not traced: with graph breaks allowed it runs eagerly
between graphs, with fullgraph=True it is refused; call it outside and pass on the number.
"""

import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from lowbit.errors import ArgumentError, UnsupportedError
from lowbit.formats.binary32 import FLT_MAX, binary32
from lowbit.geometry import memory_order
from lowbit.ops import arrays, preparation
from lowbit.ops.dense import read_view


def finite_amax(x: Any) -> float:
    """Largest finite magnitude of a numpy array or torch tensor of any shape and strides; 0.0 if there is none.

    Raises DtypeError for what `lowbit.qdq` does not take.
    """
    _refuse_tracing()
    dynamo = sys.modules.get("torch._dynamo")  # if loaded, it looks at every frame, also where it may not trace
    return _finite_amax(x) if dynamo is None else dynamo.disable(_finite_amax)(x)


def _finite_amax(x: Any) -> float:
    array, kind = arrays.framework_of(x).unwrap(x)
    if not array.size:
        return 0.0
    order = memory_order(array) if array.ndim else ()
    dense = np.ascontiguousarray(array if order is None else array.transpose(order))
    return preparation.finite_amax(read_view(dense, kind))


class StaticAmax:
    """One amax for every tensor, from calibration: positive and finite, else ArgumentError."""

    def __init__(self, amax: float) -> None:
        self.amax = _positive(amax, "amax")

    def __call__(self, x: Any) -> float:
        """The amax, whatever x is."""
        return self.amax

    def state_dict(self) -> dict[str, Any]:
        """The amax as plain data."""
        return {"amax": self.amax}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave. Raises ArgumentError."""
        self.amax = _checked(state, amax=lambda value: value is not None and _is_amax(value) and value > 0)["amax"]


class SampleAndHold:
    """The amax of every `period`-th tensor, times `safety`, held for the tensors between.

    The first tensor is sampled. A sample that is 0 (zeros, or no finite element) is not held: that tensor gets 0, or
    what is still held, and the next one is sampled instead. Results above the largest binary32 number become that.
    `period` is a positive integer, `safety` positive and finite, else ArgumentError.
    Source: UE5M3 FP4 block scaling (arXiv 2609.02846): period 50, safety 1.
    """

    def __init__(self, period: int = 50, safety: float = 1.0) -> None:
        self.period, self.safety = _count(period, "period"), _positive(safety, "safety")
        self.held = 0.0
        self.step = 0
        self.next_sample = 0

    def __call__(self, x: Any) -> float:
        """The amax for x, a numpy array or torch tensor; takes one step. x is read only where it is sampled."""
        return self.update(lambda: finite_amax(x))

    def update(self, amax: float | Callable[[], float]) -> float:
        """The same for a tensor of known amax (one reduced over shards, say), or a function that finds it if needed."""
        _refuse_tracing()
        sample = self.held
        if self.step >= self.next_sample:
            sample = _known(amax() if callable(amax) else amax)
            self.held = sample or self.held
            self.next_sample = self.step + (self.period if sample else 1)
        self.step += 1
        return _bounded((sample or self.held) * self.safety)

    def state_dict(self) -> dict[str, Any]:
        """Held amax, steps done and step of the next sample, as plain data."""
        return {"held": self.held, "step": self.step, "next_sample": self.next_sample}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` of such an object gave. Raises ArgumentError and then changes nothing."""
        given = _checked(state, held=_is_amax, step=_is_step, next_sample=_is_step)
        self.held, self.step, self.next_sample = float(given["held"]), given["step"], given["next_sample"]


class AmaxHistory:
    """Delayed scaling: the amax for a tensor is found from those of the tensors before it, times 2^margin.

    `reduce="max"` takes the largest of the last `length` amaxes, `"most_recent"` the last one. Amaxes of 0 enter the
    history and do not count; where all that count are gone, the last result stays (TransformerEngine keeps its scale).
    While nothing is known, `initial` is used, or without it the tensor's own amax. TransformerEngine starts with scale
    1, that is, with `initial` the largest value of the element. Results above the largest binary32 number become that.
    `length` is a positive integer, `margin` an integer from -100 to 100, `initial` positive, else ArgumentError.
    Source: TransformerEngine, recipe DelayedScaling: length 1024 (16 is common), reduce max, margin 0.
    """

    def __init__(
        self,
        length: int = 1024,
        reduce: Literal["max", "most_recent"] = "max",
        margin: int = 0,
        initial: float | None = None,
    ) -> None:
        if reduce not in ("max", "most_recent"):
            raise ArgumentError(f"reduce={reduce!r} is not known; choose max or most_recent")
        if not isinstance(margin, int) or not -100 <= margin <= 100:
            raise ArgumentError(f"margin={margin!r}: give an integer from -100 to 100")
        self.length, self.reduce, self.margin = _count(length, "length"), reduce, margin
        self.history: list[float] = []
        self.last = 0.0 if initial is None else _positive(initial, "initial")

    def __call__(self, x: Any) -> float:
        """The amax for x, a numpy array or torch tensor, from what came before it; then x enters the history."""
        return self.update(finite_amax(x))

    def update(self, amax: float) -> float:
        """The same for a tensor of known amax, for example one reduced over shards."""
        _refuse_tracing()
        amax = _known(amax)
        considered = self.history if self.reduce == "max" else self.history[-1:]
        found = max(considered, default=0.0)
        self.last = _bounded(found * 2.0**self.margin) if found else self.last
        self.history = [*self.history, amax][-self.length :]
        return self.last or _bounded(amax * 2.0**self.margin)

    def state_dict(self) -> dict[str, Any]:
        """The history, oldest first, and the last amax that was known, as plain data."""
        return {"history": list(self.history), "last": self.last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` of an object of this length gave. Raises ArgumentError and changes nothing."""
        given = _checked(state, last=_is_amax, history=self._is_history)
        self.history, self.last = [float(amax) for amax in given["history"]], float(given["last"])

    def _is_history(self, value: Any) -> bool:
        return isinstance(value, list) and len(value) <= self.length and all(map(_is_amax, value))


def _refuse_tracing() -> None:
    """UnsupportedError inside torch.compile, which would bake a step into the graph or compile again every step."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.compiler.is_compiling():
        raise UnsupportedError("a tensor-scale state inside torch.compile: call it outside and pass on the number")


def _known(amax: float) -> float:
    """A recorded amax: not negative, and 0 where it is NaN or infinite."""
    amax = float(amax)
    if amax < 0:
        raise ArgumentError(f"amax={amax!r} is negative; give a largest magnitude")
    return binary32(amax) if amax <= FLT_MAX else 0.0


def _bounded(amax: float) -> float:
    return binary32(min(amax, FLT_MAX))


def _count(value: int, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{name}={value!r}: give a positive integer")
    return value


def _positive(value: float, name: str) -> float:
    if not _is_amax(value) or binary32(value) <= 0:
        raise ArgumentError(f"{name}={value!r}: give a positive finite number")
    return float(value)


def _is_amax(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= FLT_MAX


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _checked(state: dict[str, Any], **checks: Callable[[Any], bool]) -> dict[str, Any]:
    """The state, if it has exactly these entries and each passes its check."""
    if not isinstance(state, dict) or state.keys() != checks.keys():
        raise ArgumentError(f"state {state!r} is not of this kind; it needs the entries {', '.join(checks)}")
    for name, check in checks.items():
        if not check(state[name]):
            raise ArgumentError(f"state has {name}={state[name]!r}, which does not fit; load what state_dict() gave")
    return state
