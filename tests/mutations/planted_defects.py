"""The defects: what real libraries got wrong, and what is easy to get wrong here.

Kernel defects name tests of kernels against the oracle; defects of the oracle need evidence from elsewhere: golden
vectors, and tables of other libraries.
"""

from mutation_check import Defect

_ELEMENTS = ("tests/conformance/test_conformance_elements.py",)
_ROUNDING = ("tests/conformance/test_conformance_rounding.py",)
_QUANTIZERS = ("tests/conformance/test_conformance_oracle.py",)
_RANDOM = ("tests/ops/test_random_rounding.py",)
_KERNELS = "kernels/cpu"

_ROUND = (
    Defect(
        "ties away from zero",
        f"{_KERNELS}/rounding.py",
        "total = magnitude + magnet\n",
        "total = as_real(as_bits(magnitude) + splat_bits(np.uint32(1))) + magnet\n",
        _ELEMENTS,
    ),
    Defect(
        "-0 lost",
        f"{_KERNELS}/rounding.py",
        "zero = np.float32(-0.0) if p.negative_zero else np.float32(0.0)",
        "zero = np.float32(0.0)",
        _ELEMENTS,
    ),
    Defect(
        "saturation to infinity",
        "lowbit/lowering.py",
        'record["overflow"], record["overflow_code"] = element.max, element.max_code\n    if',
        'record["overflow"], record["overflow_code"] = float("inf"), element.max_code\n    if',
        _QUANTIZERS,
    ),
    Defect(
        "tiny values never round up at random",
        f"{_KERNELS}/rounding.py",
        "    drawn = rest * whole\n",
        "    drawn = where_less(rest, splat_real(np.float32(0.125)), splat_real(np.float32(0)), rest * whole)\n",
        _RANDOM,
    ),
    Defect(
        "the random threshold is off by one",
        f"{_KERNELS}/rounding.py",
        "return where_below(random ^ all_ones, units, yes, no)",
        "return where_below(random, units, yes, no)",
        _RANDOM,
    ),
    Defect(
        "to_odd takes the even neighbour",
        "lowbit/rounding_rules.py",
        "return NEVER if odd else ALWAYS",
        "return ALWAYS if odd else NEVER",
        _ROUNDING,
    ),
    Defect(
        "bfloat16 results are truncated",
        f"{_KERNELS}/pairs.py",
        "return builder.add(builder.add(bits, constant(0x7FFF)), odd)",
        "return builder.add(bits, builder.sub(odd, odd))",
        _QUANTIZERS,
    ),
)

_SCALES = (
    Defect(
        "the scale is not rounded before the division",
        f"{_KERNELS}/scale.py",
        "    scale = _on_scale_grid(p, target)\n",
        "    scale = target\n",
        _QUANTIZERS,
    ),
    Defect(
        "floor by a rounded logarithm",
        f"{_KERNELS}/scale.py",
        "bits = (amax + splat_bits(p.scale_increment)) & splat_bits(EXPONENT)",
        "bits = (amax + splat_bits(p.scale_increment) + splat_bits(np.uint32(1))) & splat_bits(EXPONENT)",
        _QUANTIZERS,
    ),
    Defect(
        "shared exponents are not clamped",
        "lowbit/lowering.py",
        "low = (127 + max(target - 80, -100, target + scale.min_exponent)) << 23",
        "low = 1 << 23",
        _QUANTIZERS,
    ),
    Defect(
        "a ragged tail is not scaled",
        f"{_KERNELS}/amax.py",
        "amaxes[whole] = run_amax(x, start + whole * width, columns - whole * width)",
        "amaxes[whole] = np.uint32(127 << 23)",
        _QUANTIZERS,
    ),
    Defect(
        "the block maximum is of the wrong axis",
        "lowbit/geometry.py",
        "    positive = tuple(axis % ndim for axis in axes)\n",
        "    positive = tuple(ndim - 1 - axis % ndim for axis in axes)\n",
        _QUANTIZERS,
    ),
    Defect(
        "tensor amax counts infinities",
        f"{_KERNELS}/amax.py",
        "maxima = larger(maxima, where_below(left, infinity, left, zero))",
        "maxima = larger(maxima, left)",
        ("tests/ops",),
    ),
    Defect(
        "the tensor scale is multiplied first",
        f"{_KERNELS}/dequantize_codes.py",
        "bits = as_bits(as_real(bits) * splat_real(scale) * outer)",
        "bits = as_bits(as_real(bits) * (splat_real(scale) * outer))",
        ("tests/ops",),
    ),
    Defect(
        "NVFP4's encode scale is the plain quotient",
        "lowbit/second_level.py",
        'record["encode_over_max"] = binary32(encode * binary32(1 / largest))',
        'record["encode_over_max"] = binary32(encode / largest)',
        (*_QUANTIZERS, "tests/conformance/test_golden_kernels.py"),
    ),
    Defect(
        "a slightly worse candidate wins",
        f"{_KERNELS}/lane_candidates.py",
        "least = where_less(error, least, error, least)",
        "least = where_less(error, least, error, least * splat_real(np.float32(1.0001)))",
        ("tests/conformance", "tests/ops"),
    ),
    Defect(
        "blocks with NaN are rounded as if they were numbers",
        "lowbit/lowering.py",
        "low, high = (127 - 60) << 23, (127 + 60) << 23",
        "low, high = (127 - 60) << 23, 0xFFFFFFFF",
        _QUANTIZERS,
    ),
    Defect(
        "subnormal inputs vanish where the process flushes them",
        f"{_KERNELS}/scalar.py",
        "    if magnitude < np.uint32(0x00800000):\n        value = np.float64(np.int64(magnitude)) * 2.0**-149",
        "    if magnitude < np.uint32(0x00800000):\n        value = np.float64(real_of(magnitude))",
        ("tests/ops",),
    ),
    Defect(
        "ceil is taken for rceil",
        "lowbit/lowering.py",
        "return (1 << 23) - 1 - int((fraction - 1) * 2**23), exponent",
        "return (1 << 23) - 1, exponent",
        _QUANTIZERS,
    ),
)

_DRAWS = (
    Defect(
        "Philox counters are off by one",
        f"{_KERNELS}/random.py",
        "            _fill_run(draw, counter, (lane + count) * bits, words)\n",
        "            _fill_run(draw, counter + np.uint64(1), (lane + count) * bits, words)\n",
        _RANDOM,
    ),
    Defect(
        "random bits are indexed along the axis",
        "lowbit/ops/draws.py",
        "length, stride = shape[axis], place.strides[axis]\n",
        "length, stride = shape[axis], place.strides[len(shape) - 1 - axis]\n",
        _RANDOM,
    ),
    Defect(
        "offset is forgotten",
        "lowbit/ops/draws.py",
        'draw["seed"], draw["stream"], draw["offset"] = place.seed, place.stream, place.offset',
        'draw["seed"], draw["stream"], draw["offset"] = place.seed, place.stream, 0',
        _RANDOM,
    ),
    Defect(
        "the high half of the seed is dropped",
        f"{_KERNELS}/philox.py",
        "keys = [builder.and_(seed, word), builder.lshr(seed, ir.Constant(I64, 32))]",
        "keys = [builder.and_(seed, word), ir.Constant(I64, 0)]",
        _RANDOM,
    ),
    Defect(
        "signs come after the Hadamard matrix",
        "lowbit/rotation.py",
        "return Rotation(record, none, signs, matrix) if inverse else Rotation(record, signs, none, matrix)",
        "return Rotation(record, signs, none, matrix) if inverse else Rotation(record, none, signs, matrix)",
        ("tests/ops",),
    ),
    Defect(
        "a butterfly has its difference the wrong way round",
        f"{_KERNELS}/butterflies.py",
        "    store_reals(work, stride, a - b)\n\n\n@stage\ndef _four",
        "    store_reals(work, stride, b - a)\n\n\n@stage\ndef _four",
        ("tests/ops",),
    ),
)

_DESCRIPTIONS = (
    Defect(
        "UE5M3 ends at 61440",
        "lowbit/formats/elements.py",
        '_scale("ue5m3", 5, 3, 15, Specials.NAN',
        '_scale("ue5m3", 5, 3, 15, Specials.IEEE',
        ("tests/formats",),
    ),
    Defect(
        "a wrong derived property: the lowest exponent",
        "lowbit/formats/floats.py",
        "return (1 if self.zero else 0) - self.bias",
        "return -self.bias",
        ("tests/formats",),
    ),
    Defect(
        "integers use their lowest code",
        "lowbit/formats/grids.py",
        "return -(self.max_integer + int(self.asymmetric)) if self.signed else 0",
        "return -(self.max_integer + 1) if self.signed else 0",
        ("tests/formats",),
    ),
    Defect(
        "nibbles are swapped",
        f"{_KERNELS}/octets.py",
        "builder.or_(builder.and_(words, even), odd)",
        "builder.or_(builder.shl(builder.and_(words, even), constant(used, WORDS)), "
        "builder.lshr(odd, constant(used, WORDS)))",
        ("tests/kernels", "tests/ops"),
    ),
    Defect(
        "sizes in a stored tensor are believed",
        "lowbit/ops/qtensor_file.py",
        "    if found != expected:\n",
        "    if set(found) != set(expected):\n",
        ("tests/ops",),
    ),
    Defect(
        "the oracle takes the wrong neighbour of a tie",
        "lowbit/reference/rounding.py",
        "return distance > HALF or (distance == HALF and low_code % 2 == 1)",
        "return distance > HALF or (distance == HALF and low_code % 2 == 0)",
        ("tests/golden", "tests/reference"),
    ),
)

_ABOVE = (
    Defect(
        "threads skip the last work item",
        f"{_KERNELS}/scheduler.py",
        "bounds = [items * piece // pieces for piece in range(pieces + 1)]",
        "bounds = [(items - 1) * piece // pieces for piece in range(pieces + 1)]",
        ("tests/kernels", "tests/ops"),
    ),
    Defect(
        "the cache of kernels ignores edits",
        f"{_KERNELS}/jit.py",
        'digest.update(path.name.encode() + b"\\0" + path.read_bytes())',
        'digest.update(path.name.encode() + b"\\0")',
        ("tests/kernels",),
    ),
    Defect(
        "the gradient is masked where values saturate",
        "lowbit/ops/torch_direct.py",
        "    return (grad, *[None] * 13)\n",
        "    return (grad.clamp(-1, 1), *[None] * 13)\n",
        ("tests/ops", "tests/autograd"),
    ),
    Defect(
        "dgrad casts the weight along the wrong axis",
        "lowbit/autograd/linear.py",
        'cast_weight = _cast(weight, casts.dgrad_weight, 0, "dgrad.weight", ctx.layer)',
        'cast_weight = _cast(weight, casts.dgrad_weight, -1, "dgrad.weight", ctx.layer)',
        ("tests/autograd",),
    ),
    Defect(
        "rules are tried from the last one",
        "lowbit/nn/conversion.py",
        "rule = next((rule for rule in rules if rule.matches(names)), None)",
        "rule = next((rule for rule in reversed(rules) if rule.matches(names)), None)",
        ("tests/nn",),
    ),
    Defect(
        "trials are paired by position, not by seed",
        "lowbit/studies/compare.py",
        "return {record.spec.seed: record.loss for record in records if record.loss is not None}",
        "return {i: record.loss for i, record in enumerate(records) if record.loss is not None}",
        ("tests/studies/test_compare.py",),
    ),
)

DEFECTS = (*_ROUND, *_SCALES, *_DRAWS, *_DESCRIPTIONS, *_ABOVE)
