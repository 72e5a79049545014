"""A quantizer that shares no code with lowbit: plain numpy, its own reading of the specifications, defects to plant.

MX formats (power-of-two scales, rule floor), NVFP4, float32 scales over rows, and casts, for the elements below; all
blocks run along the last axis, or along `axis`. float64 holds every product and quotient of float32 numbers that is
needed before one rounding.
"""

from dataclasses import dataclass

import numpy as np

F32 = np.float32
FLT_MAX = np.finfo(F32).max


@dataclass(frozen=True)
class Element:
    """An e/m float: mantissa bits, exponent of the smallest normal number, largest value; integers have no exponent."""

    mantissa: int
    lowest: int
    largest: float
    negative_zero: bool = True


ELEMENTS = {
    "e2m1": Element(1, 0, 6.0),
    "e2m3": Element(3, 0, 7.5),
    "e4m3": Element(3, -6, 448.0),
    "e5m2": Element(2, -14, 57344.0),
    "int8f6": Element(6, 0, 127 / 64, negative_zero=False),
    "int8": Element(6, 6, 127.0, negative_zero=False),
}

DEFECTS = (
    "ties_away",
    "ties_to_zero",
    "truncates",
    "unrounded_scale",
    "float_log2",
    "log2_scale_up",
    "loses_negative_zero",
    "wrong_axis",
    "wrong_block_size",
    "unscaled_tail",
    "saturates_to_infinity",
    "wraps_instead_of_saturating",
    "no_clamp_of_tiny_scales",
    "flushes_subnormals",
    "wrong_maximum",
    "no_subnormal_elements",
    "nan_alone",
    "infinity_alone",
    "reciprocal_division",
    "reciprocal_target",
    "tensor_amax_of_first_block",
    "scale_floored_at_min_normal",
    "fused_tensor_scale",
    "division_instead_of_reciprocal",
    "ignores_tensor_amax",
    "zero_block_is_nan",
    "float16_intermediate",
    "sr_never_lifts_tiny",
    "sr_counter_off_by_one",
    "sr_index_along_axis",
    "sr_ignores_high_seed",
    "sr_ignores_stream",
    "sr_biased_rule",
    "sr_index_of_memory",
    "signs_after",
    "unnormalized",
    "other_butterfly_order",
    "no_padding",
)
"""What can be planted; every entry is read somewhere below."""


def quantize(x, kind: str, defect="", *, axis=-1, stochastic=False, seed=0, stream=0, tensor_amax=None, transform=None):
    """Fake quantization of `x` in the format `kind`: mxfp4, mxfp8_e4m3, mxint8, nvfp4, int8_row, e4m3, ..."""
    if transform is not None:
        x = hadamard(x, transform, defect)
    random = None
    if stochastic:
        random = draws(x, axis, seed, stream, defect)
        random = np.moveaxis(random, axis, -1)
    if defect == "wrong_axis" and x.ndim > 1:
        axis = axis - 1
        random = None if random is None else np.moveaxis(draws(x, axis, seed, stream, defect), axis, -1)
    lines = np.ascontiguousarray(np.moveaxis(x, axis, -1)).astype(F32)
    if defect == "flushes_subnormals":
        lines = np.where(np.abs(lines) < 2.0**-126, np.copysign(F32(0), lines), lines)
    with np.errstate(all="ignore"):
        result = _formats(lines, kind, defect, random, tensor_amax)
    if defect == "loses_negative_zero":
        result = result + F32(0)
    if defect == "flushes_subnormals":
        result = np.where(np.abs(result) < 2.0**-126, np.copysign(F32(0), result), result)
    return np.ascontiguousarray(np.moveaxis(result, -1, axis)).astype(F32)


def _formats(lines, kind, defect, random, tensor_amax):
    match kind:
        case "mxfp4" | "mxfp6_e2m3" | "mxfp8_e4m3" | "mxfp8_e5m2" | "mxint8":
            element = {"mxfp4": "e2m1", "mxint8": "int8f6"}.get(kind) or kind[-4:]
            return by_blocks(lines, 32, lambda block, r: mx_block(block, ELEMENTS[element], r, defect), random, defect)
        case "nvfp4":
            return nvfp4(lines, random, tensor_amax, defect)
        case "int8_row":
            return by_blocks(lines, max(lines.shape[-1], 1), lambda b, r: row_block(b, r, defect), random, defect)
        case _:
            return cast(lines, ELEMENTS[str(kind)], random, defect)


def by_blocks(lines, size, function, random, defect):
    """`function` of every run of `size` numbers, padded with zeros."""
    if defect == "wrong_block_size":
        size = max(size // 2, 1)
    length = lines.shape[-1]
    padded = np.zeros((*lines.shape[:-1], -(-length // size) * size), F32)
    padded[..., :length] = lines
    blocks = padded.reshape(*padded.shape[:-1], -1, size)
    bits = None
    if random is not None:
        bits = np.zeros(padded.shape, np.float64)
        bits[..., :length] = random
        bits = bits.reshape(blocks.shape)
    result = function(blocks, bits).reshape(padded.shape)[..., :length]
    if defect == "unscaled_tail" and length % size:
        result[..., length - length % size :] = lines[..., length - length % size :]
    return result


def mx_block(block, element, random, defect):
    """OCP MX: exponent floor(log2 amax) - emax, clamped; the quotient is exact in float64."""
    amax = np.max(np.abs(block), axis=-1, keepdims=True)
    largest = element.largest if defect != "wrong_maximum" else element.largest * 2
    emax = np.frexp(largest)[1] - 1
    exponent = np.frexp(amax)[1] - 1
    if defect == "float_log2":
        exponent = np.floor(np.log2(amax.astype(F32))).astype(int)
    if defect == "log2_scale_up":
        exponent = exponent + (amax > np.ldexp(1.75, exponent))
    exponent = np.where(amax > 0, exponent - emax, -127)
    if defect != "no_clamp_of_tiny_scales":
        exponent = np.clip(exponent, -127, 127)
    scale = np.ldexp(1.0, exponent)
    divisor = scale
    if defect == "unrounded_scale":
        divisor = np.where(amax > 0, amax.astype(np.float64) / element.largest, 1)
    y = block.astype(np.float64) / divisor
    if defect == "float16_intermediate":
        y = y.astype(np.float16).astype(np.float64)
    elements = rounded(y, element, random, defect)
    if defect == "zero_block_is_nan":
        elements = np.where(amax > 0, elements, np.nan)
    return special(block, (elements * scale).astype(F32), defect)


def row_block(block, random, defect):
    """int8 with a float32 scale amax / 127."""
    amax = np.max(np.abs(block), axis=-1, keepdims=True)
    scale = amax / F32(127) if defect != "reciprocal_target" else amax * (F32(1) / F32(127))
    safe = np.where(scale > 0, scale, F32(1))
    y = block / safe if defect != "reciprocal_division" else block * (F32(1) / safe)
    y = np.where(scale > 0, y, F32(0))
    value = rounded(y.astype(np.float64), ELEMENTS["int8"], random, defect).astype(F32) * scale
    return special(block, value, defect)


def nvfp4(lines, random, tensor_amax, defect):
    """NVFP4 in TransformerEngine's arithmetic, float32 throughout."""
    finite = np.where(np.isfinite(lines), np.abs(lines), 0)
    amax = F32(np.max(finite, initial=0.0))
    if defect == "tensor_amax_of_first_block":
        amax = F32(np.max(finite.reshape(-1)[:16], initial=0.0)) if lines.size else amax
    if tensor_amax is not None and defect != "ignores_tensor_amax":
        amax = F32(tensor_amax)
    product = F32(448) * F32(6)
    encode = product / amax if amax else F32(np.inf)
    decode = amax / product
    if encode > FLT_MAX:
        encode = FLT_MAX
        decode = F32(1) / encode

    def block_of(block, bits):
        top = np.max(np.abs(block), axis=-1, keepdims=True)
        target = np.minimum(top * (encode * (F32(1) / F32(6))), F32(448))
        if defect == "scale_floored_at_min_normal":
            target = np.maximum(target, F32(2.0**-6))
        scale = rounded(target.astype(np.float64), ELEMENTS["e4m3"], None, "").astype(F32)
        divisor = target if defect == "unrounded_scale" else scale
        factor = np.minimum(F32(1) / (divisor * (F32(1) / encode)), FLT_MAX)
        y = block * factor
        if defect == "division_instead_of_reciprocal":
            y = np.where(divisor > 0, block / (divisor * decode), F32(0))
        elements = rounded(y.astype(np.float64), ELEMENTS["e2m1"], bits, defect).astype(F32)
        if defect == "fused_tensor_scale":
            return special(block, elements * (scale * decode), defect)
        return special(block, elements * scale * decode, defect)

    return by_blocks(lines, 16, block_of, random, defect)


def cast(lines, element, random, defect):
    """A plain cast that saturates; NaN stays NaN."""
    value = rounded(lines.astype(np.float64), element, random, defect)
    return np.where(np.isnan(lines), np.nan, value).astype(F32)


def special(block, value, defect):
    """NaN for blocks that hold a NaN or an infinity."""
    bad = ~np.isfinite(block)
    spoiled = np.any(bad, axis=-1, keepdims=True)
    if defect == "nan_alone":
        spoiled = np.where(np.any(np.isnan(block), axis=-1, keepdims=True), np.isnan(block), spoiled)
        clean = np.where(bad, 0, block)
        value = np.where(np.any(bad, axis=-1, keepdims=True), clean, value)
    if defect == "infinity_alone":
        spoiled = np.where(np.any(np.isnan(block), axis=-1, keepdims=True), spoiled, False)
        value = np.where(np.isinf(block), block, np.where(np.any(bad, axis=-1, keepdims=True), 0, value))
    return np.where(spoiled, F32(np.nan), value).astype(F32)


def rounded(y, element, random, defect):
    """Magnitudes to the grid, saturated: ties to even, or by random numbers in [0, 1)."""
    magnitude = np.abs(y)
    exponent = np.maximum(np.frexp(np.where(magnitude > 0, magnitude, 1))[1] - 1, element.lowest)
    step = np.ldexp(1.0, exponent - element.mantissa)
    steps = magnitude / step
    low = np.floor(steps)
    if random is not None:
        shift = random if defect != "sr_biased_rule" else np.minimum(random + 0.05, 1)
        up = (steps - low) + shift >= 1
        if defect == "sr_never_lifts_tiny":
            up &= magnitude >= np.ldexp(1.0, element.lowest - element.mantissa) / 2
        n = low + up
    else:
        n = np.rint(steps)
        if defect == "ties_away":
            n = np.floor(steps + 0.5)
        if defect == "ties_to_zero":
            n = np.ceil(steps - 0.5)
        if defect == "truncates":
            n = low
    value = n * step
    if defect == "no_subnormal_elements":
        value = np.where(value < np.ldexp(1.0, element.lowest), 0, value)
    largest = element.largest if defect != "wrong_maximum" else element.largest / 2
    if defect == "saturates_to_infinity":
        value = np.where(value > largest, np.inf, value)
    elif defect == "wraps_instead_of_saturating":
        value = np.where(value > largest, 0.0, value)
    else:
        value = np.minimum(value, largest)
    result = np.copysign(value, y)
    return result if element.negative_zero else result + 0.0


def draws(x, axis, seed, stream, defect):
    """Random numbers (2r + 1) / 2^33 of every element, by Philox4x32-10 and the row-major index."""
    index = np.arange(x.size, dtype=np.uint64).reshape(x.shape)
    if defect == "sr_index_along_axis":
        moved = np.moveaxis(x, axis, -1)
        index = np.moveaxis(np.arange(x.size, dtype=np.uint64).reshape(moved.shape), -1, axis)
    if defect == "sr_index_of_memory" and not x.flags.c_contiguous:
        index = np.arange(x.size, dtype=np.uint64).reshape(x.shape[::-1]).T
    if defect == "sr_ignores_high_seed":
        seed &= 0xFFFFFFFF
    if defect == "sr_ignores_stream":
        stream = 0
    counter = index // np.uint64(4) + np.uint64(defect == "sr_counter_off_by_one")
    words = philox(counter, seed, stream)
    r = np.choose((index % np.uint64(4)).astype(int), words)
    return (2 * r.astype(np.float64) + 1) / 2.0**33


def philox(counter, seed, stream):
    """Ten rounds on four words a counter, in 64-bit integers."""
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c = [counter & mask, counter >> half, np.full_like(counter, stream), np.zeros_like(counter)]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p2 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p2 >> half) ^ c[1] ^ np.uint64(k0), p2 & mask, (p0 >> half) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def hadamard(x, signs, defect):
    """c · H · (D ∘ x) in groups of len(signs) along the last axis, padded with zeros."""
    n = len(signs)
    length = x.shape[-1]
    whole = length if defect == "no_padding" and length % n else -(-length // n) * n
    padded = np.zeros((*x.shape[:-1], -(-length // n) * n), F32)
    padded[..., :length] = x
    groups = padded.reshape(*padded.shape[:-1], -1, n)
    signs = np.array(signs, F32)
    if defect != "signs_after":
        groups = groups * signs
    strides = [1 << k for k in range(n.bit_length() - 1)]
    for stride in reversed(strides) if defect == "other_butterfly_order" else strides:
        pairs = groups.reshape(*groups.shape[:-1], -1, 2, stride)
        a, b = pairs[..., 0, :], pairs[..., 1, :]
        groups = np.stack([a + b, a - b], axis=-2).reshape(groups.shape)
    if defect != "unnormalized":
        groups = groups * F32(1 / np.sqrt(n))
    if defect == "signs_after":
        groups = groups * signs
    return groups.reshape(padded.shape)[..., :whole]
