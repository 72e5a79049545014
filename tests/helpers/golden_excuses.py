"""Comparison with golden vectors, and the excuses for where other libraries are not exact.

`compare(case, ...)` returns how many elements differ under which row of the contract's table of disagreements (§10),
and fails on any other difference. Tests sum these counts over the cases and assert the sum: `EXCUSED`.
"""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
from golden_vectors import Case

TINY = "amax 2^-125; subnormal block, amax 2^-127"
NAN = "NaN in a block"
INFINITY = "Inf in a block"
LARGEST = "largest float32, floor rule"
MINUS_ZERO = "-0 as input"
SCALED_MINUS_ZERO = "-0 as input (here of the rounding: x × inverse scale underflows to -0)"
INTEGER_ZERO = "integers have no -0 (contract §1)"

SAMPLE_ROWS = 4
"""`rows` of `golden_vectors.sample` in the everyday tests."""

EXCUSED: dict[str, dict[str, int]] = {
    "torchao_mx": {TINY: 13306, NAN: 2020, INFINITY: 6400},
    "torchao_nvfp4": {},
    "transformer_engine_nvfp4": {MINUS_ZERO: 896, SCALED_MINUS_ZERO: 126},
    "transformer_engine_nvfp4_transposed": {MINUS_ZERO: 448, SCALED_MINUS_ZERO: 126},
    "transformer_engine_four_over_six": {MINUS_ZERO: 1792, SCALED_MINUS_ZERO: 126},
    "microxcaling_mx": {MINUS_ZERO: 7680, LARGEST: 5376, INTEGER_ZERO: 145435},
}
"""How many elements differ over all cases of a library, by the row that excuses them."""

EXCUSED_IN_SAMPLE: dict[str, dict[str, int]] = {
    "torchao_mx": {TINY: 13306, NAN: 2020, INFINITY: 6400},
    "torchao_nvfp4": {},
    "transformer_engine_nvfp4": {MINUS_ZERO: 896, SCALED_MINUS_ZERO: 126},
    "transformer_engine_four_over_six": {MINUS_ZERO: 1792, SCALED_MINUS_ZERO: 126},
    "microxcaling_mx": {MINUS_ZERO: 7680, LARGEST: 5376, INTEGER_ZERO: 15450},
}
"""The same for `sample(cases, rows=SAMPLE_ROWS)`, which keeps all special rows."""


def compare(
    case: Case,
    *,
    codes: np.ndarray | None = None,
    scales: np.ndarray | None = None,
    value_bits: np.ndarray | None = None,
) -> Counter[str]:
    """How many elements differ from the case, by the row of the contract's table that excuses them.

    Give `codes` and `scales`, or `value_bits` (all NaN count as equal), as the case has them. An element differs if its
    code, its value or the scale of its block does. AssertionError for a difference that no row covers.
    """
    different = np.zeros(case.x.shape, bool)
    if case.codes is not None and case.scales is not None:
        assert codes is not None and scales is not None
        assert codes.shape == case.codes.shape and scales.shape == case.scales.shape
        different = (codes != case.codes) | _spread(scales != case.scales, case.block)
    if case.value_bits is not None:
        assert value_bits is not None
        different = (value_bits != case.value_bits) & ~(_is_nan(value_bits) & _is_nan(case.value_bits))
    counts = Counter[str]()
    for row, covered in excuses(case).items():
        if count := int((different & covered).sum()):
            counts[row] = count
        different = different & ~covered
    where = np.argwhere(different)
    assert not len(where), f"{case.library} {case.key}: {len(where)} unexcused differences, first at {where[0]}"
    return counts


def tally(cases: Iterable[Case], run: Callable[[Case], dict[str, np.ndarray]]) -> dict[str, int]:
    """The sum of `compare` over the cases; `run` gives the arrays to compare, by the names of its arguments."""
    total = Counter[str]()
    for case in cases:
        total += compare(case, **run(case))
    return dict(total)


def excuses(case: Case) -> dict[str, np.ndarray]:
    """The elements that a row of the contract's table covers, by row; a row is absent where it cannot apply."""
    amax = block_amax(case)
    negative_zero = (case.x == 0) & np.signbit(case.x)
    match case.library:
        case "torchao_mx":
            return {
                NAN: _block_any(np.isnan(case.x), case.block),
                INFINITY: _block_any(np.isinf(case.x), case.block),
                TINY: (amax > 0) & (amax < 2.0**-124),
            }
        case "transformer_engine_nvfp4":
            return {MINUS_ZERO: negative_zero, SCALED_MINUS_ZERO: _scaled_to_minus_zero(case)}
        case "microxcaling_mx":
            no_negative_zero = case.fmt.startswith("int") and case.value_bits is not None
            zeros = case.value_bits == 0x80000000 if no_negative_zero else negative_zero
            return {INTEGER_ZERO if no_negative_zero else MINUS_ZERO: zeros, LARGEST: amax == np.finfo(np.float32).max}
        case _:
            return {}


def block_amax(case: Case) -> np.ndarray:
    """For every element, the largest finite magnitude of its block."""
    finite = np.where(np.isfinite(case.x), np.abs(case.x), 0)
    return _spread(_tiles(finite, case.block).max(axis=(1, 3)), case.block)


def _scaled_to_minus_zero(case: Case) -> np.ndarray:
    """Negative numbers so far below their block's amax that x × inverse scale underflows to -0 in binary32.

    TransformerEngine's reference treats that -0 like a -0 input. x × inverse scale is about 6 x / amax or less, so
    only x / amax below 2^-148 comes into question: the rest of the condition is that the library has code 0 there.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(case.x.astype(np.float64)) / block_amax(case)
    assert case.codes is not None
    return (case.x < 0) & (ratio < 2.0**-148) & (case.codes == 0)


def _is_nan(bits: np.ndarray) -> np.ndarray:
    return (bits & 0x7FFFFFFF) > 0x7F800000


def _tiles(x: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    rows, columns = x.shape
    return x.reshape(rows // block[0], block[0], columns // block[1], block[1])


def _spread(of_block: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    return np.repeat(np.repeat(of_block, block[0], axis=0), block[1], axis=1)


def _block_any(flags: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    return _spread(np.asarray(_tiles(flags, block).any(axis=(1, 3))), block)
