"""What is checked, `Subject`, and one call of it, `Case`: plain data that every generator of inputs reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lowbit.formats import BlockFormat, Hadamard, Rounding, Stochastic
from lowbit.geometry import Axis
from lowbit.testing.expected import Expected, oracle

KEYWORDS = ("axis", "seed", "stream", "offset", "origin", "global_shape", "tensor_amax", "tensor_scale")
"""Arguments of a quantizer that clauses may need, named as `lowbit.qdq` names them."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A quantizer as the contract sees it.

    `accepts` are the KEYWORDS that it takes; `ndim` is the fewest axes it takes; with `statistical` its random bits are
    its own, so that only what is not drawn can be expected exactly.
    """

    fmt: BlockFormat
    axis: Axis = -1
    rounding: Rounding | Stochastic = Rounding.NEAREST_EVEN
    transform: Hadamard | None = None
    seed: int = 0
    ndim: int = 1
    accepts: frozenset[str] = frozenset(KEYWORDS)
    statistical: bool = False

    @property
    def is_stochastic(self) -> bool:
        """Whether elements are rounded by random bits."""
        return isinstance(self.rounding, Stochastic)

    @property
    def draws(self) -> dict[str, Any]:
        """The arguments of a call that draws random numbers; none where nothing is drawn."""
        return {"seed": self.seed} if self.is_stochastic or self.fmt.needs_seed else {}

    def expected(self, case: "Case") -> Expected:
        """What the oracle makes of a case."""
        arguments = {"axis": self.axis, **case.arguments}
        return oracle(case.x, self.fmt, rounding=self.rounding, transform=self.transform, **arguments)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call: the tensor, and the keywords of this call. With `refused` an error is expected instead of values."""

    x: np.ndarray
    arguments: Mapping[str, Any] = field(default_factory=dict)
    refused: bool = False
