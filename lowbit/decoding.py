"""From an element to what decoding kernels read: its values by code, and, for regular grids, numbers that give them.

A regular grid is decoded by a few additions on vectors; every code that this arithmetic does not serve (NaN,
infinities, codebooks, values near binary32's own limits) is looked up in the table.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lowbit.formats.binary32 import FLT_MAX, INFINITY_BITS, float_to_bits, quotient
from lowbit.formats.block import BlockFormat
from lowbit.formats.floats import FloatElement
from lowbit.formats.grids import Element, IntElement
from lowbit.formats.rounding import ScaleDomain

LOOKED_UP, FLOAT_FIELDS, INTEGER_STEPS = range(3)
"""How kernels decode: by the table alone, from exponent and mantissa fields, or as a number of steps."""

NO_CODE = 0xFFFFFFFF
"""A number that no code has."""

DECODE = np.dtype(
    [
        ("form", np.int32),
        ("bits", np.int32),
        ("narrow", np.int32),  # 1: values times scales and levels within generous bounds stay normal in binary32
        ("finite", np.int32),  # 1: no code is NaN or infinite
        # float fields: magnitude << shift, plus `normal`, are the value's bits; below `first_normal` subtract `lowest`
        ("magnitude_mask", np.uint32),
        ("sign_shift", np.uint32),
        ("shift", np.uint32),
        ("first_normal", np.uint32),
        ("normal", np.uint32),
        ("lowest", np.uint32),
        ("largest", np.uint32),  # magnitudes above it are looked up
        ("odd_code", np.uint32),  # so is this code: NaN in the place of -0
        # integer steps: (code + bias) & mask steps above the smallest value, counted in the last place of `magnet`
        ("bias", np.uint32),
        ("magnet", np.uint32),
        ("offset", np.float64),
    ]
)


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """`record` is one DECODE entry; `values` holds the binary32 bits of the value of every code."""

    record: np.ndarray
    values: np.ndarray


@lru_cache(maxsize=128)
def decode_plan_for(element: Element) -> DecodePlan:
    """The plan of an element. Cached: an element is lowered once in a process."""
    record, values = np.zeros(1, dtype=DECODE), decoded_bits(element)
    magnitudes = np.abs(values.view(np.float32).astype(np.float64))
    sizes = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    record["bits"] = element.bits
    record["narrow"] = sizes.min() >= 2.0**-40 and sizes.max() <= 2.0**40
    record["finite"] = np.isfinite(magnitudes).all()
    match element:
        case FloatElement() if element.zero and (record["narrow"][0] or _has_binary32_exponents(element)):
            _describe_fields(record, element)
        case IntElement() if record["narrow"][0]:
            _describe_steps(record, element)
        case _:
            record["form"] = LOOKED_UP
    record.flags.writeable = False
    values.flags.writeable = False
    return DecodePlan(record, values)


@lru_cache(maxsize=128)
def decoded_bits(element: Element) -> np.ndarray:
    """Binary32 bits of the value of every code (at most 19 bits wide)."""
    codes = np.arange(1 << element.bits, dtype=np.uint32)
    if isinstance(element, FloatElement) and _has_binary32_exponents(element) and element.signed:
        bits = codes << np.uint32(23 - element.mantissa_bits)  # the upper part of binary32
        return np.where((bits & 0x7FFFFFFF) > INFINITY_BITS, np.uint32(0x7FC00000), bits)
    return np.array([float_to_bits(element.decode(int(code))) for code in codes], np.uint32)


@lru_cache(maxsize=128)
def decoded_scale_bits(fmt: BlockFormat) -> np.ndarray:
    """Binary32 bits of what every scale code multiplies with: its value, or the inverse of it (scale_domain=encode)."""
    assert fmt.scale is not None
    bits = decoded_bits(fmt.scale)
    if fmt.scale_domain is ScaleDomain.DECODE:
        return bits
    inverses = (
        min(quotient(1.0, value), FLT_MAX) if value != 0 else 0.0 for value in map(fmt.scale.decode, range(len(bits)))
    )
    return np.array([float_to_bits(inverse) for inverse in inverses], np.uint32)


def _has_binary32_exponents(element: FloatElement) -> bool:
    return (element.exponent_bits, element.bias) == (8, 127)


def _describe_fields(record: np.ndarray, element: FloatElement) -> None:
    """Subnormals of the element are 2^min_exponent * (1 + m / 2^mantissa) - 2^min_exponent, both normal numbers."""
    mantissa = element.mantissa_bits
    record["form"] = FLOAT_FIELDS
    record["magnitude_mask"] = (1 << element.magnitude_bits) - 1
    record["sign_shift"] = 31 - element.magnitude_bits
    record["shift"] = 23 - mantissa
    record["first_normal"] = 0 if _has_binary32_exponents(element) else 1 << mantissa
    record["normal"] = (element.min_exponent + 126) << 23
    record["lowest"] = (element.min_exponent + 127) << 23
    record["largest"] = element.max_code
    record["odd_code"] = NO_CODE if element.has_negative_zero or not element.signed else 1 << element.magnitude_bits


def _describe_steps(record: np.ndarray, element: IntElement) -> None:
    """2^(23 - fraction bits) plus a number of steps is exact, and its bits count them."""
    half = 1 << (element.bits - 1) if element.signed else 0
    record["form"] = INTEGER_STEPS
    record["magnitude_mask"] = (1 << element.bits) - 1
    record["bias"] = half
    record["magnet"] = (127 + 23 - element.fraction_bits) << 23
    record["offset"] = (2.0**23 + half) * 2.0**-element.fraction_bits
    record["largest"], record["odd_code"] = NO_CODE, NO_CODE
