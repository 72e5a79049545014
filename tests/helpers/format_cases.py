"""Which formats and elements the tests go through: all registered ones, and specs that only a user would write."""

from lowbit import formats
from lowbit.formats import BlockFormat, Element
from lowbit.formats.elements import CODEBOOKS, FLOATS

REGISTERED = tuple(formats.list_formats())

E8M0_RULES = ("floor", "even", "ceil", "rceil")

UNREGISTERED = (
    # every rule of power-of-two scales; float, integer and codebook elements
    *(f"e2m1/k32/e8m0:{rule}" for rule in E8M0_RULES[1:]),
    *(f"e4m3/k32/e8m0:{rule}" for rule in E8M0_RULES[1:]),
    *(f"e5m2/k16/e8m0:{rule}" for rule in E8M0_RULES[1:]),
    "int8f6/k32/e8m0:rceil",
    "int4/k32/e8m0:ceil",
    "nf4/k16/e8m0:rceil",
    # odd elements
    "e3m0/k32/e8m0",
    "e3m0/k16/ue4m3/ts",
    "e1m2/k16/ue5m3",
    "e3m4/k32/e8m0:even",
    "e4m3fnuz/k32/e8m0",
    "e5m2fnuz/k16/ue4m3/ts",
    "e4m3b11fnuz/k32/f32",
    "binary8p3/k32/e8m0",
    "binary8p4/row/f32",
    "binary8p5/k16/ue5m3",
    "e2m5/k32/f32",
    "int8asym/k32/e8m0",
    "int4asym/k16/ue4m3/ts",
    "int3/k32/f32",
    "int2/k32/e8m0",
    "int16/k64/f32",
    "uint4/k32/f32",
    "uint8f4/k16/e8m0",
    "{-1,-0.5,0,0.25,1}/k32/f32",
    "{-3,-1,1,2}/k16/ue4m3/ts",
    # scales
    "e2m1/k16/ue5m3:ceil",
    "e2m1/k16/ue4m3:ceil/ts",
    "int4/k16/ue4m3",
    "e2m1/k16/ue5m3/scale_floor=one",
    "e2m1/k16/ue4m3/ts/scale_floor=one",
    "e2m1/k16/ue5m3/scale_floor=min_normal",
    "e4m3/k32/bf16",
    "e2m1/k16/fp16",
    "e2m1/k16/ue8m7ieee",
    "e2m1/k16/ue4m3finite",
    # arithmetic of the second level
    "e2m1/k16/ue4m3/ts/arithmetic=divide",
    "e2m1/k16/ue4m3/ts/arithmetic=torchao",
    "e2m1/k16/ue4m3/arithmetic=torchao",
    "e2m1/k16/ue4m3/ts/arithmetic=torchao/scale_floor=zero",
    "int4/k16/ue5m3/ts256",
    "e2m1/k16/ue4m3/ts255.99",
    "e4m3/k16/ue4m3/ts",
    # overflow
    "e4m3/k32/e8m0/overflow=inf_nan",
    "e5m2/k32/e8m0/overflow=inf_nan",
    "e5m2/k32/e8m0:ceil/overflow=inf_nan",
    "e4m3fnuz/k32/ue4m3/overflow=inf_nan",
    # blocks
    "e2m1/k1/e8m0",
    "e2m1/k5/e8m0",
    "e2m3/k12/ue4m3/ts",
    "e3m2/k33/f32",
    "int6f4/k33/e8m0",
    "e2m1/k4096/e8m0",
    "e2m1/row/e8m0",
    "e2m1/row/ue4m3/ts",
    "e4m3/tensor/e8m0",
    "nf4/tensor/ue5m3",
    "e2m1/k4x8/e8m0",
    "e4m3/k7x3/f32",
    "int8f6/k1x16/e8m0",
    "e3m2/k16x1/ue4m3/ts",
)
"""Specs outside the registry: each says something that no registered format says."""

CASTS = (
    "e2m1",
    "e1m2",
    "e3m0",
    "e2m3",
    "e3m2",
    "e4m3",
    "e5m2",
    "e4m3fnuz",
    "e5m2fnuz",
    "e4m3b11fnuz",
    "e3m4",
    "e4m3ieee",
    "binary8p3",
    "binary8p4",
    "binary8p5",
    "e4m3/overflow=inf_nan",
    "e5m2/overflow=inf_nan",
    "e4m3fnuz/overflow=inf_nan",
    "e3m4/overflow=inf_nan",
    "binary8p4/overflow=inf_nan",
    "e8m7/overflow=saturate",
    "e5m10/overflow=saturate",
    "e8m2",
    "e6m9",
    "e1m6",
    "e6m1b31fn",
    "int8",
    "int8f6asym",
    "int5f2",
    "uint4",
    "{-4,-1,0,0.125,3}",
)
"""Plain casts to an element: no blocks, no scales."""

ALL_FORMATS = (*REGISTERED, *UNREGISTERED)

SMALL_ELEMENTS = (
    *(element for element in FLOATS if element.bits <= 8),
    *CODEBOOKS,
    *(formats.element(name) for name in ("int2", "int3", "int4", "int4f2", "int5asym", "int6f4", "int8", "int8f6")),
    *(formats.element(name) for name in ("int8asym", "uint1", "uint4", "uint8f4", "e1m1", "e2m4", "e4m2", "e6m1b31fn")),
    formats.element("{-1,-0.25,0,0.5,2}"),
)
"""Elements whose every value and every midpoint is cheap to visit."""


def small_float_elements() -> list[Element]:
    """Every split of 3 to 8 bits into a sign, exponents and mantissas (Tilus's float3 to float8)."""
    return [
        formats.element(f"e{exponent}m{bits - 1 - exponent}") for bits in range(3, 9) for exponent in range(1, bits)
    ]


def block_formats(names: tuple[str, ...] = ALL_FORMATS) -> list[BlockFormat]:
    """The formats among `names` that have blocks."""
    return [fmt for fmt in map(formats.format, names) if fmt.block is not None]
