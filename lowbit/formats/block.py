"""Block formats: an element, the block that shares a scale, the scale element and how a scale is chosen.

A `BlockFormat` is a flat frozen value: every option of the numerical contract is one of its fields, and kernels, oracle
and reports read nothing else. Standard library only.
"""

from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from typing import Any

from lowbit.errors import ArgumentError
from lowbit.formats.binary32 import binary32
from lowbit.formats.block_checks import can_overflow, check_format
from lowbit.formats.codes import Element
from lowbit.formats.elements import element_text
from lowbit.formats.floats import FloatElement
from lowbit.formats.grids import Codebook, number_text
from lowbit.formats.options import OPTIONS, Alternative, positive_number
from lowbit.formats.rounding import (
    Arithmetic,
    Correction,
    Overflow,
    Peak,
    ScaleDomain,
    ScaleFloor,
    ScaleRule,
    Select,
    Statistic,
    ZeroPoint,
)
from lowbit.formats.shape import BlockShape

QUEST_CLIP = Fraction("2.92247856")
"""Standard deviations that map to 6: the best clip of E2M1 for normal data (QuEST, arXiv 2502.05003)."""


@dataclass(frozen=True, kw_only=True)
class BlockFormat:
    """How a tensor is stored in few bits: value = element × block scale × tensor scale (contract §1-§4).

    Without `block` and `scale` the format is a plain cast to the element (bf16, fp16, tf32). Fields left as None get
    the contract's default: `scale_rule` floor for e8m0 and nearest_even for float scales; `target_max`, the magnitude
    that the block's `statistic` maps to, the element's maximum; `arithmetic` divide with one level and
    transformer_engine with two; `scale_floor` zero (min_normal with torchao's arithmetic); `overflow` saturate, but
    inf_nan for a plain cast to more than 8 bits. Adaptive formats: `alternatives` are tried for every block and
    `select` says by which error; `peak`, `micro_exponents` (sizes of nested runs with an exponent bit of their own) and
    `zero_point` store side bits beside the scale; `correction` changes scales after rounding; `sparsity` (n, m) keeps
    the n largest of every m elements along the axis. Equality is by meaning: name and source do not count.
    Raises FormatError or ArgumentError naming the field that does not fit and what would.
    """

    element: Element
    block: BlockShape | None = None
    scale: FloatElement | None = None
    scale_rule: ScaleRule | None = None
    tensor_target: Fraction | None = None
    statistic: Statistic | None = None
    target_max: Fraction | None = None
    scale_floor: ScaleFloor | None = None
    scale_domain: ScaleDomain | None = None
    arithmetic: Arithmetic | None = None
    overflow: Overflow | None = None
    alternatives: tuple[Alternative, ...] | None = None
    select: Select | None = None
    peak: Peak | None = None
    micro_exponents: tuple[int, ...] | None = None
    zero_point: ZeroPoint | None = None
    correction: Correction | None = None
    correction_group: int | None = None
    sparsity: tuple[int, ...] | None = None
    name: str = field(default="", compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for option, kind in OPTIONS.items():
            given = getattr(self, option)
            if given is not None:
                object.__setattr__(self, option, kind.read(given, option))
        for option, default in self._defaults().items():
            if getattr(self, option) is None:
                object.__setattr__(self, option, default)
        if self.tensor_target is not None:
            object.__setattr__(self, "tensor_target", positive_number(self.tensor_target, "tensor_target"))
        check_format(self)

    @cached_property
    def _hash(self) -> int:
        return hash((self.element, self.block, self.scale, self.tensor_target, *map(self.__getattribute__, OPTIONS)))

    def __hash__(self) -> int:
        return self._hash  # formats are keys of every cache, and hashing nested fields each time would cost more

    def _defaults(self) -> dict[str, Any]:
        """The contract's default of every option, given the fields that are not options."""
        power_of_two, two_level = self.is_power_of_two_scale, self.tensor_target is not None
        wide_cast = self.scale is None and self.element.bits > 8 and can_overflow(self.element)
        torchao = self.arithmetic == Arithmetic.TORCHAO
        chooses = bool(self.alternatives) or self.scale_rule == ScaleRule.MSE
        eden = self.correction == Correction.EDEN and self.block is not None
        return {
            "scale_rule": None if self.scale is None else (ScaleRule.FLOOR if power_of_two else ScaleRule.NEAREST_EVEN),
            "statistic": Statistic.AMAX,
            "target_max": None if self.scale is None else self._default_target(),
            "scale_floor": ScaleFloor.MIN_NORMAL if torchao else ScaleFloor.ZERO,
            "scale_domain": ScaleDomain.DECODE,
            "arithmetic": Arithmetic.TRANSFORMER_ENGINE if two_level else Arithmetic.DIVIDE,
            "overflow": Overflow.INF_NAN if wide_cast else Overflow.SATURATE,
            "alternatives": (),
            "select": Select.MSE if chooses else None,
            "peak": Peak.PLAIN,
            "micro_exponents": (),
            "zero_point": ZeroPoint.NONE,
            "correction": Correction.NONE,
            "correction_group": self.block.elements if eden and self.block else None,
            "sparsity": None,
        }

    def _default_target(self) -> Fraction | None:
        """The element's maximum times what micro exponents add; for RMS, QuEST's clip where it is known (E2M1)."""
        largest = self.element.max_fraction * 2 ** len(self.micro_exponents or ())
        if self.statistic != Statistic.RMS:
            return largest
        return Fraction(binary32(float(largest / QUEST_CLIP))) if element_text(self.element) == "e2m1" else None

    @property
    def is_power_of_two_scale(self) -> bool:
        """Whether scales are pure exponents (e8m0)."""
        return self.scale is not None and self.scale.mantissa_bits == 0 and not self.scale.zero

    @property
    def is_float32_scale(self) -> bool:
        """Whether scales are stored as binary32."""
        return self.scale is not None and self.scale.bits == 32

    @cached_property
    def has_nan(self) -> bool:
        """Whether a NaN or infinite input can be represented: by a NaN scale, or a NaN element of a plain cast."""
        return self.element.has_nan if self.scale is None else self.scale.has_nan

    @cached_property
    def candidates(self) -> tuple[Alternative, ...]:
        """All ways to store a block, the first being the format's own element and target."""
        return (Alternative(self.element, self.target_max), *(self.alternatives or ()))

    @cached_property
    def is_blockwise(self) -> bool:
        """Whether the scale and codes of a block follow from more than its largest magnitude."""
        adaptive = len(self.candidates) > 1 or self.scale_rule is ScaleRule.MSE or self.statistic is Statistic.RMS
        return adaptive or bool(self.side_bits) or self.correction is Correction.EDEN

    @property
    def needs_seed(self) -> bool:
        """Whether quantization draws random numbers whatever the rounding of elements is: for corrected scales."""
        return self.correction is Correction.EDEN

    @property
    def selector_bits(self) -> int:
        """Bits that say which candidate a block took; none where the scale alone decodes it."""
        told_apart = any(candidate.element != self.element for candidate in self.candidates)
        return (len(self.candidates) - 1).bit_length() if told_apart else 0

    @cached_property
    def side_bits(self) -> int:
        """Bits that a block keeps above its scale code: selector, place of the peak, micro exponents or zero point."""
        shared = (self.block.elements if self.block is not None else None) or 0
        if self.peak is Peak.EXTRA_MANTISSA:
            return shared.bit_length()
        if self.zero_point is ZeroPoint.INTEGER:
            return self.element.bits
        return self.selector_bits + sum(shared // size for size in self.micro_exponents or ())

    @cached_property
    def word_bits(self) -> int:
        """Stored bits of a block's word: the scale code with the side bits above it, in 8, 16, 32 or 64 bits."""
        if self.scale is None:
            return 0
        if not self.side_bits:
            return self.scale.storage_bits
        return next(width for width in (8, 16, 32, 64) if width >= self.scale.bits + self.side_bits)

    @property
    def bits_per_element(self) -> float:
        """Stored bits of an element and its share of a full block's word, without the tensor scale's 32 bits.

        For row and tensor blocks the share depends on the shape and tends to zero: only the element's bits count here,
        `QTensor.bits_per_element` has the exact figure.
        """
        shared = self.block.elements if self.block is not None else None
        if self.scale is None or shared is None:
            return float(self.element.bits)
        return self.element.bits + self.word_bits / shared

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
        return "/".join(parts + [f"{option}={OPTIONS[option].write(value)}" for option, value in options.items()])

    def __str__(self) -> str:
        return self.name or self.spec
