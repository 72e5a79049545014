"""The table of what is measured and what is required. A new row is one more entry.

The requirements are ratios for a processor with AVX-512; without it they are only an orientation.
"""

from fnmatch import fnmatchcase

import torch

import lowbit as lb
from benchmarks.data import Data
from benchmarks.machine import has_avx512
from benchmarks.model import NO_BOUND, Bound, Limit, Row, Threads, Unit
from benchmarks.peers import PEER_ROWS
from benchmarks.processes import Start, peak_memory, start_time
from benchmarks.throughput import (
    Amax,
    Front,
    dequantize_share,
    latency,
    new_result,
    qdq_relative,
    qdq_share,
    quantize_share,
    rotated_share,
)
from benchmarks.training import step_overhead

MX_INT = (
    "mxfp4",
    "mxfp6_e2m3",
    "mxfp6_e3m2",
    "mxfp8_e4m3",
    "mxfp8_e5m2",
    "mxint8",
    "mxint6",
    "mxint4",
    "int4_g32",
    "int4_g128",
    "int8_row",
)
"""MX and integer block formats whose blocks are known in one pass."""

CODES = ("mxfp4", "mxfp6_e2m3", "mxfp8_e4m3", "mxint8", "nvfp4")
"""Formats to pack and unpack: 4, 6 and 8 bits, one and two levels of scales."""

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
NF4 = Bound(0.5, 0.75) if has_avx512() else Bound(0.3, 0.4)


def _once(most: float) -> Bound:
    return Bound(most, most, Limit.AT_MOST)


_OTHERS = tuple(
    name
    for name in lb.list_formats()
    if name not in (*MX_INT, "nvfp4", "nf4", "nvfp4_4over6") and not lb.format(name).needs_seed
)

_QDQ = (
    *(
        Row(
            key=f"qdq/{name}",
            group="MX and INT block formats, qdq float32, out=",
            label=name,
            unit=Unit.MEMCPY,
            measure=qdq_share(name),
            bound=Bound(0.8, 0.9),
        )
        for name in MX_INT
    ),
    *(
        Row(
            key=f"hostile/{name}",
            group="The same, odd shape, a NaN, 10 % zero rows",
            label=name,
            unit=Unit.MEMCPY,
            measure=qdq_share(name, data=Data.HOSTILE),
            bound=Bound(0.6, 0.65),
        )
        for name in MX_INT
    ),
    *(
        Row(
            key=f"{short}/{name}",
            group=f"{short} in and out, out=",
            label=name,
            unit=Unit.MEMCPY,
            measure=qdq_share(name, dtype=dtype),
            bound=Bound(0.6, 0.75) if short == "bf16" else NO_BOUND,
        )
        for short, dtype in HALVES.items()
        for name in ("mxfp4", "mxfp8_e4m3", "mxint8", "nvfp4")
    ),
    *(
        Row(
            key=f"nvfp4/{amax.name.lower()}",
            group="NVFP4 and NF4, qdq float32, out=",
            label=f"nvfp4, tensor amax: {amax}",
            unit=Unit.MEMCPY,
            measure=qdq_share("nvfp4", amax=amax),
            bound=bound,
        )
        for amax, bound in ((Amax.GIVEN, Bound(0.75, 0.8)), (Amax.OWN_PASS, Bound(0.4, 0.45)))
    ),
    *(
        Row(
            key=f"stochastic/{name}/{bits}",
            group="Stochastic rounding, Philox4x32-10, qdq float32, out=",
            label=f"{name}, {bits} bits",
            unit=Unit.MEMCPY,
            measure=qdq_share(name, bits=bits),
            bound=bound,
        )
        for name in ("mxfp4", "mxfp8_e4m3", "nvfp4")
        for bits, bound in ((8, Bound(0.5, 0.6)), (32, Bound(0.3, 0.4)))
    ),
    *(
        Row(
            key=f"candidates/{name.replace('/', '-')}",
            group="Candidates for every block, qdq float32, out= (tensor amax given)",
            label=label,
            unit=Unit.MEMCPY,
            measure=qdq_share(name),
            bound=Bound(0.3, 0.45),
        )
        for name, label in (("nvfp4_4over6", "four over six, mse"), ("e2m1/k32/e8m0:mse", "mxfp4, mse scale"))
    ),
    Row(
        key="qdq/nf4",
        group="NVFP4 and NF4, qdq float32, out=",
        label="nf4",
        unit=Unit.MEMCPY,
        measure=qdq_share("nf4"),
        bound=NF4,
    ),
    *(
        Row(
            key=f"qdq/{name}",
            group="Other formats, qdq float32, out= (tensor amax given)",
            label=name,
            unit=Unit.MEMCPY,
            measure=qdq_share(name),
        )
        for name in _OTHERS
    ),
)

_ROTATED = tuple(
    Row(
        key=f"hadamard{n}/mxfp4",
        group="Hadamard transform and qdq in one pass, float32, out=",
        label=f"mxfp4, groups of {n}",
        unit=Unit.MEMCPY,
        measure=rotated_share("mxfp4", n),
        bound=Bound(0.6, 0.75),
    )
    for n in (16, 32, 128)
)

_LAYOUTS = tuple(
    Row(
        key=f"layout/{key}",
        group="Other axes and tiles, qdq float32, out=",
        label=label,
        unit=Unit.AXIS,
        measure=qdq_relative(fmt, axis, base),
        bound=Bound(0.7, 0.7),
    )
    for key, label, fmt, axis, base in (
        ("axis0-mxfp4", "mxfp4 along axis 0", "mxfp4", 0, "mxfp4"),
        ("axis0-mxint8", "mxint8 along axis 0", "mxint8", 0, "mxint8"),
        ("axis0-nvfp4", "nvfp4 along axis 0", "nvfp4", 0, "nvfp4"),
        ("tile16-mxfp4", "16×16 tiles of mxfp4 to blocks of 16", "e2m1/k16x16/e8m0", (-2, -1), "e2m1/k16/e8m0"),
        ("tile32-mxfp8", "32×32 tiles of mxfp8_e4m3 to blocks", "e4m3/k32x32/e8m0", (-2, -1), "mxfp8_e4m3"),
        ("tile16-nvfp4", "nvfp4_2d to nvfp4", "nvfp4_2d", (-2, -1), "nvfp4"),
    )
)

_STORAGE = (
    *(
        Row(
            key=f"quantize/{name}",
            group="To packed codes, float32",
            label=f"quantize {name}" + (f", tensor amax: {Amax.GIVEN}" if name == "nvfp4" else ""),
            unit=Unit.MEMCPY,
            measure=quantize_share(name),
            bound=Bound(0.55, 0.8),
        )
        for name in CODES
    ),
    Row(
        key="quantize/nvfp4/own_pass",
        group="To packed codes, float32",
        label=f"quantize nvfp4, tensor amax: {Amax.OWN_PASS}",  # reads the tensor twice; nothing is required of it
        unit=Unit.MEMCPY,
        measure=quantize_share("nvfp4", amax=Amax.OWN_PASS),
    ),
    *(
        Row(
            key=f"dequantize/{name}",
            group="From packed codes, float32, out=",
            label=f"dequantize {name}",
            unit=Unit.MEMCPY,
            measure=dequantize_share(name),
            bound=Bound(0.8, 0.85),
        )
        for name in CODES
    ),
    Row(
        key="new/mxfp4",
        group="A new tensor each call",
        label="mxfp4",
        unit=Unit.CLONE,
        measure=new_result("mxfp4"),
        bound=Bound(2.5, 2.5),
    ),
)

_CALLS = (
    *(
        Row(
            key=f"latency/{front.name.lower().replace('_', '-')}",
            group="One call on 4 KiB",
            label=f"mxfp4, {front}",
            unit=Unit.MICROSECONDS,
            measure=latency("mxfp4", front),
            bound=_once(most),
            threads=Threads.ONCE,
        )
        for front, most in (
            (Front.NUMPY, 5.0),
            (Front.NUMPY_OUT, 5.0),
            (Front.TORCH, 15.0),
            (Front.TORCH_GRAD, 40.0),
        )
    ),
    *(
        Row(
            key=f"start/{start.name.lower()}",
            group="A new process, after importing torch",
            label=f"{start}",
            unit=Unit.SECONDS,
            measure=start_time(start, "mxfp4"),
            bound=_once(most),
            threads=Threads.ONCE,
        )
        for start, most in ((Start.IMPORT, 0.3), (Start.COLD, 3.0), (Start.CACHED, 0.5))
    ),
    *(
        Row(
            key=f"memory/{name}",
            group="Peak memory of qdq with out=, beyond input and output",
            label=name,
            unit=Unit.MEBIBYTES,
            measure=peak_memory(name),
            bound=_once(1.0),
        )
        for name in ("mxfp4", "nvfp4")
    ),
)

_TRAINING = tuple(
    Row(
        key=f"training/{name}",
        group="Training step, all six operands (2 layers, width 512, 8×256 tokens)",
        label=f"gemms:{name}",
        unit=Unit.PLAIN,
        measure=step_overhead(f"gemms:{name}"),
        bound=Bound(None, 1.35, Limit.AT_MOST),
    )
    for name in ("mxfp4", "nvfp4")
)

ROWS: tuple[Row, ...] = (*_QDQ, *_ROTATED, *_LAYOUTS, *_STORAGE, *_CALLS, *_TRAINING, *PEER_ROWS)
"""Every row, in the table's order."""


def select(patterns: list[str], *, rows: tuple[Row, ...] = ROWS) -> tuple[Row, ...]:
    """The rows whose key contains one of the patterns or matches it as a shell pattern; all rows for no patterns.

    Raises ValueError for a pattern that selects nothing.
    """
    for pattern in patterns:
        if not any(_matches(row.key, pattern) for row in rows):
            raise ValueError(f"--rows {pattern!r} selects nothing; a key is for example {rows[0].key}")
    return tuple(row for row in rows if not patterns or any(_matches(row.key, pattern) for pattern in patterns))


def _matches(key: str, pattern: str) -> bool:
    return pattern in key or fnmatchcase(key, pattern)
