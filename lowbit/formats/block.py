"""Block formats: an element, the block that shares a scale, the scale element and how a scale is chosen.

A `BlockFormat` is a flat frozen value: every option of the numerical contract is one of its fields, and kernels, oracle
and reports read nothing else. Standard library only.
"""

from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from typing import Any

from lowbit.errors import ArgumentError, FormatError
from lowbit.formats.binary32 import binary32
from lowbit.formats.codes import MAX_ENUMERATED_BITS
from lowbit.formats.elements import element_text, number_text
from lowbit.formats.floats import FloatElement
from lowbit.formats.grids import Codebook, Element
from lowbit.formats.rounding import Arithmetic, Overflow, ScaleFloor, ScaleRule, enum_member
from lowbit.formats.shape import BlockShape

POWER_OF_TWO_RULES = (ScaleRule.FLOOR, ScaleRule.EVEN, ScaleRule.CEIL, ScaleRule.RCEIL)
FLOAT_RULES = (ScaleRule.NEAREST_EVEN, ScaleRule.CEIL)


@dataclass(frozen=True, kw_only=True)
class BlockFormat:
    """How a tensor is stored in few bits: value = element × block scale × tensor scale (contract §1-§4).

    Without `block` and `scale` the format is a plain cast to the element (bf16, fp16, tf32). Fields left as None get
    the contract's default: `scale_rule` floor for e8m0 and nearest_even for float scales; `arithmetic` divide with one
    level and transformer_engine with two; `scale_floor` zero (min_normal with torchao's arithmetic); `overflow`
    saturate, but inf_nan for a plain cast to more than 8 bits. Equality is by meaning: name and source do not count.
    Raises FormatError or ArgumentError naming the field that does not fit and what would.
    """

    element: Element
    block: BlockShape | None = None
    scale: FloatElement | None = None
    scale_rule: ScaleRule | None = None
    tensor_target: Fraction | None = None
    scale_floor: ScaleFloor | None = None
    arithmetic: Arithmetic | None = None
    overflow: Overflow | None = None
    name: str = field(default="", compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for option, default in self._defaults().items():
            given = getattr(self, option)
            kind = OPTIONS[option]
            object.__setattr__(self, option, default if given is None else enum_member(kind, given, option))
        if self.tensor_target is not None:
            object.__setattr__(self, "tensor_target", Fraction(binary32(float(self.tensor_target))))
        _check_element(self)
        _check_tensor_target(self)
        _check_scale(self)

    @cached_property
    def _hash(self) -> int:
        return hash((self.element, self.block, self.scale, self.tensor_target, *map(self.__getattribute__, OPTIONS)))

    def __hash__(self) -> int:
        return self._hash  # formats are keys of every cache, and hashing nested fields each time would cost more

    def _defaults(self) -> dict[str, Any]:
        """The contract's default of every option, given the fields that are not options."""
        power_of_two, two_level = self.is_power_of_two_scale, self.tensor_target is not None
        wide_cast = self.scale is None and self.element.bits > 8 and self.element.has_infinity
        torchao = self.arithmetic == Arithmetic.TORCHAO
        return {
            "scale_rule": None if self.scale is None else (ScaleRule.FLOOR if power_of_two else ScaleRule.NEAREST_EVEN),
            "arithmetic": Arithmetic.TRANSFORMER_ENGINE if two_level else Arithmetic.DIVIDE,
            "scale_floor": ScaleFloor.MIN_NORMAL if torchao else ScaleFloor.ZERO,
            "overflow": Overflow.INF_NAN if wide_cast else Overflow.SATURATE,
        }

    @property
    def is_power_of_two_scale(self) -> bool:
        """Whether scales are pure exponents (e8m0)."""
        return self.scale is not None and self.scale.mantissa_bits == 0 and not self.scale.zero

    @property
    def is_float32_scale(self) -> bool:
        """Whether scales are stored as binary32."""
        return self.scale is not None and self.scale.bits == 32

    @property
    def has_nan(self) -> bool:
        """Whether a NaN or infinite input can be represented: by a NaN scale, or a NaN element of a plain cast."""
        return self.element.has_nan if self.scale is None else self.scale.has_nan

    @property
    def bits_per_element(self) -> float:
        """Stored bits of an element and its share of a full block's scale, without the tensor scale's 32 bits.

        For row and tensor blocks the share depends on the shape and tends to zero: only the element's bits count here,
        `QTensor.bits_per_element` has the exact figure.
        """
        shared = self.block.elements if self.block is not None else None
        if self.scale is None or shared is None:
            return float(self.element.storage_bits)
        return self.element.storage_bits + self.scale.storage_bits / shared

    def options(self) -> dict[str, Any]:
        """The options that differ from the contract's defaults, by name."""
        given = {option: getattr(self, option) for option in OPTIONS}
        return {option: value for option, value in given.items() if value != self._defaults()[option]}

    def replace(self, **changes: Any) -> "BlockFormat":
        """A variant with some fields changed; options that were at their default follow the new fields' defaults.

        The variant has no name: register it to give it one. Unknown fields raise ArgumentError.
        """
        allowed = [f.name for f in fields(self)]
        for change in changes:
            if change not in allowed:
                raise ArgumentError(f"{change!r} is not a field of a format; choose from: {', '.join(allowed)}")
        core: dict[str, Any] = {
            "element": self.element,
            "block": self.block,
            "scale": self.scale,
            "tensor_target": self.tensor_target,
            "source": self.source,
        }
        return BlockFormat(**{**core, **self.options(), **changes})

    @cached_property
    def spec(self) -> str:
        """Canonical spec text; `lowbit.format(fmt.spec) == fmt`."""
        parts = [element_text(self.element)]
        if self.scale is None and isinstance(self.element, Codebook):
            parts.append("cast")  # the element's name alone may be a block format's, as nf4 is
        options = self.options()
        rule = options.pop("scale_rule", None)
        if self.block is not None and self.scale is not None:
            parts += [str(self.block), element_text(self.scale) + (f":{rule.value}" if rule else "")]
        if self.tensor_target is not None:
            parts.append(f"ts{number_text(self.tensor_target)}")
        return "/".join(parts + [f"{option}={value.value}" for option, value in options.items()])

    def __str__(self) -> str:
        return self.name or self.spec


OPTIONS = {
    "scale_rule": ScaleRule,
    "arithmetic": Arithmetic,
    "scale_floor": ScaleFloor,
    "overflow": Overflow,
}


def _check_element(fmt: BlockFormat) -> None:
    element = fmt.element
    if isinstance(element, FloatElement) and (not element.signed or element.bits > MAX_ENUMERATED_BITS):
        raise FormatError(f"element {element.name}: only signed floats of up to 19 bits are elements; it is a scale")
    if fmt.overflow is Overflow.INF_NAN and not element.has_nan:
        raise FormatError(f"overflow=inf_nan needs an element with NaN or infinity; {element.name} has none")
    if fmt.overflow is Overflow.INF_NAN and isinstance(element, FloatElement) and element.mantissa_bits == 0:
        raise FormatError(f"overflow=inf_nan needs mantissa bits, {element.name} has none; use overflow=saturate")


def _check_scale(fmt: BlockFormat) -> None:
    if (fmt.block is None) != (fmt.scale is None):
        raise FormatError(f"{fmt.element.name}: a block needs a scale and a scale needs a block; give both or neither")
    if fmt.scale is None:
        if fmt.tensor_target is not None:
            raise FormatError(
                f"{fmt.element.name}: a tensor scale needs block scales below it; add a block and a scale"
            )
        return
    allowed = POWER_OF_TWO_RULES if fmt.is_power_of_two_scale else FLOAT_RULES
    if fmt.is_float32_scale:
        allowed = (ScaleRule.NEAREST_EVEN,)
    if fmt.scale_rule not in allowed:
        names = ", ".join(rule.value for rule in allowed)
        raise FormatError(f"scale_rule={fmt.scale_rule} does not fit the scale {fmt.scale.name}; choose from: {names}")
    if fmt.scale_rule is ScaleRule.EVEN and not isinstance(fmt.element, FloatElement):
        raise FormatError(f"scale_rule=even needs a float element, not {fmt.element.name} (contract §3)")
    if fmt.is_power_of_two_scale and fmt.arithmetic is not Arithmetic.DIVIDE:
        raise FormatError("power-of-two scales divide exactly: arithmetic must be divide")
    if fmt.is_power_of_two_scale and fmt.scale_floor is not ScaleFloor.ZERO:
        raise FormatError("power-of-two scales are never zero: scale_floor must stay zero")
    if fmt.arithmetic is Arithmetic.TRANSFORMER_ENGINE and fmt.tensor_target is None:
        raise FormatError("arithmetic=transformer_engine is defined with a tensor scale; add /ts")


def _check_tensor_target(fmt: BlockFormat) -> None:
    target = fmt.tensor_target
    if target is None or fmt.scale is None:
        return
    if fmt.is_power_of_two_scale or fmt.is_float32_scale:
        raise FormatError(
            f"a tensor scale over {fmt.scale.name} block scales is not defined; use ue4m3 or ue5m3 scales"
        )
    if fmt.block is None or fmt.block.is_tensor:
        raise FormatError("a tensor scale needs blocks smaller than the tensor")
    if not 0 < target <= fmt.scale.max_fraction:
        raise FormatError(f"tensor target {number_text(target)} is outside (0, {fmt.scale.max:g}] of {fmt.scale.name}")
