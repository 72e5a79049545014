"""Every value, every midpoint and every 16-bit input of every element: kernels against the oracle and ml_dtypes."""

import itertools
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from format_cases import CASTS, REGISTERED, SMALL_ELEMENTS, small_float_elements
from oracle_arrays import all_sixteen_bit_numbers, assert_same, bit_patterns, narrow, widen

import lowbit as lb
from lowbit import reference
from lowbit.formats import BlockFormat, Element, FloatElement, Overflow, Peak
from lowbit.formats import element as find_element
from lowbit.formats import format as find_format
from lowbit.formats.elements import element_text
from lowbit.testing.hostile_inputs import critical_numbers

SMALL_CASTS = tuple(name for name in CASTS if find_format(name).element.bits <= 8)
WIDE_CASTS = tuple(
    name for name in (*REGISTERED, *CASTS) if find_format(name).scale is None and name not in SMALL_CASTS
)
EQUIVARIANT_EXPONENTS = (-60, -1, 0, 1, 7, 60, 110)

ML_DTYPES = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e4m3/overflow=inf_nan": ml_dtypes.float8_e4m3fn,
    "e5m2/overflow=inf_nan": ml_dtypes.float8_e5m2,
    "e4m3fnuz/overflow=inf_nan": ml_dtypes.float8_e4m3fnuz,
    "e5m2fnuz/overflow=inf_nan": ml_dtypes.float8_e5m2fnuz,
    "e4m3b11fnuz/overflow=inf_nan": ml_dtypes.float8_e4m3b11fnuz,
    "e3m4/overflow=inf_nan": ml_dtypes.float8_e3m4,
    "e4m3ieee/overflow=inf_nan": ml_dtypes.float8_e4m3,
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
}
"""Casts that ml_dtypes (or numpy) has: formats without infinity or NaN saturate, the others overflow."""


@cache
def steps(name: str | BlockFormat) -> tuple[np.ndarray, np.ndarray]:
    """(thresholds, values): binary32 x rounds to values[i] where thresholds[i-1] <= x < thresholds[i].

    Every threshold is found by asking the oracle about the binary32 numbers around a midpoint; rounding is monotone.
    """
    fmt = find_format(name)
    e, values = fmt.element, list(fmt.element.values())
    ends = [(value, value) for value in values]
    if isinstance(e, FloatElement) and e.signed:  # one more step on either side: saturates, or overflows
        beyond = float(e.max_fraction) + 2.0 ** (e.max_exponent - e.mantissa_bits)
        if beyond < 2.0**128:
            over = reference.round(2 * e.max if 2 * e.max < 2.0**128 else beyond, e, overflow=str(fmt.overflow))
            ends = [(-beyond, -over), *ends, (beyond, over)]
    thresholds = [_threshold(e, str(fmt.overflow), low, high) for low, high in itertools.pairwise(ends)]
    return np.array(thresholds, np.float32), np.array([value for _, value in ends], np.float32)


def _threshold(e: Element, overflow: str, low: tuple[float, float], high: tuple[float, float]) -> np.float32:
    """The smallest binary32 number above the interval's lower end that the oracle takes to its upper end."""
    middle = np.float32((low[0] + high[0]) / 2)
    candidates = [np.nextafter(middle, np.float32(-np.inf)), middle, np.nextafter(middle, np.float32(np.inf))]
    results = [reference.round(float(candidate), e, overflow=overflow) for candidate in candidates]
    ups = [_equal(result, high[1]) and not _equal(low[1], high[1]) for result in results]
    if _equal(low[1], high[1]):
        return middle
    assert all(_equal(r, high[1]) if up else _equal(r, low[1]) for r, up in zip(results, ups, strict=True))
    assert ups == sorted(ups), "rounding is monotone around a midpoint"
    return candidates[ups.index(True)]


def _equal(left: float, right: float) -> bool:
    return left == right or (left != left and right != right)


def expected_cast(x: np.ndarray, name: str | BlockFormat) -> np.ndarray:
    """The oracle's values (float32) of numbers of any dtype, by its thresholds."""
    fmt, single = find_format(name), widen(x)
    thresholds, values = steps(name)
    with np.errstate(invalid="ignore"):
        result = values[np.searchsorted(thresholds, single, side="right")]
    zero = np.where(np.signbit(single) & fmt.element.has_negative_zero, np.float32(-0.0), np.float32(0.0))
    result = np.where(result == 0, zero, result)
    specials = {value: reference.qdq([value], fmt)[0] for value in (np.inf, -np.inf)} if fmt.has_nan else {}
    for value, becomes in specials.items():
        result = np.where(single == value, np.float32(becomes), result)
    return np.where(np.isnan(single), np.float32(np.nan), result).astype(np.float32)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", SMALL_CASTS)
def test_all_sixteen_bit_inputs_of_a_cast(name: str, dtype: str) -> None:
    x = all_sixteen_bit_numbers(dtype, finite=not find_format(name).has_nan)
    expected = narrow(expected_cast(x, name), x.dtype)
    assert_same(lb.qdq(x, name), expected, x, name)
    assert_same(lb.quantize(x, name).dequantize(), expected, x, f"dequantize {name}")


@pytest.mark.parametrize("name", SMALL_CASTS)
def test_all_sixteen_bit_inputs_as_float32(name: str) -> None:
    """The same numbers widened, so that nothing is lost in the result; codes too."""
    for dtype in ("bfloat16", "float16"):
        x = widen(all_sixteen_bit_numbers(dtype, finite=not find_format(name).has_nan))
        expected = expected_cast(x, name)
        assert_same(lb.qdq(x, name), expected, x, name)
        e, codes = find_format(name).element, lb.quantize(x, name).codes
        decoded = np.array([e.decode(code) for code in range(1 << e.bits)], np.float64).astype(np.float32)
        assert_same(decoded[codes], expected, x, f"codes of {name}")
        assert set(np.unique(codes[np.isnan(expected)])) <= {e.nan_code}


@pytest.mark.parametrize("name", WIDE_CASTS)
def test_a_sample_of_sixteen_bit_inputs_of_a_wide_cast(name: str, rng: np.random.Generator) -> None:
    for dtype in ("bfloat16", "float16"):
        x = rng.permutation(all_sixteen_bit_numbers(dtype, finite=False))[:600]
        expected = np.array(reference.qdq(widen(x).tolist(), name), np.float64).astype(np.float32)
        assert_same(lb.qdq(x, name), narrow(expected, x.dtype), x, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", WIDE_CASTS)
def test_all_sixteen_bit_inputs_of_a_wide_cast(name: str) -> None:
    for dtype in ("bfloat16", "float16"):
        x = all_sixteen_bit_numbers(dtype, finite=False)
        expected = np.array(reference.qdq(widen(x).tolist(), name), np.float64).astype(np.float32)
        assert_same(lb.qdq(x, name), narrow(expected, x.dtype), x, name)


@pytest.mark.parametrize("name", ML_DTYPES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_casts_equal_ml_dtypes(name: str, dtype: str) -> None:
    """All 65,536 inputs, in their own dtype and as float32 (formats without NaN: the finite ones)."""
    for x in (numbers := all_sixteen_bit_numbers(dtype, finite=not find_format(name).has_nan), widen(numbers)):
        with np.errstate(over="ignore", invalid="ignore"):
            expected = narrow(widen(x).astype(ML_DTYPES[name]).astype(np.float32), x.dtype)
        assert_same(lb.qdq(x, name), expected, x, name)


@pytest.mark.parametrize("name", ["bf16", "fp16", "tf32"])
def test_wide_casts_of_float32(name: str, rng: np.random.Generator) -> None:
    """Random patterns, and every tie of the exponents' boundaries with its neighbours, against integer arithmetic."""
    bits = rng.integers(0, 1 << 32, 200_000, dtype=np.uint64).astype(np.uint32)
    dropped = {"bf16": 16, "tf32": 13, "fp16": 13}[name]
    ties = (bits[:50_000] >> dropped << dropped) + np.uint32(1 << (dropped - 1))
    x = np.concatenate([bits, ties, ties - 1, ties + 1]).view(np.float32)
    if name == "fp16":
        with np.errstate(over="ignore", invalid="ignore"):
            expected = x.astype(np.float16).astype(np.float32)
    else:
        wide = x.view(np.uint32).astype(np.uint64)
        rounded = (wide + (1 << (dropped - 1)) - 1 + ((wide >> dropped) & 1)) >> dropped << dropped
        expected = np.where(np.isnan(x), np.float32(np.nan), rounded.astype(np.uint32).view(np.float32))
    assert_same(lb.qdq(x, name), expected, x, name)


def blocks_of_scale_one(e: Element, numbers: np.ndarray, block: int) -> np.ndarray:
    """Blocks whose first member is the element's largest value, so that their scale is 1; numbers fill the rest."""
    inside = numbers[np.abs(numbers) <= np.float32(e.max)]
    padded = np.zeros(-(-len(inside) // (block - 1)) * (block - 1), np.float32)
    padded[: len(inside)] = inside
    first = np.full((len(padded) // (block - 1), 1), e.max, np.float32)
    return np.concatenate([first, padded.reshape(-1, block - 1)], axis=1)


@pytest.mark.parametrize("e", SMALL_ELEMENTS, ids=element_text)
def test_midpoints_and_their_neighbours(e: Element) -> None:
    """In blocks of scale 1, as a plain cast, and scaled by powers of two: what the oracle rounds to."""
    cast = BlockFormat(element=e)
    blocked = find_format(f"{element_text(e)}/k32/e8m0")
    x = blocks_of_scale_one(e, critical_numbers(e), 32)
    expected = expected_cast(x, cast)
    direct = np.array([reference.round(float(v), e) for v in x.reshape(-1)[:: max(1, x.size // 200)]], np.float32)
    assert np.array_equal(direct, expected.reshape(-1)[:: max(1, x.size // 200)])
    assert_same(lb.qdq(x, cast), expected, x, "cast")
    x = np.where(np.abs(x) < np.float32(2.0**-40), np.float32(0), x)  # whose multiples are not all exact
    expected = expected_cast(x, cast)
    for exponent in EQUIVARIANT_EXPONENTS:
        if e.max_exponent + exponent > 126:
            continue
        scaled = np.ldexp(x, exponent)
        assert np.array_equal(np.ldexp(scaled, -exponent), x)
        assert_same(lb.qdq(scaled, blocked), np.ldexp(expected, exponent), scaled, f"times 2^{exponent}")


def keeps_codes(name: str) -> bool:
    """Whether a block of scale 1 keeps the element's own codes: peaks and halved runs have others beside them."""
    fmt = find_format(name)
    return fmt.scale is not None and fmt.peak is Peak.PLAIN and not fmt.micro_exponents


@pytest.mark.parametrize("name", [*filter(keeps_codes, REGISTERED)])
def test_every_code_round_trips(name: str) -> None:
    """All values of the element in blocks of scale 1 come back as they are, under their own codes."""
    fmt = find_format(name)
    e = fmt.element
    assert e.bits <= 8 and fmt.block is not None, "wider elements: test_every_code_of_a_cast_round_trips"
    values = np.array(e.values(), np.float32)
    if e.has_negative_zero:
        values = np.append(values, np.float32(-0.0))
    arguments: dict[str, Any] = {"tensor_scale": 1.0} if fmt.tensor_target is not None else {}
    width = min((fmt.block.sizes or (None,))[-1] or 48, 48)
    x = blocks_of_scale_one(e, values, width)
    if not fmt.block.is_row and not fmt.block.is_tensor:
        x = np.pad(x, ((0, 0), (0, (fmt.block.sizes[-1] or width) - width)))  # whole blocks, each in a row of its own
    q = lb.quantize(x, name, **arguments)
    assert np.array_equal(bit_patterns(lb.qdq(x, name, **arguments)), bit_patterns(x))
    assert np.array_equal(bit_patterns(q.dequantize()), bit_patterns(x))
    code_of = {float(value).hex(): e.encode(float(value)) for value in [*values, np.float32(0)]}
    assert q.codes.reshape(-1).tolist() == [code_of[float(value).hex()] for value in x.reshape(-1)]
    assert set(np.unique(q.codes)) == set(code_of.values()) | {e.encode(0.0)}


@pytest.mark.parametrize("name", [*CASTS, "bf16", "fp16", "tf32"])
def test_every_code_of_a_cast_round_trips(name: str) -> None:
    """Codes -> values -> codes: all of them, NaN becomes the format's own NaN, symmetric integers leave one unused."""
    fmt = find_format(name)
    e = fmt.element
    codes = np.arange(1 << e.bits)[:: 1 if e.bits <= 16 else 7]
    with np.errstate(over="ignore"):
        values = np.array([e.decode(int(code)) for code in codes], np.float64).astype(np.float32)
    keep = np.isfinite(values) | (np.isinf(values) & (fmt.overflow is Overflow.INF_NAN))
    keep[np.isin(codes, list(e.unused_codes))] = False
    q = lb.quantize(values[keep], name)
    assert np.array_equal(q.codes, codes[keep])
    assert np.array_equal(bit_patterns(q.dequantize()), bit_patterns(values[keep]))
    assert np.array_equal(bit_patterns(lb.qdq(values[keep], name)), bit_patterns(values[keep]))
    if e.has_nan:
        assert lb.quantize(np.array([np.nan, -np.nan], np.float32), name).codes.tolist() == [e.nan_code] * 2
        assert np.isnan(lb.quantize(np.array([np.nan], np.float32), name).dequantize()).all()


@pytest.mark.parametrize("e", small_float_elements(), ids=element_text)
def test_every_float_of_three_to_eight_bits(e: Element) -> None:
    """Tilus's whole family: every value round-trips and every midpoint goes to the even code."""
    cast = BlockFormat(element=e)
    values = np.array(e.values(), np.float32)
    assert np.array_equal(lb.qdq(values, cast), values)
    middles = (np.array(e.values())[1:] + np.array(e.values())[:-1]) / 2
    rounded = lb.qdq(middles.astype(np.float32), cast)
    expected = np.array([reference.round(float(m), e) for m in middles], np.float32)
    assert np.array_equal(bit_patterns(rounded), bit_patterns(expected))


def test_the_contracts_own_examples() -> None:
    """Rows of the table of disagreements (§10), and the tie to the even code of e3m0 (§5)."""
    below_eight = np.nextafter(np.float32(8), np.float32(0))
    assert lb.qdq(np.array([below_eight], np.float32), "mxfp4").tolist() == [6.0]
    assert lb.qdq(np.array([5.0, 2.5, 0.25, 7.99], np.float32), "mxfp4").tolist() == [4.0, 2.0, 0.0, 6.0]
    for exponent in (-125, -126, -127):
        tiny = np.array([2.0**exponent, 0.0, -(2.0**exponent)], np.float32)
        assert np.array_equal(lb.qdq(tiny, "mxfp4"), tiny)
    largest = np.array([np.finfo(np.float32).max], np.float32)
    assert lb.qdq(largest, "mxfp4").tolist() == [6 * 2.0**125]
    for bad in (np.nan, np.inf, -np.inf):
        block = np.array([0.0, bad, 1.0], np.float32)
        assert np.isnan(lb.qdq(block, "mxfp4")).all()
        q = lb.quantize(block, "mxfp4")
        assert q.codes.tolist() == [0, 0, 0] and q.scales.tolist() == [0xFF]
    assert np.signbit(lb.qdq(np.array([-0.0, 1.0], np.float32), "mxfp4")).tolist() == [True, False]
    assert np.signbit(lb.qdq(np.array([-0.0, 0.0], np.float32), "nvfp4")).tolist() == [True, False]
    small = np.zeros(32, np.float32)
    small[0], small[16:] = 2.0**-20, 448.0
    assert lb.qdq(small, "nvfp4")[0] == 0.0
    assert lb.qdq(np.array([3.0, 16.0], np.float32), "e3m0/k32/e8m0").tolist() == [2.0, 16.0]
    assert find_element("e3m0").encode(2.0) % 2 == 0
