"""Running kernels over a geometry's items: the vector path, then the exact path over what it left pending."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lowbit import backends
from lowbit.geometry import Geometry
from lowbit.lowering import SCALAR, KernelPlan

GRAIN_ELEMENTS = 1 << 16
"""Fewest elements for which another thread is worth waking."""

Path = Callable[[np.ndarray, int, int], Any]
"""A kernel over items: path(pending, first, last)."""


def run_paths(plan: KernelPlan, layout: Geometry, vector: Path, exact: Path) -> None:
    """Run the vector path where the plan has one, then the exact path over the items that it left pending."""
    has_vector = plan.record[0]["vector"] != SCALAR
    pending = (np.zeros if has_vector else np.ones)(layout.items, np.uint8)
    if has_vector:
        run(lambda first, last: vector(pending, first, last), layout)
    if pending.any():
        run(lambda first, last: exact(pending, first, last), layout)


def run(work: Callable[[int, int], None], layout: Geometry) -> None:
    """Run work(first, last) over a geometry's items, on as many threads as are worth it."""
    backends.load().run_ranges(work, layout.items, grain=max(1, GRAIN_ELEMENTS // layout.item_elements))
