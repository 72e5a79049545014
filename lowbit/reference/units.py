"""Into the units of the element grid and back: how a scale divides the numbers of a block and multiplies its elements.

Contract §2 (decode), §3 and §4 (y), §12 (scale_domain=encode).
"""

from fractions import Fraction
from math import copysign, isnan, nan

from lowbit.formats import Arithmetic, BlockFormat, ScaleDomain
from lowbit.reference.binary32 import FLT_MAX, divide, multiply
from lowbit.reference.scale import BlockScale
from lowbit.reference.tensor_scale import ONE_LEVEL, TensorScale


def scaled(x: float, scale: BlockScale, fmt: BlockFormat, tensor: TensorScale = ONE_LEVEL) -> float | Fraction:
    """x in units of the element grid, about to be rounded to an element.

    Exact for power-of-two scales. With a scale that underflowed to zero the codes are zeros, signs kept; only
    TransformerEngine's arithmetic, whose factor is clamped to FLT_MAX, gives such a block its largest codes (they
    decode to ±0 all the same). torchao's inverses are clamped in the same way, which contract §4 leaves open.
    """
    if x == 0:
        return x
    if fmt.is_power_of_two_scale:
        return Fraction(x) / Fraction(scale.value)
    if fmt.scale_domain is ScaleDomain.ENCODE:
        return multiply(divide(x, tensor.decode), scale.value) if scale.value else copysign(0.0, x)
    match fmt.arithmetic:
        case Arithmetic.TRANSFORMER_ENGINE:
            effective = multiply(scale.value, divide(1.0, tensor.encode))
            return multiply(x, min(divide(1.0, effective), FLT_MAX))
        case Arithmetic.TORCHAO:
            if not scale.value:
                return copysign(0.0, x)
            inverse = min(divide(1.0, tensor.decode), FLT_MAX)
            return multiply(x, min(divide(inverse, scale.value), FLT_MAX))
        case Arithmetic.DIVIDE | None:
            effective = multiply(scale.value, tensor.decode)
            return divide(x, effective) if effective else copysign(0.0, x)


def unscaled(element: float, scale: BlockScale, fmt: BlockFormat, tensor: TensorScale = ONE_LEVEL) -> float:
    """fl(fl(element × block scale) × tensor scale), binary32 (contract §2); a NaN scale gives NaN.

    -0 elements give -0; products beyond binary32 give infinities. In the encode domain the element is multiplied by
    the inverse, min(fl(1/scale), FLT_MAX), and a zero scale gives zeros with the elements' signs.
    """
    if isnan(scale.value):
        return nan
    factor = scale.value
    if fmt.scale_domain is ScaleDomain.ENCODE and factor:
        factor = min(divide(1.0, factor), FLT_MAX)
    return multiply(multiply(element, factor), tensor.decode)
