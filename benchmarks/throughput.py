"""How rows of throughput and latency are measured. Each function returns what a `Row` needs to measure itself.

Throughput is bytes in plus bytes out per second; for packed results the bytes are those of codes and scales. The share
of memcpy is that throughput over torch's `copy_` of the same tensor, same dtype and same threads, into the same memory.
"""

from collections.abc import Callable
from enum import StrEnum

import torch

import lowbit as lb
from benchmarks.data import Data, matrix, result_for
from benchmarks.model import Measure, Measurement, Setting
from benchmarks.timing import Paired

CALL_ELEMENTS = 1024
"""4 KiB of float32."""

CALLS = 2000
"""Calls in one sample of a latency; 20 in a quick run."""


class Amax(StrEnum):
    """Where the amax of a tensor-wide scale comes from: given by the caller, or found in a pass over the tensor."""

    GIVEN = "given"
    OWN_PASS = "own pass"


class Front(StrEnum):
    """Which of the public ways into the same kernel a short call takes."""

    NUMPY = "numpy"
    NUMPY_OUT = "numpy, out="
    TORCH = "torch"
    TORCH_GRAD = "torch, recording a gradient"


def qdq_share(
    fmt: str,
    *,
    dtype: torch.dtype = torch.float32,
    data: Data = Data.NORMAL,
    amax: Amax = Amax.GIVEN,
    bits: int | None = None,
) -> Measure:
    """`qdq` of a matrix into a given one along the last axis, as a share of memcpy.

    bits: random bits an element of stochastic rounding, None to round to nearest even.
    """

    def measure(setting: Setting) -> Measurement:
        x = matrix(data, setting.size, dtype)
        out = result_for(tuple(x.shape), dtype)
        paired = setting.timer.paired(qdq_call(x, fmt, out, amax=amax, bits=bits), lambda: out.copy_(x))
        return share(paired, subject_bytes=2 * x.nbytes, base_bytes=2 * x.nbytes)

    return measure


def rotated_share(fmt: str, n: int) -> Measure:
    """`qdq` in a basis rotated by a Hadamard transform of size n with seeded signs, as a share of memcpy."""

    def measure(setting: Setting) -> Measurement:
        x = matrix(Data.NORMAL, setting.size, torch.float32)
        transform = lb.Hadamard(n, signs=0)
        out = result_for((x.shape[0], transform.padded(x.shape[1])), torch.float32)
        copy = result_for(tuple(x.shape), torch.float32)
        paired = setting.timer.paired(lambda: lb.qdq(x, fmt, transform=transform, out=out), lambda: copy.copy_(x))
        return share(paired, subject_bytes=x.nbytes + out.nbytes, base_bytes=2 * x.nbytes)

    return measure


def qdq_relative(fmt: str, axis: int | tuple[int, int], base_fmt: str) -> Measure:
    """`qdq` along `axis` as a share of the throughput of `qdq` in `base_fmt` along the last axis."""

    def measure(setting: Setting) -> Measurement:
        x = matrix(Data.NORMAL, setting.size, torch.float32)
        out = result_for(tuple(x.shape), torch.float32)
        paired = setting.timer.paired(qdq_call(x, fmt, out, axis=axis), qdq_call(x, base_fmt, out))
        return share(paired, subject_bytes=2 * x.nbytes, base_bytes=2 * x.nbytes)

    return measure


def quantize_share(fmt: str, *, amax: Amax = Amax.GIVEN) -> Measure:
    """`quantize` to packed codes and scales, which are new memory, as a share of memcpy."""

    def measure(setting: Setting) -> Measurement:
        x = matrix(Data.NORMAL, setting.size, torch.float32)
        out, given = result_for(tuple(x.shape), torch.float32), given_amax(x, fmt, amax)
        packed = lb.quantize(x, fmt).nbytes
        paired = setting.timer.paired(lambda: lb.quantize(x, fmt, tensor_amax=given), lambda: out.copy_(x))
        return share(paired, subject_bytes=x.nbytes + packed, base_bytes=2 * x.nbytes)

    return measure


def dequantize_share(fmt: str) -> Measure:
    """`QTensor.dequantize` from packed codes into a given matrix, as a share of memcpy."""

    def measure(setting: Setting) -> Measurement:
        x = matrix(Data.NORMAL, setting.size, torch.float32)
        out = result_for(tuple(x.shape), torch.float32)
        q = lb.quantize(x, fmt)
        paired = setting.timer.paired(lambda: q.dequantize(out=out), lambda: out.copy_(x))
        return share(paired, subject_bytes=q.nbytes + x.nbytes, base_bytes=2 * x.nbytes)

    return measure


def new_result(fmt: str) -> Measure:
    """`qdq` into a new tensor, thrown away each time, as a multiple of the speed of `torch.clone`."""

    def measure(setting: Setting) -> Measurement:
        x = matrix(Data.NORMAL, setting.size, torch.float32)
        paired = setting.timer.paired(lambda: lb.qdq(x, fmt), x.clone)
        return share(paired, subject_bytes=2 * x.nbytes, base_bytes=2 * x.nbytes)

    return measure


def latency(fmt: str, front: Front) -> Measure:
    """Microseconds of one call on 4 KiB of float32, checks and, without out=, the new result included."""

    def measure(setting: Setting) -> Measurement:
        seconds = setting.timer.per_call(_short_call(fmt, front), calls=20 if setting.quick else CALLS)
        return Measurement(value=seconds * 1e6, raw={"subject_s": seconds})

    return measure


def qdq_call(
    x: torch.Tensor,
    fmt: str,
    out: torch.Tensor,
    *,
    axis: int | tuple[int, int] = -1,
    amax: Amax = Amax.GIVEN,
    bits: int | None = None,
) -> Callable[[], object]:
    """The call to time: `lb.qdq` into `out`; a given tensor amax is found beforehand, outside of the time."""
    given = given_amax(x, fmt, amax)
    if bits is None:
        return lambda: lb.qdq(x, fmt, axis=axis, tensor_amax=given, out=out)
    rounding = lb.Stochastic(bits=bits)
    return lambda: lb.qdq(x, fmt, axis=axis, rounding=rounding, seed=1, tensor_amax=given, out=out)


def given_amax(x: torch.Tensor, fmt: str, amax: Amax) -> float | None:
    """The tensor amax to pass for x; None for formats without a tensor scale, and where the call finds it itself."""
    return float(x.abs().max()) if amax is Amax.GIVEN and lb.format(fmt).tensor_target is not None else None


def share(paired: Paired, *, subject_bytes: int, base_bytes: int) -> Measurement:
    """The ratio of two throughputs, with the medians that it comes from (seconds, and GB/s of bytes in plus out)."""
    raw = {
        "subject_s": paired.subject_s,
        "base_s": paired.base_s,
        "subject_gb_per_s": subject_bytes / paired.subject_s / 1e9,
        "base_gb_per_s": base_bytes / paired.base_s / 1e9,
        "pairs": float(paired.pairs),
    }
    return Measurement(value=paired.ratio * subject_bytes / base_bytes, raw=raw)


def _short_call(fmt: str, front: Front) -> Callable[[], object]:
    tensor = torch.randn(CALL_ELEMENTS, generator=torch.Generator().manual_seed(0))
    array, out = tensor.numpy(), torch.zeros(CALL_ELEMENTS).numpy()
    parameter = tensor.clone().requires_grad_()
    match front:
        case Front.NUMPY:
            return lambda: lb.qdq(array, fmt)
        case Front.NUMPY_OUT:
            return lambda: lb.qdq(array, fmt, out=out)
        case Front.TORCH:
            return lambda: lb.qdq(tensor, fmt)
        case Front.TORCH_GRAD:
            return lambda: lb.qdq(parameter, fmt)
