"""Arguments and amax of the second level: which tensor scale applies to a call (contract §4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from lowbit.errors import ArgumentError
from lowbit.formats import BlockFormat, Statistic, ZeroPoint
from lowbit.reference.binary32 import fl
from lowbit.reference.tensor_scale import ONE_LEVEL, TensorScale, tensor_scale_from_amax, tensor_scale_from_static


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """What surrounds the blocks of one call: the tensor scale, and the amax that a whole-tensor block must use."""

    scale: TensorScale
    block_amax: float | None


def resolve_tensor_scale(
    numbers: Sequence[float], fmt: BlockFormat, *, tensor_amax: float | None, tensor_scale: float | None
) -> Level:
    """The level that the arguments and the finite numbers give. Raises ArgumentError."""
    check_two_levels(fmt, tensor_amax, tensor_scale)
    if tensor_scale is not None:
        return Level(scale=tensor_scale_from_static(fmt, _static(tensor_scale)), block_amax=None)
    amax = None if tensor_amax is None else _amax(tensor_amax)
    if fmt.tensor_target is None:
        return Level(scale=ONE_LEVEL, block_amax=amax)
    if amax is None:
        amax = max((abs(x) for x in numbers if isfinite(x)), default=0.0)
    return Level(scale=tensor_scale_from_amax(fmt, amax), block_amax=None)


def given_scale(fmt: BlockFormat, tensor_scale: float | None) -> TensorScale:
    """The tensor scale that stored codes decode with; ArgumentError where it is missing or has no place."""
    if fmt.tensor_target is None:
        check_two_levels(fmt, None, tensor_scale)
        return ONE_LEVEL
    if tensor_scale is None:
        raise ArgumentError(f"{fmt} has two levels; give the tensor_scale that quantize returned")
    return tensor_scale_from_static(fmt, _static(tensor_scale))


def check_two_levels(fmt: BlockFormat, tensor_amax: float | None, tensor_scale: float | None) -> None:
    """ArgumentError for arguments that the format has no place for, or that exclude each other."""
    if tensor_scale is not None and tensor_amax is not None:
        raise ArgumentError("tensor_scale and tensor_amax exclude each other: either gives the other; leave one out")
    if tensor_scale is not None and fmt.tensor_target is None:
        raise ArgumentError(f"tensor_scale={tensor_scale}: {fmt} has no tensor scale; use a format with /ts")
    if tensor_amax is None or fmt.tensor_target is not None:
        return
    if fmt.block is None or not fmt.block.is_tensor:
        raise ArgumentError(
            f"tensor_amax={tensor_amax}: {fmt} has no scale over the whole tensor; use /ts or tensor blocks"
        )
    if fmt.select is not None or fmt.statistic is not Statistic.AMAX or fmt.zero_point is not ZeroPoint.NONE:
        raise ArgumentError(
            f"tensor_amax={tensor_amax}: the whole-tensor block of {fmt} needs more than its amax; quantize it whole"
        )


def _static(scale: float) -> float:
    number = fl(Fraction(scale)) if isfinite(scale) else scale
    if not isfinite(number) or number <= 0:
        raise ArgumentError(f"tensor_scale={scale} is not allowed; use a positive finite binary32 number")
    return number


def _amax(amax: float) -> float:
    number = fl(Fraction(amax)) if isfinite(amax) else amax
    if not isfinite(number) or number < 0:
        raise ArgumentError(f"tensor_amax={amax} is not allowed; use a finite binary32 number that is not negative")
    return number
