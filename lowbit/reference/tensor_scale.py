"""The second level of scales: what g, t and A of contract §4 are for a call."""

from dataclasses import dataclass

from lowbit.formats import BlockFormat
from lowbit.reference.binary32 import FLT_MAX, divide, fl, multiply


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorScale:
    """The second level: `encode` (g of contract §4) multiplies on the way in, `decode` (t) on the way out.

    `amax` is A, which the errors of four over six are computed with.
    """

    encode: float
    decode: float
    amax: float


ONE_LEVEL = TensorScale(encode=1.0, decode=1.0, amax=1.0)
"""Stands for no tensor scale: multiplying or dividing by 1 changes nothing. Nothing reads its amax."""


def tensor_scale_from_amax(fmt: BlockFormat, amax: float) -> TensorScale:
    """g = min(fl(fl(S·T) / A), FLT_MAX) and t = fl(A / fl(S·T)), or t = fl(1/g) where g was clamped (as for A = 0)."""
    largest = largest_product(fmt)
    unclamped = divide(largest, amax)
    if unclamped > FLT_MAX:
        return TensorScale(encode=FLT_MAX, decode=divide(1.0, FLT_MAX), amax=amax)
    return TensorScale(encode=unclamped, decode=divide(amax, largest), amax=amax)


def tensor_scale_from_static(fmt: BlockFormat, scale: float) -> TensorScale:
    """g = fl(1/t), clamped to FLT_MAX like the dynamic one; t itself decodes; A = fl(fl(t·S)·T)."""
    assert fmt.tensor_target is not None and fmt.target_max is not None  # callers handle one-level formats first
    amax = multiply(multiply(scale, float(fmt.tensor_target)), float(fmt.target_max))
    return TensorScale(encode=min(divide(1.0, scale), FLT_MAX), decode=scale, amax=amax)


def largest_product(fmt: BlockFormat) -> float:
    """fl(S·T): the magnitude that the largest block scale and the format's own target reach together."""
    assert fmt.tensor_target is not None and fmt.target_max is not None  # callers handle one-level formats first
    return fl(fmt.tensor_target * fmt.target_max)
