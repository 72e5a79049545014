"""From a `Hadamard` to what kernels read: one record of numbers, sign masks and the masks of its base matrix.

Sign masks hold 0 or the sign bit of binary32, so that a sign is applied by an exclusive or of bits, exactly.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isqrt

import numpy as np

from lowbit.formats.binary32 import binary32
from lowbit.formats.hadamard import Hadamard, base_matrix
from lowbit.reference.philox import random_bits

SIGN_STREAM = 0xFFFF0001
"""The stream of random signs (contract §5)."""

ROTATION = np.dtype(
    [
        ("n", np.int64),
        ("base", np.int64),  # order of the base matrix: 1, 12 or 20
        ("power", np.int64),  # 2^k; n = base * power
        ("scale", np.float64),  # c, a binary32 number
        ("source", np.int64),  # length of the rotated axis in the input; what lies beyond, up to whole groups, is zero
        ("target", np.int64),  # and in the output
        ("inner", np.int64),  # elements between neighbours along the axis
        ("smallest_bits", np.uint32),  # of a subnormal: reads as zero where the processor takes subnormals for zero
        ("normal_bits", np.uint32),  # of the smallest normal number: its half is zero where it makes zeros of them
    ]
)


@dataclass(frozen=True, slots=True)
class Rotation:
    """What kernels read of a rotation.

    `record` is one ROTATION entry; `before` and `after` are the sign masks of a group ahead of the first addition and
    behind the multiplication (16 at least, repeating); `matrix` holds the base matrix as base * base masks by rows.
    """

    record: np.ndarray
    before: np.ndarray
    after: np.ndarray
    matrix: np.ndarray

    @property
    def arguments(self) -> tuple[np.ndarray, ...]:
        """What kernels take as one argument."""
        return self.record, self.before, self.after, self.matrix


@lru_cache(maxsize=512)
def rotation_for(transform: Hadamard, source: int, target: int, inner: int, *, inverse: bool = False) -> Rotation:
    """The rotation of an axis of `source` elements into one of `target`, neighbours `inner` elements apart. Cached."""
    record = np.zeros(1, ROTATION)
    scale = _inverse_root(transform.n)
    numbers = (transform.n, transform.base, transform.power, scale, source, target, inner, 1, 1 << 23)
    record[0] = numbers
    record.flags.writeable = False
    signs, none, matrix = _masks(transform, inverse)
    return Rotation(record, none, signs, matrix) if inverse else Rotation(record, signs, none, matrix)


@lru_cache(maxsize=64)
def _masks(transform: Hadamard, inverse: bool) -> tuple[np.ndarray, ...]:
    """(signs, as many that change nothing, base matrix) as masks; the matrix is transposed for the way back."""
    signs = _mask(np.array(_signs(transform), np.int64))
    matrix = np.array(base_matrix(transform.base), np.int64)
    matrix = _mask(np.ascontiguousarray(matrix.T if inverse else matrix).reshape(-1))
    signs = np.tile(signs, max(1, 16 // transform.n))
    masks = (signs, np.zeros_like(signs), matrix)
    for mask in masks:
        mask.flags.writeable = False
    return masks


def _mask(signs: np.ndarray) -> np.ndarray:
    return np.where(signs < 0, np.uint32(0x80000000), np.uint32(0))


def _signs(transform: Hadamard) -> tuple[int, ...]:
    """D as numbers, drawn from the seed if there is one."""
    signs = transform.signs
    if isinstance(signs, int):
        words = (random_bits(i, bits=32, seed=signs, stream=SIGN_STREAM) for i in range(transform.n))
        return tuple(-1 if word & 1 else 1 for word in words)
    return (1,) * transform.n if signs is None else signs


def _inverse_root(n: int) -> float:
    """1/sqrt(n) correctly rounded to binary32: the integer nearest to sqrt(4^e / n), a 24-bit number."""
    exponent = 24 + (n - 1).bit_length() // 2
    while 4**exponent // n >= 1 << 48:
        exponent -= 1
    doubled = isqrt(4 ** (exponent + 1) // n)  # of half units; a tie would make 1/sqrt(n) a number of 25 bits
    return binary32(float(Fraction((doubled + 1) // 2, 1 << exponent)))
