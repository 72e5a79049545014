"""Golden vectors of other libraries as numpy arrays: every case pairs one input with what one library made of it.

`tests/golden/README.md` says where the files come from; `golden_excuses` compares results with the cases.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "golden"

INPUTS = ("normal", "outliers", "wide_rows", "ties", "edges", "edges_small", "nonfinite")
"""Names of the inputs, each float32 of shape (64, 128)."""

SPECIAL_INPUTS = ("edges", "edges_small", "nonfinite")
SPECIAL_ROWS = 8
"""The rows of those inputs that hold zeros, subnormals, the largest float32, NaN and infinities are the first 8."""

TORCHAO_MX = {
    "mx_e2m1": "e2m1",
    "mx_e2m3": "e2m3",
    "mx_e3m2": "e3m2",
    "mx_e4m3fn": "e4m3",
    "mx_e5m2": "e5m2",
}
TORCHAO_NVFP4 = {
    "nvfp4_block_only": "e2m1/k16/ue4m3/arithmetic=torchao",
    "nvfp4_two_level": "e2m1/k16/ue4m3/ts448/arithmetic=torchao",
}
TRANSFORMER_ENGINE = {"1x16": "nvfp4", "16x16": "nvfp4_2d"}
FOUR_OVER_SIX = {
    "1x16_4over6_mae448": "e2m1/k16/ue4m3/ts448/alternatives=e2m1@4/select=mae",
    "1x16_4over6_mse448": "e2m1/k16/ue4m3/ts448/alternatives=e2m1@4",
    "1x16_4over6_mse256": "e2m1/k16/ue4m3/ts256/alternatives=e2m1@4",
    "16x16_4over6_mse256": "e2m1/k16x16/ue4m3/ts256/alternatives=e2m1@4",
}
MICROXCALING = {
    "fp4_e2m1": "e2m1",
    "fp6_e2m3": "e2m3",
    "fp6_e3m2": "e3m2",
    "fp8_e4m3": "e4m3",
    "fp8_e5m2": "e5m2",
    "int8": "int8f6",
    "int4": "int4f2",
    "int2": "int2",
}
MICROXCALING_ROUNDING = {"even": "nearest_even", "nearest": "nearest_away", "floor": "toward_zero"}
GFLOAT = {"ocp_e2m1": "e2m1", "ocp_e2m3": "e2m3", "ocp_e3m2": "e3m2", "ocp_e4m3": "e4m3", "ocp_e5m2": "e5m2"}
GFLOAT_ROUNDING = {
    "TiesToEven": "nearest_even",
    "TiesToAway": "nearest_away",
    "TowardZero": "toward_zero",
    "TowardPositive": "toward_positive",
    "TowardNegative": "toward_negative",
}
GFLOAT_RULES = {
    "StochasticFast": "midpoint",
    "Stochastic": "nearest_even",
    "StochasticOdd": "nearest_odd",
    "StochasticFastest": "biased",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One input and what a library made of it.

    Invariants: `x` is float32 (rows, columns), already rounded to `dtype`; `codes` (x's shape) come with `scales` (the
    block grid's shape), `value_bits` (float32 patterns, x's shape) come alone. `fmt` is a name or spec text of lowbit;
    `tensor_amax` and `tensor_scale` are arguments to pass on.
    """

    library: str
    key: str
    dtype: str
    x: np.ndarray
    fmt: str
    rounding: str = "nearest_even"
    tensor_amax: float | None = None
    tensor_scale: float | None = None
    codes: np.ndarray | None = None
    scales: np.ndarray | None = None
    value_bits: np.ndarray | None = None

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a block."""
        rows, columns = self.x.shape
        if self.scales is None:
            return 1, int(self.key.split(".k")[1].split(".")[0])
        return rows // self.scales.shape[0], columns // self.scales.shape[1]

    def rows(self, chosen: np.ndarray) -> "Case":
        """The same case for some rows (whole tiles of them); two-level formats keep the whole tensor's amax."""
        tiles = np.unique(chosen // self.block[0])
        return replace(
            self,
            x=self.x[chosen],
            codes=None if self.codes is None else self.codes[chosen],
            scales=None if self.scales is None else self.scales[tiles],
            value_bits=None if self.value_bits is None else self.value_bits[chosen],
        )


@dataclass(frozen=True, kw_only=True)
class RoundingCase:
    """Numbers rounded one by one to an element by gfloat, saturating: `expected[i]` from `numbers[i]` (float64).

    Stochastic cases have `bits` and one random integer a number.
    """

    key: str
    element: str
    rounding: str
    numbers: np.ndarray
    expected: np.ndarray
    bits: int | None = None
    random: np.ndarray | None = None


@cache
def arrays(name: str) -> dict[str, np.ndarray]:
    """All arrays of tests/golden/NAME.npz (read only; never pickled objects)."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


@cache
def golden_input(name: str, dtype: str = "f32") -> np.ndarray:
    """The input `name` as float32, rounded to bfloat16 first where `dtype` is "bf16"."""
    x = arrays("inputs")[name].view(np.float32)
    return x if dtype == "f32" else round_to_bfloat16(x)


def round_to_bfloat16(x: np.ndarray) -> np.ndarray:
    """float32 values rounded to bfloat16 (ties to even) and widened again; NaN stays NaN."""
    bits = x.view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.where(np.isnan(x), x, rounded)


def torchao_mx_cases() -> Iterator[Case]:
    """torchao's MX: five elements, four scale rules, all inputs, both dtypes (280 cases)."""
    stored = arrays("torchao_mx")
    for name, element in TORCHAO_MX.items():
        for rule in ("floor", "rceil", "ceil", "even"):
            for source, dtype in _inputs_and_dtypes():
                yield Case(
                    library="torchao_mx",
                    key=(key := f"{source}.{name}.{rule}.{dtype}"),
                    dtype=dtype,
                    x=golden_input(source, dtype),
                    fmt=f"{element}/k32/e8m0:{rule}",
                    codes=stored[f"{key}.code"],
                    scales=stored[f"{key}.scale"],
                )


def torchao_nvfp4_cases() -> Iterator[Case]:
    """torchao's NVFP4 with one level and with two, the tensor scale given (22 cases; finite inputs only)."""
    stored = arrays("torchao_nvfp4")
    for name, fmt in TORCHAO_NVFP4.items():
        for source, dtype in _inputs_and_dtypes():
            key = f"{source}.{name}.{dtype}"
            if f"{key}.code" not in stored:
                continue
            given = stored.get(f"{key}.tensor_scale")
            yield Case(
                library="torchao_nvfp4",
                key=key,
                dtype=dtype,
                x=golden_input(source, dtype),
                fmt=fmt,
                tensor_scale=None if given is None else float(given),
                codes=stored[f"{key}.code"],
                scales=stored[f"{key}.scale"],
            )


def transformer_engine_cases(*, transposed: bool = False) -> Iterator[Case]:
    """TransformerEngine's NVFP4: 1x16 and 16x16 (22 cases), or 16x16 of the transposed tensor (11 cases).

    Finite inputs only. The files repeat the scales of a 16x16 tile on each of its rows; here a tile has one.
    """
    return _transformer_engine(TRANSFORMER_ENGINE, "_t" if transposed else "")


def four_over_six_cases() -> Iterator[Case]:
    """TransformerEngine's four over six: three variants in runs of 16, one in tiles of 16x16 (44 cases)."""
    return _transformer_engine(FOUR_OVER_SIX, "")


def _transformer_engine(variants: dict[str, str], suffix: str) -> Iterator[Case]:
    stored = arrays("transformer_engine_nvfp4")
    for name, fmt in variants.items():
        for source, dtype in _inputs_and_dtypes():
            key = f"{source}.{name}.{dtype}"
            if f"{key}.code{suffix}" not in stored:
                continue
            x, scales = golden_input(source, dtype), stored[f"{key}.scale{suffix}"]
            yield Case(
                library="transformer_engine_nvfp4",
                key=key + suffix,
                dtype=dtype,
                x=np.ascontiguousarray(x.T) if suffix else x,
                fmt=fmt,
                tensor_amax=float(stored[f"{key}.amax"][0]),
                codes=stored[f"{key}.code{suffix}"],
                scales=scales[::16] if name.startswith("16x16") else scales,
            )


def transformer_engine_rotated_cases() -> Iterator[Case]:
    """TransformerEngine's NVFP4 of the transposed tensor after its random Hadamard transform of 16 (11 cases)."""
    stored = arrays("transformer_engine_nvfp4")
    for source, dtype in _inputs_and_dtypes():
        key = f"{source}.1x16_rht_colwise.{dtype}"
        if f"{key}.code_t" in stored:
            yield Case(
                library="transformer_engine_nvfp4",
                key=key,
                dtype=dtype,
                x=np.ascontiguousarray(golden_input(source, dtype).T),
                fmt="nvfp4",
                tensor_amax=float(stored[f"{key}.amax_t"][0]),
                codes=stored[f"{key}.code_t"],
                scales=stored[f"{key}.scale_t"],
            )


def microxcaling_cases() -> Iterator[Case]:
    """microxcaling's fake-quantized values: eight elements, blocks of 32 and 16, three roundings (336 cases)."""
    stored = arrays("microxcaling_mx")
    for name, element in MICROXCALING.items():
        for size in (32, 16):
            for short, rounding in MICROXCALING_ROUNDING.items():
                for source in INPUTS:
                    yield Case(
                        library="microxcaling_mx",
                        key=(key := f"{source}.{name}.k{size}.{short}"),
                        dtype="f32",
                        x=golden_input(source),
                        fmt=f"{element}/k{size}/e8m0",
                        rounding=rounding,
                        value_bits=stored[f"{key}.value"],
                    )


def gfloat_cases() -> Iterator[RoundingCase]:
    """gfloat's scalar rounding: five elements in five deterministic modes, and four stochastic rules (85 cases)."""
    stored = arrays("gfloat_round")
    for name, element in GFLOAT.items():
        for short, rounding in GFLOAT_ROUNDING.items():
            key = f"{name}.{short}"
            yield RoundingCase(
                key=key, element=element, rounding=rounding, numbers=stored["input"], expected=stored[key]
            )
        for bits in (3, 8, 16):
            for short, rule in GFLOAT_RULES.items():
                yield RoundingCase(
                    key=(key := f"{name}.b{bits}.{short}"),
                    element=element,
                    rounding=rule,
                    numbers=stored["input"],
                    expected=stored[key],
                    bits=bits,
                    random=stored[f"{name}.b{bits}.srbits"],
                )


def sample(cases: Iterable[Case], *, rows: int) -> Iterator[Case]:
    """Every case cut down to the special rows of its input and about `rows` others, different from case to case."""
    for number, case in enumerate(cases):
        tile = case.block[0]
        every = np.arange(case.x.shape[0])
        step = max(len(every) // max(rows, tile), 1)
        chosen = every // tile % step == number % step
        if case.key.split(".")[0] in SPECIAL_INPUTS:
            chosen |= every // tile * tile < SPECIAL_ROWS
        yield case.rows(every[chosen])


def _inputs_and_dtypes() -> Iterator[tuple[str, str]]:
    for source in INPUTS:
        yield source, "f32"
        yield source, "bf16"
