"""Which elements a format clips: the mask that clipped straight-through estimators multiply gradients with."""

from dataclasses import replace
from typing import Any, SupportsFloat

import numpy as np

from lowbit.decoding import decoded_bits
from lowbit.errors import UnsupportedError
from lowbit.formats import BlockFormat, Rounding
from lowbit.formats import format as find_format
from lowbit.formats.hadamard import Hadamard
from lowbit.geometry import Axis
from lowbit.ops import arrays
from lowbit.ops.front import quantize


def clip_mask(
    x: Any,
    fmt: str | BlockFormat,
    *,
    axis: Axis = -1,
    tensor_amax: SupportsFloat | None = None,
    tensor_scale: SupportsFloat | None = None,
    transform: Hadamard | None = None,
) -> Any:
    """True where an element, divided by its scales, lies strictly inside the element's range: |y| < M.

    Boolean numpy array or torch tensor of x's shape (with `transform` of the rotated shape, in the rotated basis, where
    QuEST applies it); arguments as for `qdq`. An amax-scaled block's largest element may lie on M and then counts as
    clipped, as in the published rule. False in blocks with NaN or infinity; True for zeros. -0 is a zero. Raises what
    `quantize` raises, and UnsupportedError for unsigned elements and for formats with side bits or drawn scales.
    Source: QuEST (arXiv 2502.05003), as Quartet (arXiv 2505.14669) uses it: mask |x / s| < 6 on both operands.

    >>> import numpy as np, lowbit as lb
    >>> lb.clip_mask(np.array([1.0, -7.0, 6.0, 0.0], np.float32), "mxfp4").tolist()
    [True, False, False, True]
    """
    found = find_format(fmt)
    if found.side_bits or found.needs_seed or found.element.min >= 0:
        raise UnsupportedError(f"clip_mask of {found} is not defined: use a signed element without side bits or seeds")
    # Rounded toward zero, exactly the elements outside end on the largest magnitudes.
    stored = quantize(
        x,
        found,
        axis=axis,
        rounding=Rounding.TOWARD_ZERO,
        tensor_amax=tensor_amax,
        tensor_scale=tensor_scale,
        transform=transform,
    )
    as_numpy = replace(stored, framework=arrays.NUMPY)
    values = decoded_bits(found.element).view(np.float32)
    inside = (values < np.float32(found.element.max)) & (values > np.float32(found.element.min))
    mask = inside[as_numpy.codes] & ~np.isnan(as_numpy.dequantize(np.float32))
    return stored.framework.wrap(mask)
