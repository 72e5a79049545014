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
_CAST = "plain cast"

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
    ("bf16", "bf16", _CAST),
    ("fp16", "fp16", _CAST),
    ("tf32", "tf32", _CAST),
)

CATALOG: tuple[BlockFormat, ...] = tuple(
    replace(parse_format(spec), name=name, source=source) for name, spec, source in _TABLE
)
