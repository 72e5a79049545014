"""Alternatives that lowbit is compared with: compiled torch code and other libraries, each used only if installed.

lowbit is called with out=. Compiled code also writes into given memory; where it returns a new tensor, which costs page
faults, so does lowbit. The libraries have no such argument. Before a peer is timed its result is compared with that of
lowbit: one that computes something else is not judged.
"""

import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import torch

import lowbit as lb
from benchmarks import textbook
from benchmarks.data import Data, matrix, result_for
from benchmarks.model import Bound, Measurement, Row, Setting, Unavailable, Unit
from benchmarks.throughput import Amax, qdq_call

ULPS = 1e-6
"""Relative difference up to which two results count as the same grid value, scaled in another order."""

SAME_SHARE = 0.01
"""Share of elements that may differ where a peer follows another arithmetic of the same format."""


class Memory(StrEnum):
    """Where lowbit's result goes in a comparison."""

    GIVEN = "given"
    NEW = "new"


Call = Callable[[], torch.Tensor]
Make = Callable[[str, torch.Tensor, torch.Tensor], Call]
"""(format, input, memory for the result) -> the call to time. Raises Unavailable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """An alternative: how its call is made, which formats it has, and how many times faster lowbit must be."""

    key: str
    name: str
    formats: tuple[str, ...]
    make: Make
    faster: float | None
    faster_in: dict[str, float] = field(default_factory=dict)
    memory: Memory = Memory.GIVEN

    def row(self, fmt: str) -> Row:
        """The table's row for one format."""
        bound = self.faster_in.get(fmt, self.faster)
        return Row(
            key=f"peer/{self.key}/{fmt}",
            group="Times faster than a peer, qdq float32",
            label=f"{fmt}: {self.name}",
            unit=Unit.FASTER,
            measure=lambda setting: self._measure(fmt, setting),
            bound=Bound(bound, bound),
        )

    def _measure(self, fmt: str, setting: Setting) -> Measurement:
        x = matrix(Data.NORMAL, setting.size, torch.float32)
        ours = lb.qdq(x, fmt)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of their own deprecations
            call = self.make(fmt, x, torch.zeros_like(x))
            differing = _differing(call(), ours)
            paired = setting.timer.paired(self._our_call(fmt, x), call)
        same = differing <= SAME_SHARE * x.numel()
        note = f"{differing} of {x.numel()} elements differ" + ("" if same else ": not the same format, not judged")
        raw = {"subject_s": paired.subject_s, "base_s": paired.base_s, "differing": float(differing)}
        return Measurement(value=paired.ratio, raw=raw, note=note, judged=same)

    def _our_call(self, fmt: str, x: torch.Tensor) -> Callable[[], object]:
        if self.memory is Memory.NEW:
            return lambda: lb.qdq(x, fmt)
        return qdq_call(x, fmt, result_for(tuple(x.shape), torch.float32), amax=Amax.OWN_PASS)


def _differing(theirs: torch.Tensor, ours: torch.Tensor) -> int:
    """How many elements are not the same grid value."""
    return int(((theirs - ours).abs() > ULPS * ours.abs()).sum())


def _eager(fmt: str, x: torch.Tensor, out: torch.Tensor) -> Call:
    function = textbook.by_the_book(fmt)
    return lambda: out.copy_(function(x))


def _compiled(code: Callable[[str], Callable[[torch.Tensor], torch.Tensor]], memory: Memory = Memory.GIVEN) -> Make:
    """torch.compile for the thread count in force: inductor writes it into the code."""

    def make(fmt: str, x: torch.Tensor, out: torch.Tensor) -> Call:
        compiler = os.environ.get("CXX") or "g++"
        if shutil.which(compiler) is None:
            raise Unavailable(f"torch.compile needs a C++ compiler: {compiler} is not on the PATH")
        function = code(fmt)

        def write(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
            return out.copy_(function(x))

        torch.compiler.reset()
        options: dict[str, str | int | bool | Callable[..., object]] = {"cpp.threads": torch.get_num_threads()}
        if memory is Memory.NEW:
            returning = torch.compile(function, fullgraph=True, dynamic=False, options=options)
            return lambda: returning(x)
        writing = torch.compile(write, fullgraph=True, dynamic=False, options=options)
        return lambda: writing(x, out)

    return make


def _torchao(fmt: str, x: torch.Tensor, out: torch.Tensor) -> Call:
    try:
        from torchao.prototype.mx_formats.mx_tensor import MXTensor  # pyright: ignore[reportMissingImports]
        from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise Unavailable(_reason("torchao", error)) from error
    if fmt == "nvfp4":
        return lambda: NVFP4Tensor.to_nvfp4(x, per_tensor_scale=per_tensor_amax_to_scale(x.abs().amax())).dequantize(
            torch.float32
        )
    dtype = {
        "mxfp4": torch.float4_e2m1fn_x2,
        "mxfp8_e4m3": torch.float8_e4m3fn,
        "mxfp8_e5m2": torch.float8_e5m2,
    }[fmt]
    return lambda: MXTensor.to_mx(x, dtype, textbook.MX_BLOCK).dequantize(torch.float32)


def _microxcaling(fmt: str, x: torch.Tensor, out: torch.Tensor) -> Call:
    try:
        from mx.mx_ops import _quantize_mx  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise Unavailable(_reason("microxcaling", error) + " (not on PyPI: install its repository)") from error
    name = {"mxfp4": "fp4_e2m1", "mxfp8_e4m3": "fp8_e4m3", "mxint8": "int8"}[fmt]
    return lambda: _quantize_mx(x, 8, name, axes=[-1], block_size=textbook.MX_BLOCK, round="even")


def _brevitas(fmt: str, x: torch.Tensor, out: torch.Tensor) -> Call:
    try:
        from brevitas.nn import QuantIdentity  # pyright: ignore[reportMissingImports]
        from brevitas.quant.mx_quant_ocp import MXFloat8e4m3Act  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise Unavailable(_reason("brevitas", error)) from error
    element = lb.format(fmt).element
    assert isinstance(element, lb.FloatElement)
    layer = QuantIdentity(
        MXFloat8e4m3Act,
        group_dim=-1,
        bit_width=element.bits,
        exponent_bit_width=element.exponent_bits,
        mantissa_bit_width=element.mantissa_bits,
        return_quant_tensor=False,
    ).eval()
    return lambda: layer(x)


def _gfloat(fmt: str, x: torch.Tensor, out: torch.Tensor) -> Call:
    try:
        import gfloat
        from gfloat import formats
    except ImportError as error:
        raise Unavailable(_reason("gfloat", error)) from error
    info = {"mxfp4": formats.format_info_ocp_e2m1, "mxfp8_e4m3": formats.format_info_ocp_e4m3}[fmt]
    nearest = gfloat.RoundMode.TiesToEven
    return _in_blocks(fmt, x, lambda y: gfloat.round_ndarray(info, y, nearest, sat=True))


def _ml_dtypes(fmt: str, x: torch.Tensor, out: torch.Tensor) -> Call:
    try:
        import ml_dtypes
    except ImportError as error:
        raise Unavailable(_reason("ml_dtypes", error)) from error
    dtype = {"mxfp4": ml_dtypes.float4_e2m1fn, "mxfp8_e4m3": ml_dtypes.float8_e4m3fn}[fmt]
    largest = np.float32(textbook.Grid.of(fmt).maximum)
    return _in_blocks(fmt, x, lambda y: np.clip(y, -largest, largest).astype(dtype).astype(np.float32))


def _in_blocks(fmt: str, x: torch.Tensor, to_grid: Callable[[np.ndarray], np.ndarray]) -> Call:
    """An element rounding of numpy arrays with the power-of-two block scales that the library leaves to its user."""
    blocks, max_exponent = x.numpy().reshape(-1, textbook.MX_BLOCK), textbook.Grid.of(fmt).max_exponent

    def call() -> torch.Tensor:
        _, exponent = np.frexp(np.abs(blocks).max(-1, keepdims=True))
        scale = np.ldexp(np.float32(1), exponent - 1 - max_exponent)
        return torch.from_numpy((to_grid(blocks / scale) * scale).astype(np.float32, copy=False)).view(x.shape)

    return call


def _reason(name: str, error: ImportError) -> str:
    return f"{name} is not installed" if isinstance(error, ModuleNotFoundError) else f"{name} does not load: {error}"


ROUND_TRIPS = ("mxfp4", "mxfp8_e4m3", "mxint8", "nvfp4")
FIFTY = {"mxfp4": 50.0}

PEERS = (
    Peer(
        key="compiled-textbook",
        name="torch.compile of the textbook",
        formats=ROUND_TRIPS,
        make=_compiled(textbook.by_the_book),
        faster=5.0,
    ),
    Peer(
        key="compiled-tricks",
        name="torch.compile of bit tricks",
        formats=ROUND_TRIPS,
        make=_compiled(textbook.with_bit_tricks),
        faster=5.0,
    ),
    Peer(
        key="compiled-tricks-new",
        name="torch.compile of bit tricks, both into new memory",
        formats=ROUND_TRIPS,
        make=_compiled(textbook.with_bit_tricks, Memory.NEW),
        faster=5.0,
        memory=Memory.NEW,
    ),
    Peer(key="eager", name="eager torch, textbook", formats=ROUND_TRIPS, make=_eager, faster=None),
    Peer(
        key="torchao",
        name="torchao",
        formats=("mxfp4", "mxfp8_e4m3", "nvfp4"),
        make=_torchao,
        faster=12.0,
        faster_in=FIFTY,
    ),
    Peer(
        key="microxcaling",
        name="microxcaling",
        formats=("mxfp4", "mxfp8_e4m3", "mxint8"),
        make=_microxcaling,
        faster=12.0,
        faster_in=FIFTY,
    ),
    Peer(key="brevitas", name="brevitas", formats=("mxfp4", "mxfp8_e4m3"), make=_brevitas, faster=12.0),
    Peer(key="gfloat", name="gfloat", formats=("mxfp4", "mxfp8_e4m3"), make=_gfloat, faster=12.0),
    Peer(key="ml_dtypes", name="ml_dtypes", formats=("mxfp4", "mxfp8_e4m3"), make=_ml_dtypes, faster=12.0),
)

PEER_ROWS: tuple[Row, ...] = tuple(peer.row(fmt) for peer in PEERS for fmt in peer.formats)
