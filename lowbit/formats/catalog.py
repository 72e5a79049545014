"""The registered formats: one line each, spec text and where it is defined. Adding a format is adding a line."""

from dataclasses import replace

from lowbit.formats.block import BlockFormat
from lowbit.formats.text import parse_format

_MX = "OCP Microscaling Formats (MX) v1.0 §5.2, floor rule of §6.3"
_NVFP4 = "NVIDIA TransformerEngine NVFP4 (arXiv 2509.25149)"
_UE5M3 = "UE5M3 FP4 block scaling (arXiv 2609.02846)"
_INT = "INT v.s. FP (arXiv 2510.25602)"
_FP8 = "TransformerEngine FP8 current scaling; DeepSeek-V3 (arXiv 2412.19437) for 1x128 and 128x128"
_MSFP = "MSFP (Darvish Rouhani et al., NeurIPS 2020), read as exponent floor(log2 amax), ties to even"
_POSIT = "Standard for Posit Arithmetic (2022); rounded by value (contract §5), not by bit string"
_4OVER6 = "Four Over Six (arXiv 2512.02010); arithmetic of TransformerEngine's quantizer"
_MXPLUS = "MX+ (arXiv 2510.14557); where the block maximum lies is our reading of its spare byte"
_QUEST = "QuEST (arXiv 2502.05003): root mean square, clip 2.92247856 standard deviations"
_RAZER = "RaZeR (arXiv 2501.04052 v2): E2M1 whose -0 stands for a special value, by mean square error"
_ASYMMETRIC = "asymmetric integer quantization with an integer zero point"
_CAST = "plain cast"

_DIALECTS = "+".join(f"dialect{number}" for number in range(1, 16))

_TABLE = (
    ("mxfp4", "e2m1/k32/e8m0", _MX),
    ("mxfp6_e2m3", "e2m3/k32/e8m0", _MX),
    ("mxfp6_e3m2", "e3m2/k32/e8m0", _MX),
    ("mxfp8_e4m3", "e4m3/k32/e8m0", _MX),
    ("mxfp8_e5m2", "e5m2/k32/e8m0", _MX),
    ("mxint8", "int8f6/k32/e8m0", _MX),
    ("mxint6", "int6f4/k32/e8m0", _INT),
    ("mxint4", "int4f2/k32/e8m0", _INT),
    ("nvfp4", "e2m1/k16/ue4m3/ts448", _NVFP4),
    ("nvfp4_2d", "e2m1/k16x16/ue4m3/ts448", _NVFP4),
    ("nvint4", "int4/k16/ue4m3/ts448", _INT),
    ("ue5m3_fp4", "e2m1/k16/ue5m3", _UE5M3),
    ("ue5m3_fp4_k32", "e2m1/k32/ue5m3", _UE5M3),
    ("ue5m3_ieee_fp4", "e2m1/k16/ue5m3_ieee/ts448", _UE5M3),
    ("fp8_e4m3", "e4m3/tensor/f32", _FP8),
    ("fp8_e5m2", "e5m2/tensor/f32", _FP8),
    ("fp8_e4m3_row", "e4m3/row/f32", _FP8),
    ("fp8_e4m3_1x128", "e4m3/k128/f32", _FP8),
    ("fp8_e4m3_128x128", "e4m3/k128x128/f32", _FP8),
    ("int8_row", "int8/row/f32", "symmetric absmax integer quantization"),
    ("int8_tensor", "int8/tensor/f32", "symmetric absmax integer quantization"),
    ("int4_g32", "int4/k32/f32", "symmetric group-wise integer quantization"),
    ("int4_g128", "int4/k128/f32", "symmetric group-wise integer quantization"),
    ("nf4", "nf4/k64/f32", "QLoRA (arXiv 2305.14314) §3, block 64, without double quantization"),
    ("msfp12", "e1m2/k16/e8m0", _MSFP),
    ("msfp16", "e1m6/k16/e8m0", _MSFP),
    ("hif8", "hif8", "Ascend HiFloat8 (arXiv 2409.16626); ties to even here, away from zero in its forward pass"),
    ("posit8", "posit8es2", _POSIT),
    ("posit16", "posit16es2", _POSIT),
    ("mxfp4_rceil", "e2m1/k32/e8m0:rceil", "TetraJet (arXiv 2502.20853) and torchao's RCEIL: exponents rounded up"),
    (
        "mxfp4_quest",
        "e2m1/k32/e8m0:nearest/statistic=rms",
        f"{_QUEST}; nearest exponent, as the paper's error suggests",
    ),
    ("mxfp4_quest_floor", "e2m1/k32/e8m0:floor/statistic=rms", f"{_QUEST}; exponent rounded down, as its kernel does"),
    ("mxfp4_plus", "e2m1/k32/e8m0/peak=extra_mantissa", _MXPLUS),
    ("mxfp6_plus", "e2m3/k32/e8m0/peak=extra_mantissa", _MXPLUS),
    ("mxfp8_plus", "e4m3/k32/e8m0/peak=extra_mantissa", _MXPLUS),
    ("nvfp4_4over6", "e2m1/k16/ue4m3/ts256/alternatives=e2m1@4", _4OVER6),
    ("nvfp4_4over6_mse448", "e2m1/k16/ue4m3/ts448/alternatives=e2m1@4", _4OVER6),
    ("nvfp4_4over6_mae448", "e2m1/k16/ue4m3/ts448/alternatives=e2m1@4/select=mae", _4OVER6),
    ("nvfp4_2d_4over6", "e2m1/k16x16/ue4m3/ts256/alternatives=e2m1@4", _4OVER6),
    (
        "nvfp4_eden",
        "e2m1/k16/ue4m3/ts255.99/target_max=6.072106/scale_floor=one/correction=eden",
        "MS-EDEN of Quartet II (arXiv 2601.22813): scales times 0.93 * 17/16, corrected in groups of 16 as its text "
        "says (its code: of the rotation); needs a seed",
    ),
    (
        "if4",
        "e2m1/k16/ue4m3/ts448/alternatives=int4_to6",
        "IF4 (arXiv 2603.28765): the sign bit of the scale says E2M1 or INT4 times 6/7; errors in NVFP4's arithmetic",
    ),
    (
        "mixfp4",
        "e2m1/k16/ue4m3/ts256/alternatives=e1m2b0",
        "MixFP4 (arXiv 2605.31035): E2M1 or E1M2; bias and tensor target are doubtful: here 0 (maximum 3.5) and 256, "
        "so that every scale of E1M2 fits",
    ),
    ("razer_e3m3", "razer_p5/k16/ue3m3/ts28/alternatives=razer_m5+razer_p8+razer_m8", f"{_RAZER}; of weights"),
    ("razer_e4m3", "razer_m5/k16/ue4m3/ts448/alternatives=razer_p5", f"{_RAZER}; of activations"),
    (
        "blockdialect",
        f"dialect0/k32/ue5m0/alternatives={_DIALECTS}",
        "BlockDialect (arXiv 2501.01144), the dialect of smallest mean square error as for its weights; numbers are "
        "rounded once, not to halves first",
    ),
    (
        "hif4",
        "e1m2/k64/ue6m2/micro_exponents=8+4",
        "HiF4 (arXiv 2602.11287); the scale is amax / 7 in binary32 and ties go to even, where its public kernel "
        "multiplies by bfloat16's 1/7 and rounds ties away",
    ),
    ("uint8_g128", "uint8/k128/f32/zero_point=integer", _ASYMMETRIC),
    ("uint8_row", "uint8/row/f32/zero_point=integer", _ASYMMETRIC),
    ("uint8_tensor", "uint8/tensor/f32/zero_point=integer", _ASYMMETRIC),
    ("uint4_g128", "uint4/k128/f32/zero_point=integer", _ASYMMETRIC),
    ("uint4_row", "uint4/row/f32/zero_point=integer", _ASYMMETRIC),
    ("uint4_tensor", "uint4/tensor/f32/zero_point=integer", _ASYMMETRIC),
    ("bf16", "bf16", _CAST),
    ("fp16", "fp16", _CAST),
    ("tf32", "tf32", _CAST),
)

CATALOG: tuple[BlockFormat, ...] = tuple(
    replace(parse_format(spec), name=name, source=source) for name, spec, source in _TABLE
)
