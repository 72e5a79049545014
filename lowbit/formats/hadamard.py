"""`Hadamard`: a rotation of groups of n elements, as plain data (contract §6). Nothing here computes on tensors."""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from lowbit.errors import ArgumentError

MAX_SIZE = 4096
"""Largest group."""

BASES = (1, 12, 20)
"""Orders of the matrices that sizes are made of: n = base * 2^k."""

SEED_LIMIT = 1 << 64
"""Seeds lie below it (contract §5)."""

TE_SIGNS = (1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1)
"""The fixed signs of TransformerEngine's random Hadamard transform of size 16."""

_TEXT = re.compile(r"hadamard([0-9]{1,5})(?::(?:seed=([0-9]{1,20})|([+-]+)))?")
_EXAMPLE = "'hadamard16', 'hadamard16:seed=7' or 'hadamard4:++-+'"

Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Hadamard:
    """y = c · H · (D ∘ x) for every group of `n` consecutive elements along an axis, c = 1/sqrt(n) (contract §6).

    n is 2^k from 2 on, 12 · 2^k or 20 · 2^k, at most 4096. H is the Kronecker product B ⊗ S: S is Sylvester's matrix of
    order 2^k, B the order-12 or order-20 matrix of `base_matrix` (1 for powers of two), so element a · 2^k + b of a
    group belongs to row a of B and row b of S. Additions happen in this order, each rounded to binary32: butterflies
    (x, y) -> (x + y, x - y) at stride 1, 2, 4, ..., 2^(k-1); then each sum over B's columns from left to right; last
    one multiplication by c, correctly rounded to binary32. The inverse is D ∘ (c · Hᵀ · y) in the same order.

    signs: D, applied *before* H. None for +1 everywhere; a tuple of n numbers +1 or -1; or a seed from 0 to 2^64-1:
    sign i is then -1 where bit 0 of the 32-bit Philox word of index i in stream 0xFFFF0001 is set (contract §5).

    >>> print(Hadamard(16, signs=TE_SIGNS))
    hadamard16:+++-+------+-+--
    >>> Hadamard.from_text("hadamard12:seed=7")
    Hadamard(n=12, signs=7)

    Raises ArgumentError for other sizes and signs. Source: Sylvester 1867; Paley, "On orthogonal matrices", 1933.
    """

    n: int
    signs: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if type(self.n) is not int or not 2 <= self.n <= MAX_SIZE or not _bases_of(self.n):
            raise ArgumentError(
                f"Hadamard size {self.n!r} is not supported; use 2^k, 12*2^k or 20*2^k from 2 to {MAX_SIZE}"
            )
        object.__setattr__(self, "signs", _checked_signs(self.signs, self.n))

    @property
    def base(self) -> int:
        """Order of B: 1, 12 or 20."""
        return _bases_of(self.n)[0]

    @property
    def power(self) -> int:
        """Order 2^k of S."""
        return self.n // self.base

    def matrix(self) -> Matrix:
        """H as rows of +1 and -1, without D and c: H · Hᵀ = n · I."""
        sylvester: Matrix = ((1,),)
        while len(sylvester) < self.power:
            sylvester = (*((*row, *row) for row in sylvester), *((*row, *(-s for s in row)) for row in sylvester))
        return tuple(
            tuple(sign * entry for sign in signs for entry in row)
            for signs in base_matrix(self.base)
            for row in sylvester
        )

    def padded(self, length: int) -> int:
        """The length of an axis after rotation: `length` filled up with zeros to a multiple of n."""
        return -(-length // self.n) * self.n

    def __str__(self) -> str:
        if self.signs is None:
            return f"hadamard{self.n}"
        if isinstance(self.signs, int):
            return f"hadamard{self.n}:seed={self.signs}"
        return f"hadamard{self.n}:" + "".join("+" if sign > 0 else "-" for sign in self.signs)

    @staticmethod
    def from_text(text: str) -> "Hadamard":
        """The transform that `str` wrote. ArgumentError for anything else."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ArgumentError(f"{text!r} is no transform; write for example {_EXAMPLE}")
        size, seed, signs = match.groups()
        given = None if signs is None else tuple(1 if sign == "+" else -1 for sign in signs)
        return Hadamard(int(size), signs=int(seed) if seed is not None else given)

    def to_json(self) -> str:
        """One JSON object; `from_json` gives an equal transform back."""
        signs = list(self.signs) if isinstance(self.signs, tuple) else self.signs
        return json.dumps({"hadamard": self.n, "signs": signs})

    @staticmethod
    def from_json(text: str) -> "Hadamard":
        """The transform of a JSON object made by `to_json`. ArgumentError for anything else."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ArgumentError(f"a transform in JSON: {error}") from None
        if not isinstance(data, dict) or set(cast("dict[str, Any]", data)) != {"hadamard", "signs"}:
            raise ArgumentError('a transform in JSON is {"hadamard": 16, "signs": null, a seed or a list of 1 and -1}')
        entries = cast("dict[str, Any]", data)
        return Hadamard(entries["hadamard"], signs=entries["signs"])


@lru_cache(maxsize=len(BASES))
def base_matrix(order: int) -> Matrix:
    """B: Paley's first construction over the field of order - 1 elements (11 or 19), normalized; (1) for order 1.

    The first row and column are +1. With χ the quadratic character (χ(0) = 0), entry (i, j) for i, j >= 1 is
    χ(i - j), and -1 on the diagonal. B is not symmetric.
    """
    q = order - 1
    squares = {value * value % q for value in range(1, q)} if q else set[int]()

    def entry(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return 1
        return 1 if (i - j) % q in squares else -1

    return tuple(tuple(entry(i, j) for j in range(order)) for i in range(order))


def _bases_of(n: int) -> list[int]:
    """The base of a size, if it has one: at most one fits, since 12 and 20 hold different odd factors."""
    return [base for base in BASES if n % base == 0 and (n // base).bit_count() == 1]


def _checked_signs(signs: object, n: int) -> int | tuple[int, ...] | None:
    if signs is None:
        return None
    if isinstance(signs, int) and not isinstance(signs, bool):
        if not 0 <= signs < SEED_LIMIT:
            raise ArgumentError(f"signs={signs!r}: a seed is an integer from 0 to 2^64-1")
        return signs
    entries = tuple(cast("tuple[Any, ...]", signs)) if isinstance(signs, tuple | list) else ()
    if len(entries) != n or not all(type(entry) is int and entry in (1, -1) for entry in entries):
        raise ArgumentError(f"signs={signs!r}: give None, a seed from 0 to 2^64-1, or a tuple of {n} numbers +1 or -1")
    return entries
