"""Into the units of the element grid and back: how a scale divides the numbers of a block and multiplies its elements.

Contract §2 (decode), §3 and §4 (y), §12 (scale_domain=encode).
"""

from dataclasses import dataclass
from fractions import Fraction
from math import copysign, isnan, nan

from lowbit.formats import Arithmetic, BlockFormat, ScaleDomain
from lowbit.reference.binary32 import FLT_MAX, divide, multiply
from lowbit.reference.parts import Part
from lowbit.reference.scale import BlockScale
from lowbit.reference.tensor_scale import ONE_LEVEL, TensorScale


@dataclass(frozen=True, slots=True)
class Units:
    """How the numbers of a block become multiples of the element grid's unit: y = fl(fl(x / divisor) × factor).

    Steps that are None are left out; without both, numbers become zeros with their signs. `exact`: the division is by a
    power of two and is not rounded. `parts` are the intermediate results behind divisor and factor.
    """

    divisor: float | None = None
    factor: float | None = None
    exact: bool = False
    parts: tuple[Part, ...] = ()

    def scaled(self, x: float) -> float | Fraction:
        """x in units of the element grid."""
        if self.exact and self.divisor is not None:
            return Fraction(x) / Fraction(self.divisor) if x else x
        if x == 0 or (self.divisor is None and self.factor is None):
            return copysign(0.0, x)
        y = x if self.divisor is None else divide(x, self.divisor)
        return y if self.factor is None else multiply(y, self.factor)


def units(scale: BlockScale, fmt: BlockFormat, tensor: TensorScale = ONE_LEVEL) -> Units:
    """The units of a block with this scale.

    With a scale that underflowed to zero the codes are zeros, signs kept; only TransformerEngine's arithmetic, whose
    factor is clamped to FLT_MAX, gives such a block its largest codes (they decode to ±0 all the same). torchao's
    inverses are clamped in the same way, which contract §4 leaves open.
    """
    if fmt.is_power_of_two_scale:
        return Units(divisor=scale.value, exact=True)
    if fmt.scale_domain is ScaleDomain.ENCODE:
        return Units(divisor=tensor.decode, factor=scale.value) if scale.value else Units()
    match fmt.arithmetic:
        case Arithmetic.TRANSFORMER_ENGINE:
            inverse = Part("fl(1/g)", divide(1.0, tensor.encode))
            effective = Part("fl(s × fl(1/g))", multiply(scale.value, inverse.value))
            encode = Part("enc = min(fl(1 / fl(s × fl(1/g))), FLT_MAX)", min(divide(1.0, effective.value), FLT_MAX))
            return Units(factor=encode.value, parts=(inverse, effective, encode))
        case Arithmetic.TORCHAO:
            if not scale.value:
                return Units()
            inverse = Part("min(fl(1/t), FLT_MAX)", min(divide(1.0, tensor.decode), FLT_MAX))
            encode = Part("enc = min(fl(fl(1/t) / s), FLT_MAX)", min(divide(inverse.value, scale.value), FLT_MAX))
            return Units(factor=encode.value, parts=(inverse, encode))
        case Arithmetic.DIVIDE | None:
            effective = Part("fl(s × t)", multiply(scale.value, tensor.decode))
            return Units(divisor=effective.value or None, parts=(effective,))


def scaled(x: float, scale: BlockScale, fmt: BlockFormat, tensor: TensorScale = ONE_LEVEL) -> float | Fraction:
    """x in units of the element grid, about to be rounded to an element; exact for power-of-two scales."""
    return x if x == 0 else units(scale, fmt, tensor).scaled(x)


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
