"""The second level of scales (contract §4): its numbers for a tensor, written into plans."""

from dataclasses import replace
from functools import lru_cache
from math import inf, isfinite, isnan

from lowbit.errors import ArgumentError
from lowbit.formats.binary32 import FLT_MAX, binary32, quotient
from lowbit.formats.block import BlockFormat
from lowbit.formats.rounding import Rounding, Stochastic
from lowbit.lowering import SCALAR, KernelPlan, fill_level, frozen, plan_for


@lru_cache(maxsize=256)
def tensor_plan(fmt: BlockFormat, mode: Rounding | Stochastic, amax: float | None, scale: float | None) -> KernelPlan:
    """The plan of a format and a mode with its second level, if it has one. Cached: amaxes given once come again."""
    return with_tensor_level(plan_for(fmt, mode), fmt, amax, scale)


def with_tensor_level(plan: KernelPlan, fmt: BlockFormat, amax: float | None, scale: float | None) -> KernelPlan:
    """The plan with the second level of contract §4 for a tensor of this amax, or with this static tensor scale.

    Raises ArgumentError for a negative or NaN amax, and for a scale that is not positive and finite.
    """
    if fmt.tensor_target is None:
        return plan
    assert fmt.target_max is not None
    target, largest = float(fmt.tensor_target), float(fmt.target_max)
    tensor_scale, encode = tensor_level(target, largest, amax, scale)
    record = plan.record.copy()
    fill_level(record, tensor_scale, encode)
    record["encode_over_max"] = binary32(encode * binary32(1 / largest))
    record["target"] = target
    if not 2.0**-60 <= tensor_scale <= 2.0**60:
        record["vector"] = SCALAR
    return replace(plan, record=frozen(record))


def tensor_level(target: float, largest: float, amax: float | None, scale: float | None) -> tuple[float, float]:
    """(decode scale t, encode scale g) of contract §4 in binary32 arithmetic; the arguments are rounded to it first."""
    amax, scale = (None if number is None else binary32(number) for number in (amax, scale))
    if scale is not None:
        if not (isfinite(scale) and scale > 0):
            raise ArgumentError(f"tensor_scale={scale!r} must be a positive finite number")
        return scale, min(quotient(1.0, scale), FLT_MAX)
    if amax is None or isnan(amax) or amax < 0 or amax == inf:
        raise ArgumentError(f"tensor_amax={amax!r} must be a finite number that is not negative")
    product = binary32(target * largest)
    encode = quotient(product, amax)
    if encode > FLT_MAX:
        return quotient(1.0, FLT_MAX), FLT_MAX
    return quotient(amax, product), encode
