"""The oracle's results as arrays, for comparison with golden vectors and kernels."""

import numpy as np
from golden_vectors import Case

from lowbit import reference


def oracle_codes(case: Case) -> dict[str, np.ndarray]:
    """`codes` (the input's shape) and `scales` (codes, the block grid's shape) of the oracle, uint8."""
    result = reference.quantize(
        case.x.tolist(),
        case.fmt,
        rounding=case.rounding,
        tensor_amax=case.tensor_amax,
        tensor_scale=case.tensor_scale,
    )
    return {"codes": np.array(result.codes, np.uint8), "scales": np.array(result.scales, np.uint8)}


def oracle_values(case: Case) -> dict[str, np.ndarray]:
    """`value_bits`: float32 patterns of the oracle's values, the input's shape."""
    values = np.array(reference.qdq(case.x.tolist(), case.fmt, rounding=case.rounding))
    narrow = values.astype(np.float32)
    assert np.array_equal(narrow, values, equal_nan=True), "decoded values are binary32 numbers"
    return {"value_bits": narrow.view(np.uint32)}
