"""QTensors in safetensors files: packed codes and scales as tensors, everything else as JSON metadata.

Files are not trusted: nothing is unpickled, and every size is checked against the format and shape before use.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lowbit.atomic_files import write_atomic
from lowbit.errors import FileError, LowbitError
from lowbit.formats import Hadamard
from lowbit.formats import format as find_format
from lowbit.geometry import normalized_axes
from lowbit.ops import arrays
from lowbit.ops.qtensor import QTensor
from lowbit.ops.rotated import original_length
from lowbit.ops.storage_layout import Stored, expected_layout

METADATA_KEY = "lowbit.qtensor"


def save_qtensor(q: QTensor, path: str | os.PathLike[str]) -> None:
    """Write a quantized tensor to a .safetensors file: `packed`, `scales` and metadata. The write is atomic.

    The format is written as its spec text, so that a file does not depend on names registered in this process.
    Raises FileError if the file cannot be written.
    """
    described = {
        "format": q.format.spec,
        "shape": list(q.shape),
        "axis": q.axis,
        "kind": q.kind,
        "tensor_scale": q.stored.tensor_scale.hex(),
        "tensor_amax": None if q.tensor_amax is None else q.tensor_amax.hex(),
        "transform": None if q.transform is None else str(q.transform),
        "length": q.length,
    }
    tensors = {"packed": np.ascontiguousarray(q.stored.packed)}
    if q.stored.scales is not None:
        tensors["scales"] = np.ascontiguousarray(q.stored.scales)
    metadata = {METADATA_KEY: json.dumps(described)}
    try:
        write_atomic(Path(path), lambda temporary: save_file(tensors, temporary, metadata=metadata))
    except SafetensorError as error:
        raise FileError(f"cannot write {path}: {error}; choose a writable folder") from error


def load_qtensor(path: str | os.PathLike[str], *, framework: str = "numpy") -> QTensor:
    """Read a tensor that `save_qtensor` wrote; `framework` ("numpy" or "torch") says what its arrays are to be.

    Raises FileError for a missing, truncated or foreign file, and where sizes contradict the format.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise FileError(f"cannot read {path}: {error}; give a file that QTensor.save wrote") from error
    if METADATA_KEY not in metadata:
        raise FileError(f"{path} holds no quantized tensor of lowbit (no {METADATA_KEY} in its metadata)")
    try:
        return _assemble(json.loads(metadata[METADATA_KEY]), tensors, framework)
    except (LowbitError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FileError(f"{path} is damaged: {error}") from error


def _assemble(described: dict[str, Any], tensors: dict[str, np.ndarray], framework: str) -> QTensor:
    fmt = find_format(described["format"])
    shape = tuple(int(length) for length in described["shape"])
    axis = described["axis"] if isinstance(described["axis"], int) else tuple(described["axis"])
    kind = described["kind"]
    if kind not in arrays.KINDS or any(length < 0 for length in shape):
        raise ValueError(f"kind {kind!r} or shape {shape} is not allowed")
    tensor_scale = float.fromhex(described["tensor_scale"])
    if not (math.isfinite(tensor_scale) and tensor_scale > 0):
        raise ValueError(f"tensor scale {tensor_scale} must be positive and finite")
    amax, text = described["tensor_amax"], described.get("transform")
    transform = None if text is None else Hadamard.from_text(text)
    q = QTensor(
        format=fmt,
        shape=shape,
        axis=axis,
        axes=normalized_axes(axis, len(shape), fmt),
        kind=kind,
        framework=arrays.framework_named(framework),
        stored=Stored(tensors["packed"], tensors.get("scales"), tensor_scale),
        tensor_amax=None if amax is None else float.fromhex(amax),
        transform=transform,
        length=described.get("length"),
    )
    if transform is not None:
        if q.length is None:
            raise ValueError(f"a tensor rotated by {transform} needs the length of its axis")
        original_length(shape[q.rotated_axis], transform, q.length)
    expected = expected_layout(q.storage_shape, fmt)
    found = {name: (array.shape, array.dtype) for name, array in tensors.items()}
    if found != expected:
        raise ValueError(f"tensors {found} do not fit {fmt} of shape {shape}, which needs {expected}")
    return q
