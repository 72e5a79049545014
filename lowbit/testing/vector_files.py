"""Files of test vectors: .npz, .jsonl, and folders of hex files that Verilog's `$readmemh` reads (docs/conformance.md).

Every file is written as a whole or not at all; in a folder the manifest comes last, so a folder with one is complete.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lowbit.atomic_files import write_atomic
from lowbit.errors import ArgumentError, FileError
from lowbit.formats import BlockFormat, Rounding, Stochastic
from lowbit.formats import format as find_format
from lowbit.formats.binary32 import float_to_bits
from lowbit.formats.rounding import find_rounding
from lowbit.geometry import Axis
from lowbit.testing.vectors import BlockVector, TensorVector, block_vectors, tensor_vectors
from lowbit.version import __version__

MANIFEST = "manifest.json"
"""Written last; says what the other files of a folder hold."""


def export_vectors(
    format: str | BlockFormat,
    out: str | Path,
    *,
    axis: Axis = -1,
    rounding: str | Rounding | Stochastic = Rounding.NEAREST_EVEN,
    seed: int = 0,
    clauses: Iterable[str] | None = None,
) -> dict[str, int]:
    """Write the inputs of every clause with the oracle's codes, scales and values; returns how many a clause has.

    out: a .npz or .jsonl file of whole tensors, or a folder (a name without a suffix, or ending in .hex) of hex files
    with one block after the other. All numbers are bit patterns: inputs, values and tensor scales of binary32, codes
    and block words of the format. Other arguments as for `check_conformance`.

    Raises ArgumentError for another suffix or a clause that does not exist, FileError where out cannot be written,
    UnsupportedError for hex files of formats whose blocks depend on each other.
    """
    path, fmt = Path(out), find_format(format)
    tensors = list(tensor_vectors(fmt, axis=axis, rounding=rounding, seed=seed, clauses=clauses))
    about = {"format": str(fmt), "spec": fmt.spec, "rounding": str(find_rounding(rounding)), "lowbit": __version__}
    match path.suffix:
        case ".npz":
            write_atomic(path, lambda temporary: _write_npz(temporary, tensors, about))
        case ".jsonl":
            write_atomic(path, lambda temporary: _write_jsonl(temporary, tensors, about))
        case "" | ".hex":
            blocks = list(block_vectors(fmt, tensors))
            _write_folder(path, blocks, fmt, about)
            return _counts(vector.clause for vector in blocks)
        case _:
            raise ArgumentError(f"--out {path}: give a .npz or .jsonl file, or a folder (no suffix, or .hex)")
    return _counts(vector.clause for vector in tensors)


def _counts(clauses: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for clause in clauses:
        counts[clause] = counts.get(clause, 0) + 1
    return counts


def float_bits(values: np.ndarray) -> np.ndarray:
    """Patterns of float32 numbers, one quiet NaN."""
    return np.where(np.isnan(values), np.uint32(0x7FC00000), np.ascontiguousarray(values).view(np.uint32))


def _write_jsonl(path: Path, tensors: Sequence[TensorVector], about: dict[str, Any]) -> None:
    """A line about the file, then a line for every tensor."""
    with path.open("w", encoding="utf-8") as stream:
        for line in (about, *map(_record, tensors)):
            stream.write(json.dumps(line, allow_nan=False) + "\n")


def _record(tensor: TensorVector) -> dict[str, Any]:
    expected, level = tensor.expected, tensor.expected.tensor_scale
    return {
        "clause": tensor.clause,
        "title": tensor.title,
        "shape": list(tensor.x.shape),
        "arguments": _plain_arguments(tensor),
        "input": float_bits(tensor.x).reshape(-1).tolist(),
        "codes": expected.codes.reshape(-1).tolist(),
        "scales_shape": None if expected.scales is None else list(expected.scales.shape),
        "scales": None if expected.scales is None else expected.scales.reshape(-1).tolist(),
        "tensor_scale": None if level is None else float_to_bits(level),
        "values": float_bits(expected.values).reshape(-1).tolist(),
        "random": None if tensor.random is None else tensor.random.reshape(-1).tolist(),
    }


def _plain_arguments(tensor: TensorVector) -> dict[str, Any]:
    """Keywords of a call as JSON has them: floats by their patterns."""
    floats = ("tensor_amax", "tensor_scale")
    return {name: float_to_bits(value) if name in floats else value for name, value in tensor.arguments.items()}


def _write_npz(path: Path, tensors: Sequence[TensorVector], about: dict[str, Any]) -> None:
    """All tensors end to end: tensor i has elements first[i] to first[i + 1] and words first_scale[i] to …[i + 1]."""
    widest = max((tensor.x.ndim for tensor in tensors), default=1)
    shapes = np.full((len(tensors), widest), -1, np.int64)
    for row, tensor in zip(shapes, tensors, strict=True):
        row[: tensor.x.ndim] = tensor.x.shape
    scales = [np.zeros(0, np.int64) if t.expected.scales is None else t.expected.scales.reshape(-1) for t in tensors]
    levels = [0 if t.expected.tensor_scale is None else float_to_bits(t.expected.tensor_scale) for t in tensors]
    arrays: dict[str, Any] = {
        "about": np.array(json.dumps(about)),
        "clauses": np.array([tensor.clause for tensor in tensors]),
        "arguments": np.array([json.dumps(_plain_arguments(tensor)) for tensor in tensors]),
        "shapes": shapes,
        "first": np.cumsum([0, *(tensor.x.size for tensor in tensors)]),
        "first_scale": np.cumsum([0, *map(len, scales)]),
        "inputs": _joined(tensors, lambda tensor: float_bits(tensor.x), np.uint32),
        "codes": _joined(tensors, lambda tensor: tensor.expected.codes, np.uint32),
        "values": _joined(tensors, lambda tensor: float_bits(tensor.expected.values), np.uint32),
        "scales": np.concatenate([np.zeros(0, np.int64), *scales]).astype(np.uint64),
        "tensor_scales": np.array(levels, np.uint32),
    }
    if any(tensor.random is not None for tensor in tensors):
        arrays["random"] = _joined(tensors, lambda tensor: tensor.random, np.uint32)
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def _joined(tensors: Sequence[TensorVector], array: Callable[[TensorVector], Any], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *(array(tensor).reshape(-1).astype(dtype) for tensor in tensors)])


def _write_folder(path: Path, blocks: Sequence[BlockVector], fmt: BlockFormat, about: dict[str, Any]) -> None:
    """One hex file for every kind of number, a word a line; clauses.txt has the clause of every vector."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    files = _hex_files(blocks, fmt)
    for name, (bits, words) in files.items():
        digits = -(-bits // 4)
        _write_text(path / name, "".join(f"{word:0{digits}x}\n" for word in words))
    _write_text(path / "clauses.txt", "".join(f"{vector.clause}\n" for vector in blocks))
    size = fmt.block.elements if fmt.block is not None else None
    described = {name: {"bits": bits, "words": len(words)} for name, (bits, words) in files.items()}
    manifest = {**about, "vectors": len(blocks), "elements_a_vector": size, "files": described}
    _write_text(path / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def _hex_files(blocks: Sequence[BlockVector], fmt: BlockFormat) -> dict[str, tuple[int, list[int]]]:
    """File name -> width of a word in bits, and the words."""
    files: dict[str, tuple[int, list[int]]] = {
        "inputs.hex": (32, [word for vector in blocks for word in float_bits(vector.inputs).tolist()]),
        "codes.hex": (fmt.element.bits, [word for vector in blocks for word in vector.codes.tolist()]),
        "values.hex": (32, [word for vector in blocks for word in float_bits(vector.values).tolist()]),
        "counts.hex": (32, [vector.count for vector in blocks]),
    }
    if fmt.scale is not None:
        files["scales.hex"] = (fmt.word_bits, [vector.word for vector in blocks])
    if fmt.tensor_target is not None:
        files["encode_scales.hex"] = (32, [float_to_bits(vector.encode) for vector in blocks])
        files["tensor_scales.hex"] = (32, [float_to_bits(vector.decode) for vector in blocks])
        files["tensor_amaxes.hex"] = (32, [float_to_bits(vector.tensor_amax) for vector in blocks])
    if any(vector.random.any() for vector in blocks):
        files["random.hex"] = (32, [word for vector in blocks for word in vector.random.tolist()])
    if fmt.needs_seed:
        files["scale_random.hex"] = (32, [vector.scale_random for vector in blocks])
    return files


def _write_text(path: Path, text: str) -> None:
    write_atomic(path, lambda temporary: temporary.write_text(text, encoding="ascii"))
