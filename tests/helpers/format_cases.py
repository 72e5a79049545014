"""Which formats and elements the tests go through: all registered ones, and specs that only a user would write."""

from lowbit import formats
from lowbit.formats import BlockFormat, Element
from lowbit.formats.elements import CODEBOOKS, FLOATS, TAPERED

REGISTERED = tuple(name for name in formats.list_formats() if not formats.format(name).needs_seed)

SEEDED = (
    *(name for name in formats.list_formats() if formats.format(name).needs_seed),
    "e2m1/k16/ue4m3/ts448/correction=eden/correction_group=64",
    "int4/k8/ue5m3/correction=eden",
    "e2m1/k12/ue4m3:ceil/arithmetic=divide/ts/correction=eden/correction_group=36/sparsity=2:4",
)
"""Formats whose scales are drawn: every call needs a seed (tests/ops/test_corrected_scales.py)."""

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
    # tapered, logarithmic and hardware encodings
    "posit8es1/k32/e8m0",
    "posit8es0/k16/ue4m3/ts",
    "posit6es2/k32/f32",
    "log8f3/k32/e8m0:rceil",
    "log6f2/k16/f32",
    "hif8/k32/e8m0",
    "hif8/row/f32",
    "binary6p3sf/k32/e8m0:even",
    "binary8p5ue/k32/f32",
    "binary4p2uf/k16/ue4m3",
    "razer_p5/k16/ue4m3/ts",
    "razer_m8/k16/e8m0:rceil",
    "halfint4/k32/f32",
    "halfint1/k16/ue5m3",
    "{-2:3,0:0,1:5,2.5:2}/k16/ue5m3",
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
    # statistics, targets and rules
    "e2m1/k32/e8m0:nearest",
    "e2m1/k32/e8m0:nearest/target_max=4.5",
    "e4m3/k16/e8m0:rceil/target_max=240",
    "e2m3/k7/e8m0:floor/target_max=5",
    "int4/k32/e8m0:nearest/statistic=rms/target_max=2.7",
    "e4m3/k5/e8m0:rceil/statistic=rms/target_max=100",
    "e2m1/k16/ue5m3/statistic=rms",
    "int8/row/f32/statistic=rms/target_max=40",
    "e2m1/k4x8/e8m0:nearest/statistic=rms",
    "e2m1/k16/ue4m3/ts/target_max=5.5",
    "e2m1/k16/ue4m3/ts/arithmetic=torchao/target_max=4",
    "e2m1/k16/ue4m3/scale_domain=encode",
    "e2m1/k16/ue4m3:ceil/ts1/scale_domain=encode",
    "int4/k9/ue5m3/ts4/scale_domain=encode/scale_floor=one/arithmetic=divide",
    "e2m1/k16/fp16/scale_domain=encode",
    "e2m1/k16/bf16/scale_domain=encode",
    # scales without a zero
    "e1m2/k16/ue6m2",
    "e2m1/k16/ue6m2/ts",
    "e2m1/k32/ue5m0:rceil",
    # candidates: rules, elements, targets, tiles, levels
    "e2m1/k32/e8m0:mse",
    "int4/k5/e8m0:mse/select=mae",
    "e2m1/k4x6/e8m0:mse",
    "e2m1/k32/e8m0/alternatives=e1m2+e3m0/select=mae",
    "e2m1/k16/f32/alternatives=e2m1@4+e2m1@5",
    "e2m1/k7x3/ue4m3/ts256/alternatives=e2m1@4/select=mae",
    "e2m1/k16/ue4m3/ts/arithmetic=torchao/alternatives=e2m1@4",
    "e2m1/k16/ue4m3/ts300/arithmetic=divide/alternatives=e2m1@4.5/target_max=5.5",
    "e2m1/k5x4/ue5m3/alternatives=int4+nf4",
    "e2m1/k32/e8m0/alternatives=e1m2b0+nf4+e2m1@4",
    "e2m1/k16x16/ue4m3/ts448/alternatives=int4_to6",
    "nf4/k16/ue4m3/ts448/alternatives=nf4@0.5",
    "e2m1/k33/ue4m3:ceil/ts448/alternatives=int4@6/scale_floor=one",
    "int8f6/row/e8m0:rceil/alternatives=e4m3",
    # side bits: peaks, micro exponents, zero points
    "e3m2/k5/e8m0/peak=extra_mantissa",
    "e5m2/k32/e8m0/peak=extra_mantissa",
    "e2m1/k4x8/e8m0/peak=extra_mantissa",
    "e2m1/k8/e8m0:rceil/micro_exponents=4+2+1",
    "int4/k16/ue4m3/ts/micro_exponents=4",
    "e1m2/k12/f32/micro_exponents=6+3/target_max=6.5",
    "uint4/k9/ue5m3/zero_point=integer",
    "uint3/k4x4/f32/zero_point=integer",
    "uint8/k16/ue4m3:ceil/zero_point=integer/scale_floor=one",
    # sparsity before all of it
    "e2m1/k16/ue4m3/ts256/alternatives=e2m1@4/sparsity=2:4",
    "e2m1/k32/e8m0:nearest/statistic=rms/sparsity=3:7",
    "uint4/k8/f32/zero_point=integer/sparsity=1:2",
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
    "hif8",
    "posit8es0",
    "posit8es1",
    "posit8es2",
    "posit8es4",
    "posit5es1",
    "posit2es0",
    "log8f3",
    "log8f0",
    "log7f5",
    "binary3p1se",
    "binary5p2sf",
    "binary8p1se",
    "binary8p4ue",
    "binary8p8uf",
    "binary6p3se/overflow=inf_nan",
    "binary12p5ue",
    "binary15p8se",
    "razer_m2.5",
    "razer_p8",
    "halfint8",
    "halfint1",
    "int1asym",
    "{-2:3,0:0,1:5,2.5:2}",
)
"""Plain casts to an element: no blocks, no scales."""

ALL_FORMATS = (*REGISTERED, *UNREGISTERED)

SMALL_ELEMENTS = (
    *(element for element in FLOATS if element.bits <= 8),
    *CODEBOOKS,
    *TAPERED,
    *(formats.element(name) for name in ("int2", "int3", "int4", "int4f2", "int5asym", "int6f4", "int8", "int8f6")),
    *(formats.element(name) for name in ("int8asym", "uint1", "uint4", "uint8f4", "e1m1", "e2m4", "e4m2", "e6m1b31fn")),
    *(formats.element(name) for name in ("posit8es1", "posit7es0", "posit8es3", "posit3es2", "log8f3", "log5f2")),
    *(formats.element(name) for name in ("binary3p2sf", "binary6p3se", "binary7p1se", "binary5p3uf", "binary7p2ue")),
    formats.element("{-1,-0.25,0,0.5,2}"),
    formats.element("{-3:6,-1:1,0:0,0.5:2,4:7}"),
)
"""Elements whose every value and every midpoint is cheap to visit."""


def small_float_elements() -> list[Element]:
    """Every split of 3 to 8 bits into a sign, exponents and mantissas (Tilus's float3 to float8)."""
    return [
        formats.element(f"e{exponent}m{bits - 1 - exponent}") for bits in range(3, 9) for exponent in range(1, bits)
    ]


def irregular_casts() -> list[str]:
    """Casts of up to 8 bits to a grid that is a table."""
    return [name for name in CASTS if (e := formats.format(name).element).regular is None and e.bits <= 8]


def block_formats(names: tuple[str, ...] = ALL_FORMATS) -> list[BlockFormat]:
    """The formats among `names` that have blocks."""
    return [fmt for fmt in map(formats.format, names) if fmt.block is not None]
