"""What is certified: a plain cast in a mode (codes and values of all inputs), or the scales of all block maxima."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lowbit.errors import UnsupportedError
from lowbit.formats import BlockFormat, BlockShape, Rounding
from lowbit.ops.front import qdq, quantize
from lowbit.testing.certificates.element_boundaries import MODES, element_runs
from lowbit.testing.certificates.runs import Runs
from lowbit.testing.certificates.scale_boundaries import scale_runs


@dataclass(frozen=True)
class Subject:
    """One check of a format: `name` is the rounding mode, or the scale rule."""

    format: BlockFormat
    name: str

    @cached_property
    def runs(self) -> Runs:
        """What is expected."""
        return element_runs(self.format, Rounding(self.name)) if self.is_element else scale_runs(self.format)

    @property
    def is_element(self) -> bool:
        """Whether elements are checked, else scales."""
        return self.format.scale is None

    def codes(self, x: np.ndarray) -> np.ndarray:
        """What the kernels make of inputs: element codes, or the scale codes of blocks of one element each."""
        if self.is_element:
            return np.asarray(quantize(x, self.format, rounding=self.name).codes)
        return np.asarray(quantize(x, self._single).scales)

    def values(self, x: np.ndarray, out: np.ndarray) -> np.ndarray | None:
        """The bits of the kernels' fake-quantized values, in `out`; None where scales are checked."""
        if not self.is_element:
            return None
        return qdq(x, self.format, rounding=self.name, out=out).view(np.uint32)

    @cached_property
    def _single(self) -> BlockFormat:
        return self.format.replace(block=BlockShape((1,)))


def subjects_of(fmt: BlockFormat, modes: tuple[Rounding, ...] = MODES) -> tuple[Subject, ...]:
    """The checks of a format. UnsupportedError for elements of more than 16 bits and scales that none is for."""
    if fmt.scale is None:
        if fmt.element.bits > 16 or fmt.sparsity is not None:
            raise UnsupportedError(f"{fmt}: certificates are for plain casts of up to 16 bits")
        return tuple(Subject(fmt, mode.value) for mode in modes)
    assert fmt.scale_rule is not None
    subject = Subject(fmt, fmt.scale_rule.value)
    assert subject.runs  # derived here, so that an unsupported format is refused before the work
    return (subject,)
