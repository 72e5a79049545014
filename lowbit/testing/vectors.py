"""Test vectors: the inputs of every clause with the oracle's answers, as whole tensors and block by block.

Tensors are for kernels, with their axis, strides aside and arguments; blocks are for hardware that sees one at a time.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowbit.errors import UnsupportedError
from lowbit.formats import BlockFormat, Rounding, Stochastic
from lowbit.formats import format as find_format
from lowbit.formats.rounding import find_rounding
from lowbit.geometry import Axis
from lowbit.reference import random_bits
from lowbit.reference.correction import scale_bits
from lowbit.reference.layout import Place, logical_indices, tile_rows
from lowbit.reference.level import Level, resolve_tensor_scale
from lowbit.testing.expected import Expected, exact
from lowbit.testing.selection import chosen_clauses
from lowbit.testing.subject import Case, Subject


@dataclass(frozen=True, kw_only=True, eq=False)
class TensorVector:
    """One call: `x` (float32), the keywords of the call in `arguments`, and what it must give.

    `random` has the random integer of every element in x's shape, None where nothing is drawn.
    """

    clause: str
    title: str
    x: np.ndarray
    arguments: Mapping[str, Any]
    expected: Expected
    random: np.ndarray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockVector:
    """One block: inputs, codes, values and random integers in the block's order, and its word.

    Short blocks are filled up with zeros to the format's size; `count` elements are there. `encode` and `decode` are g
    and t of contract §4, `tensor_amax` is A (1 with one level); `scale_random` rounds a scale that is drawn.
    """

    clause: str
    inputs: np.ndarray
    codes: np.ndarray
    values: np.ndarray
    random: np.ndarray
    count: int
    word: int
    encode: float
    decode: float
    tensor_amax: float
    scale_random: int


def tensor_vectors(
    format: str | BlockFormat,
    *,
    axis: Axis = -1,
    rounding: str | Rounding | Stochastic = Rounding.NEAREST_EVEN,
    seed: int = 0,
    clauses: Iterable[str] | None = None,
) -> Iterator[TensorVector]:
    """The inputs of every clause that concerns the format, with what the oracle makes of them.

    Arguments as for `check_conformance`. Inputs that must be refused are left out.
    """
    subject = Subject(fmt=find_format(format), axis=axis, rounding=find_rounding(rounding), seed=seed)
    for clause in chosen_clauses(subject, clauses, ()):
        for case in clause.cases(subject):
            if not case.refused:
                yield TensorVector(
                    clause=clause.id,
                    title=clause.title,
                    x=np.ascontiguousarray(case.x),
                    arguments={"axis": axis, **case.arguments},
                    expected=subject.expected(case),
                    random=_random(subject, case),
                )


def _random(subject: Subject, case: Case) -> np.ndarray | None:
    rounding, arguments = subject.rounding, case.arguments
    if not isinstance(rounding, Stochastic):
        return None
    place = Place(**{name: arguments[name] for name in ("offset", "origin", "global_shape") if name in arguments})
    stream = arguments.get("stream", 0)
    drawn = (
        random_bits(i, bits=rounding.bits, seed=arguments["seed"], stream=stream)
        for i in logical_indices(case.x.shape, place)
    )
    return np.array(list(drawn), np.uint32).reshape(case.x.shape)


def block_vectors(fmt: BlockFormat, tensors: Iterable[TensorVector]) -> Iterator[BlockVector]:
    """The blocks of tensors, one after the other; of plain casts every tensor is one block.

    UnsupportedError for formats whose blocks depend on others: sparsity, and corrections over several blocks.
    """
    if fmt.sparsity is not None or fmt.correction_group not in (None, fmt.block.elements if fmt.block else None):
        raise UnsupportedError(
            f"{fmt}: its blocks depend on each other; write .jsonl or .npz, which hold whole tensors"
        )
    for tensor in tensors:
        if tensor.x.size:
            yield from _blocks_of(fmt, tensor)


def _blocks_of(fmt: BlockFormat, tensor: TensorVector) -> Iterator[BlockVector]:
    level = _level(fmt, tensor)
    flat = {
        "inputs": tensor.x.reshape(-1),
        "codes": tensor.expected.codes.reshape(-1),
        "values": tensor.expected.values.reshape(-1),
        "random": np.zeros(tensor.x.size, np.uint32) if tensor.random is None else tensor.random.reshape(-1),
    }
    words = [0] if tensor.expected.scales is None else tensor.expected.scales.reshape(-1).tolist()
    cast = [[list(range(tensor.x.size))]]
    for index, rows in enumerate(
        cast if fmt.scale is None else tile_rows(fmt, tensor.x.shape, tensor.arguments["axis"])
    ):
        places = _places(fmt, rows)
        drawn = 0
        if fmt.needs_seed:
            drawn = scale_bits(index, seed=tensor.arguments["seed"], stream=tensor.arguments.get("stream", 0))
        yield BlockVector(
            clause=tensor.clause,
            **{name: _gathered(array, places) for name, array in flat.items()},
            count=sum(map(len, rows)),
            word=words[index],
            encode=level.scale.encode,
            decode=level.scale.decode,
            tensor_amax=level.scale.amax,
            scale_random=drawn,
        )


def _places(fmt: BlockFormat, rows: list[list[int]]) -> list[int]:
    """For every place of a block the index of its element in the tensor, -1 where a short block has none."""
    block = fmt.block
    if block is None or block.elements is None:
        return [i for row in rows for i in row]
    width = int(block.sizes[-1] or 1)
    places = [i for row in rows for i in row + [-1] * (width - len(row))]
    return places + [-1] * (block.elements - len(places))


def _gathered(array: np.ndarray, places: list[int]) -> np.ndarray:
    found = np.array(places)
    return np.where(found < 0, array.dtype.type(0), array[found])


def _level(fmt: BlockFormat, tensor: TensorVector) -> Level:
    given = {name: tensor.arguments.get(name) for name in ("tensor_amax", "tensor_scale")}
    return resolve_tensor_scale(exact(tensor.x).reshape(-1).tolist(), fmt, **given)
