"""The Hadamard rotation on exact rationals, rounded after every addition (contract §6): slow and obvious."""

from fractions import Fraction
from functools import lru_cache
from math import isqrt
from typing import Any

from lowbit.errors import ShapeError
from lowbit.formats.hadamard import Hadamard, Matrix, base_matrix
from lowbit.reference.binary32 import add, fl, multiply
from lowbit.reference.layout import Nested, Shape, flatten, nest, shape_of
from lowbit.reference.philox import random_bits

SIGN_STREAM = 0xFFFF0001
"""The stream of random signs (contract §5)."""


def rotate(x: Nested, transform: Hadamard, *, axis: int = -1) -> Any:
    """c · H · (D ∘ x) for every group of n numbers along `axis` of nested lists of binary32 numbers.

    An axis that n does not divide is filled up with zeros, and the result keeps that length. NaN and infinities spread
    as IEEE-754 additions in that order make them. Raises ShapeError for an axis that does not exist.
    """
    shape, position = shape_of(x), _position(shape_of(x), axis)
    signs, base = signs_of(transform), base_matrix(transform.base)

    def group(numbers: list[float]) -> list[float]:
        return _transformed([n if s > 0 else -n for n, s in zip(numbers, signs, strict=True)], transform, base)

    padded = transform.padded(shape[position])
    return _along(x, shape, position, padded, transform.n, group)


def unrotate(y: Nested, transform: Hadamard, *, axis: int = -1, length: int | None = None) -> Any:
    """D ∘ (c · Hᵀ · y): the way back, of which the first `length` numbers along the axis are kept (default: all).

    Raises ShapeError for an axis that n does not divide, and for a `length` that `rotate` would not pad to it.
    """
    shape, position = shape_of(y), _position(shape_of(y), axis)
    signs, base = signs_of(transform), base_matrix(transform.base)
    transposed = tuple(zip(*base, strict=True))
    padded = shape[position]
    length = padded if length is None else length
    if padded % transform.n or transform.padded(length) != padded:
        raise ShapeError(f"length {length} does not belong to a rotated axis of {padded} numbers ({transform})")

    def group(numbers: list[float]) -> list[float]:
        back = _transformed(numbers, transform, transposed)
        return [n if s > 0 else -n for n, s in zip(back, signs, strict=True)]

    return _along(y, shape, position, length, transform.n, group)


@lru_cache(maxsize=64)
def signs_of(transform: Hadamard) -> tuple[int, ...]:
    """D: the signs of a transform, drawn from its seed if it has one."""
    signs = transform.signs
    if isinstance(signs, tuple):
        return signs
    if signs is None:
        return (1,) * transform.n
    return tuple(-1 if random_bits(i, bits=32, seed=signs, stream=SIGN_STREAM) & 1 else 1 for i in range(transform.n))


def inverse_root(n: int) -> float:
    """1/sqrt(n), correctly rounded to binary32: 200 bits of it are far more than a tie could agree in."""
    return fl(Fraction(isqrt((1 << 400) // n), 1 << 200))


def _transformed(group: list[float], transform: Hadamard, base: Matrix) -> list[float]:
    """c · (B ⊗ S) · group: butterflies by stride, then sums over B's columns from left to right, then c."""
    numbers, power = list(group), transform.power
    stride = 1
    while stride < power:
        for i in range(len(numbers)):
            if not (i % power) & stride:
                left, right = numbers[i], numbers[i + stride]
                numbers[i], numbers[i + stride] = add(left, right), add(left, -right)
        stride *= 2
    if transform.base > 1:
        numbers = [_signed_sum(row, numbers[b::power]) for row in base for b in range(power)]
    scale = inverse_root(transform.n)
    return [multiply(number, scale) for number in numbers]


def _signed_sum(signs: tuple[int, ...], numbers: list[float]) -> float:
    total = numbers[0] if signs[0] > 0 else -numbers[0]
    for sign, number in zip(signs[1:], numbers[1:], strict=True):
        total = add(total, number if sign > 0 else -number)
    return total


def _along(x: Nested, shape: Shape, position: int, length: int, n: int, group: Any) -> Any:
    """Apply `group` to runs of n numbers along one axis, filled up with zeros; the axis gets `length`."""
    numbers = flatten(x)
    inner = 1
    for size in shape[position + 1 :]:
        inner *= size
    outer = len(numbers) // (inner * shape[position]) if numbers else 0
    result = [0.0] * (outer * length * inner)
    for line in range(outer * inner):
        start = line // inner * shape[position] * inner + line % inner
        run = numbers[start : start + shape[position] * inner : inner]
        run = run + [0.0] * (-len(run) % n)
        turned = [number for first in range(0, len(run), n) for number in group(run[first : first + n])]
        target = line // inner * length * inner + line % inner
        result[target : target + length * inner : inner] = turned[:length]
    return nest(result, (*shape[:position], length, *shape[position + 1 :]))


def _position(shape: Shape, axis: int) -> int:
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"axis={axis} is outside a tensor of {len(shape)} axes, which the rotation needs")
    return axis % len(shape)
