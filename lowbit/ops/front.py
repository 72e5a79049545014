"""The public functions on arrays: `quantize`, `dequantize`, `qdq` and the number of threads.

Light: numba and torch are imported when the first kernel or tensor needs them.
"""

from collections.abc import Sequence
from typing import Any, SupportsFloat, SupportsIndex, cast

import numpy as np

from lowbit.errors import ArgumentError, DtypeError
from lowbit.formats import BlockFormat, Hadamard, Rounding, Stochastic
from lowbit.formats import format as find_format
from lowbit.geometry import Axis, normalized_axes
from lowbit.ops import arrays, draws, engine, observers, rotated, rotated_qdq, storage
from lowbit.ops.draws import random_source
from lowbit.ops.qtensor import QTensor


def qdq(
    x: Any,
    fmt: str | BlockFormat,
    *,
    axis: Axis = -1,
    rounding: str | Rounding | Stochastic = Rounding.NEAREST_EVEN,
    seed: SupportsIndex | None = None,
    stream: SupportsIndex = 0,
    offset: SupportsIndex = 0,
    origin: Sequence[SupportsIndex] | None = None,
    global_shape: Sequence[SupportsIndex] | None = None,
    tensor_amax: SupportsFloat | None = None,
    tensor_scale: SupportsFloat | None = None,
    nonfinite: str | None = None,
    transform: Hadamard | None = None,
    rotate_back: bool = False,
    out: Any = None,
) -> Any:
    """Fake-quantize: the values that `x` has after storage in `fmt`, in one fused pass.

    x: numpy array (float32, float16, ml_dtypes.bfloat16) or torch tensor (float32, bfloat16, float16; CPU) of any shape
    and strides. Returns the same kind of array, shape and dtype; equals `quantize(x, ...).dequantize()` bit for bit.

    axis: the axis that blocks run along; for tiles a pair, -1 means the last two; no matter for whole-tensor blocks and
    plain casts. The last block of an axis may be shorter. rounding: a mode of the contract by name, or a `Stochastic`;
    "stochastic" is `Stochastic()`, 32 random bits an element and the midpoint rule. tensor_amax: the amax of the whole
    tensor where x is a piece of it; tensor_scale: a static decode scale; both only for formats with a tensor-wide
    scale. out: receives the result; may be x itself.

    Stochastic rounding needs a `seed` (0 to 2^64-1), and may have a `stream` (0 to 2^32-1) of that seed. The bits of an
    element follow from seed, stream and its row-major index in the whole logical tensor: not from threads, axis,
    strides or dtype. Where x is a piece of that tensor, say where it lies: `offset` is the index of the first element
    of a piece that runs on in row-major order, `origin` and `global_shape` (one integer an axis) place any shard. For
    torch tensors seed, stream and offset may be integer tensors of one element. Numbers beyond the largest saturate.
    These arguments are refused with the other modes, where they would have no effect.

    transform: rotate along `axis` first (along the second of a tile's pair), rounded to x's dtype: the result is that
    of `qdq(rotate(x, transform), ...)` bit for bit, in the rotated basis and with the axis's padded length, unless
    rotate_back asks for `unrotate` of it, in x's shape. Amaxes, blocks, random bits and NaN are those of the rotated
    tensor.

    A block with NaN or infinity becomes NaN and does not enter the tensor amax; in a plain cast NaN stays NaN and
    infinity saturates or stays, as the format's overflow says. `nonfinite="raise"` refuses them with their first
    position, and formats without any NaN always do. -0 keeps its sign where the element has -0; blocks of zeros and
    empty tensors are fine. For torch tensors the gradient passes straight through.

    Raises DtypeError, ShapeError, FormatError, ArgumentError, UnsupportedError or NonfiniteError.
    Source: the numerical contract (docs/numerics.md), §2-§5, §7, §8.

    >>> import numpy as np, lowbit as lb
    >>> lb.qdq(np.array([0.1, 1.3, -2.6, 5.0], np.float32), "mxfp4")
    array([ 0. ,  1.5, -3. ,  4. ], dtype=float32)
    >>> lb.qdq(np.array([0.1, 1.3, -2.6, 5.0], np.float32), "mxfp4", rounding=lb.Stochastic(bits=8), seed=1)
    array([ 0.,  1., -3.,  6.], dtype=float32)
    """
    if not isinstance(x, np.ndarray):
        arrays.check_tensor(x)
        from lowbit.ops import torch_ops

        return torch_ops.qdq(
            x,
            fmt,
            axis=axis,
            rounding=rounding,
            seed=cast(Any, seed),
            stream=cast(Any, stream),
            offset=cast(Any, offset),
            origin=cast(Any, origin),
            global_shape=cast(Any, global_shape),
            tensor_amax=cast(Any, tensor_amax),
            tensor_scale=cast(Any, tensor_scale),
            nonfinite=nonfinite,
            transform=transform,
            rotate_back=rotate_back,
            out=out,
        )
    source, kind = arrays.NUMPY.unwrap(x)
    if out is not None and not isinstance(out, np.ndarray):
        raise DtypeError(f"out is a {type(out).__name__}; give a numpy array like the input")
    target = None if out is None else arrays.NUMPY.unwrap(out)[0]
    arguments: dict[str, Any] = {
        "axis": axis,
        "rounding": rounding,
        "source": random_source(seed, stream, offset, origin, global_shape),
        "tensor_amax": argument_number(tensor_amax, "tensor_amax"),
        "tensor_scale": argument_number(tensor_scale, "tensor_scale"),
        "nonfinite": nonfinite,
        "out": target,
    }
    rotated_qdq.check_rotate_back(transform, rotate_back)
    if transform is None:
        result = engine.qdq(source, kind, find_format(fmt), **arguments)
    else:
        turn = rotated.check_transform(transform)
        result = rotated_qdq.qdq(source, kind, find_format(fmt), turn, rotate_back=rotate_back, **arguments)
    if out is not None:
        return out
    return result.view(x.dtype) if kind == "bfloat16" else result


def quantize(
    x: Any,
    fmt: str | BlockFormat,
    *,
    axis: Axis = -1,
    rounding: str | Rounding | Stochastic = Rounding.NEAREST_EVEN,
    seed: SupportsIndex | None = None,
    stream: SupportsIndex = 0,
    offset: SupportsIndex = 0,
    origin: Sequence[SupportsIndex] | None = None,
    global_shape: Sequence[SupportsIndex] | None = None,
    tensor_amax: SupportsFloat | None = None,
    tensor_scale: SupportsFloat | None = None,
    nonfinite: str | None = None,
    transform: Hadamard | None = None,
) -> QTensor:
    """Packed codes and scales of `x` in `fmt`. Arguments, special values and errors as for `qdq`.

    With a `transform` the stored tensor is the rotated one, its shape that of `rotate(x, transform)`.

    >>> import numpy as np, lowbit as lb
    >>> q = lb.quantize(np.array([0.1, 1.3, -2.6, 5.0], np.float32), "mxfp4")
    >>> q.codes.tolist(), q.scales.tolist(), q.packed.tolist()
    ([0, 3, 13, 6], [127], [48, 109])
    """
    framework, found = arrays.framework_of(x), find_format(fmt)
    array, kind = framework.unwrap(x)
    tensor_amax, tensor_scale = (
        argument_number(tensor_amax, "tensor_amax"),
        argument_number(tensor_scale, "tensor_scale"),
    )
    stored = storage.quantize(
        array,
        kind,
        found,
        axis=axis,
        rounding=rounding,
        source=random_source(seed, stream, offset, origin, global_shape),
        tensor_amax=tensor_amax,
        tensor_scale=tensor_scale,
        nonfinite=nonfinite,
        transform=None if transform is None else rotated.check_transform(transform),
    )
    shape, length = tuple(array.shape), None
    if transform is not None:
        position = rotated.rotation_axis(axis, len(shape))
        shape, length = rotated.changed(shape, position, transform.padded(shape[position])), shape[position]
    quantized = QTensor(
        format=found,
        shape=shape,
        axis=axis,
        axes=normalized_axes(axis, array.ndim, found),
        kind=kind,
        framework=framework,
        stored=stored,
        tensor_amax=tensor_amax,
        transform=transform,
        length=length,
    )
    if observers.active is not None:
        values = framework.unwrap(quantized.dequantize())[0]
        array = array if transform is None else rotated.rotate(array, kind, transform, axis=quantized.rotated_axis)
        observers.report(array, values, kind, found, "quantize", tensor_amax, tensor_scale)
    return quantized


def random_bits(
    shape: int | Sequence[int],
    *,
    bits: int = 32,
    seed: SupportsIndex,
    stream: SupportsIndex = 0,
    offset: SupportsIndex = 0,
    origin: Sequence[SupportsIndex] | None = None,
    global_shape: Sequence[SupportsIndex] | None = None,
) -> np.ndarray:
    """The random integers that stochastic rounding draws for a tensor of this shape: uint8, uint16 or uint32 (`bits`).

    Philox4x32-10 as in the numerical contract §5; arguments as for `qdq`. Raises ArgumentError and ShapeError.

    >>> import lowbit as lb
    >>> [hex(r) for r in lb.random_bits(4, seed=0)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    lengths = shape if isinstance(shape, Sequence) else (shape,)
    whole = tuple(draws.whole_number("shape", length, draws.INDICES) for length in lengths)
    source = random_source(seed, stream, offset, origin, global_shape)
    return draws.random_bits(whole, Stochastic(bits=bits), source)


def dequantize(q: QTensor, dtype: Any = None, out: Any = None, rotate_back: bool = False) -> Any:
    """The values of a quantized tensor: `q.dequantize(dtype, out, rotate_back)`."""
    return q.dequantize(dtype, out, rotate_back)


def set_num_threads(count: int) -> None:
    """Let kernels use at most `count` threads in this process. Results never depend on it. ArgumentError below 1."""
    from lowbit.kernels.cpu import scheduler

    scheduler.set_num_threads(count)


def get_num_threads() -> int:
    """How many threads kernels may use; by default the cores that this process may run on."""
    from lowbit.kernels.cpu import scheduler

    return scheduler.get_num_threads()


def argument_number(value: Any, name: str) -> float | None:
    """A tensor argument as a float: numbers, numpy scalars and tensors of one element; ArgumentError otherwise."""
    if value is None or isinstance(value, float):
        return value
    try:
        return float(value.item() if getattr(value, "size", None) == 1 else value)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"{name}={value!r} is no number; give a float or an array of one element") from None
