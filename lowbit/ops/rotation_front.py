"""The public functions `rotate` and `unrotate` on arrays. Light, like `lowbit.ops.front`."""

from typing import Any

import numpy as np

from lowbit.errors import DtypeError
from lowbit.formats.hadamard import Hadamard
from lowbit.ops import arrays, rotated


def rotate(x: Any, transform: Hadamard, axis: int = -1, out: Any = None) -> Any:
    """c · H · (D ∘ x) for every group of `transform.n` elements along `axis` (contract §6; order of additions there).

    x: numpy array (float32, float16, ml_dtypes.bfloat16) or torch tensor (float32, bfloat16, float16; CPU) of any shape
    and strides. Returns the same kind of array and dtype; arithmetic is binary32, each result is rounded to x's dtype
    once. An axis that n does not divide is filled up with zeros and the result keeps that length: rotate both operands
    of a contraction alike, and it is unchanged up to rounding. out: receives the result; may be x itself where the
    length stays.

    NaN and infinities spread over their group as IEEE-754 additions make them, every NaN the positive quiet one; large
    sums overflow to infinity; zeros keep IEEE-754's signs. Empty tensors are fine. For torch tensors the gradient is
    `unrotate` of the gradient.

    Raises DtypeError, ShapeError or ArgumentError.

    >>> import numpy as np, lowbit as lb
    >>> lb.rotate(np.array([1.0, 2.0, 3.0, 4.0], np.float32), lb.Hadamard(4))
    array([ 5., -1., -2.,  0.], dtype=float32)
    """
    if not isinstance(x, np.ndarray):
        arrays.framework_of(x)
        from lowbit.ops import torch_rotation

        return torch_rotation.rotate(x, transform, axis=axis, out=out)
    source, kind = arrays.NUMPY.unwrap(x)
    if out is not None and not isinstance(out, np.ndarray):
        raise DtypeError(f"out is a {type(out).__name__}; give a numpy array like the input")
    target = None if out is None else arrays.NUMPY.unwrap(out)[0]
    result = rotated.rotate(source, kind, rotated.check_transform(transform), axis=axis, out=target)
    return result.view(x.dtype) if out is None else out


def unrotate(x: Any, transform: Hadamard, axis: int = -1, length: int | None = None) -> Any:
    """D ∘ (c · Hᵀ · x): the way back from `rotate` up to rounding, bit-exactly defined like it (contract §6).

    length: of the axis before `rotate` filled it up, by default all of it; only the first `length` elements are
    returned. Arrays, dtypes, special values and errors as for `rotate`; ShapeError also for an axis that n does not
    divide and a length that does not belong to it.

    >>> import numpy as np, lowbit as lb
    >>> t = lb.Hadamard(4, signs=(1, -1, -1, 1))
    >>> lb.unrotate(lb.rotate(np.array([1.0, 2.0, 3.0], np.float32), t), t, length=3)
    array([1., 2., 3.], dtype=float32)
    """
    if not isinstance(x, np.ndarray):
        arrays.framework_of(x)
        from lowbit.ops import torch_rotation

        return torch_rotation.unrotate(x, transform, axis=axis, length=length)
    source, kind = arrays.NUMPY.unwrap(x)
    result = rotated.unrotate(source, kind, rotated.check_transform(transform), axis=axis, length=length)
    return result.view(x.dtype)
