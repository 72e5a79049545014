"""Tables on the vector path: every border of every cell, in casts and blocks, against exact path and oracle."""

import itertools
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from conforming import conform
from oracle_arrays import oracle

import lowbit as lb
from lowbit.formats import BlockFormat, Rounding
from lowbit.lowering import ROUND_CELLS, plan_for
from lowbit.ops import engine
from lowbit.ops.preparation import Job, Path
from lowbit.table_cells import MAX_MANTISSA_BITS, cells_of
from lowbit.testing.certificates.element_boundaries import MODES, element_runs
from lowbit.testing.certificates.runs import REFUSED

ELEMENTS = (
    *("posit8es2", "posit8es0", "posit8es4", "hif8", "log8f3", "e3m0", "halfint8/cast", "nf4/cast", "razer_m8/cast"),
    *("int8asym", "uint8", "uint1", "binary8p4ue", "binary8p1se", "{-1,-0.6,-1e-9,0.3,1}", "{-3:1,-1:3,1:0,2.5:2}"),
)
SCALES = ("k32/e8m0", "k16/e8m0:rceil", "k16/ue4m3/ts", "k64/f32", "k5/ue5m3", "row/f32")


def run_exactly(job: Job, vector: Path, exact: Path) -> None:
    """`Job.run` without its vector path."""
    exact(np.ones(job.layout.items, np.uint8), 0, job.layout.items)


def on_the_exact_path(call: Callable[[], Any]) -> Any:
    """The result of a call that takes no vector path."""
    with patch.object(Job, "run", run_exactly), patch.object(engine, "short_qdq", lambda *arguments: None):
        return call()


def borders(fmt: BlockFormat, mode: Rounding) -> np.ndarray:
    """Float32 patterns at, before and behind the borders and thresholds of all cells."""
    cells = plan_for(fmt, mode).entries
    assert cells is not None and len(cells) == 4
    thresholds, shift = cells[0], cells[3]
    first = np.arange(len(thresholds), dtype=np.int64) << shift
    near = np.concatenate([first, np.unique(thresholds).astype(np.int64)])[:, None] + np.arange(-2, 3)
    return np.unique(near % (1 << 32)).astype(np.uint32)


CELLED = [
    (name, mode)
    for name, mode in itertools.product(ELEMENTS, MODES)
    if len(plan_for(lb.format(name), mode).entries or ()) == 4
]
"""Casts whose tables are cut into cells; the others look sixteen entries up at once."""


def test_most_casts_have_cells() -> None:
    assert {name for name, _ in CELLED} == set(ELEMENTS) and len(CELLED) > 4 * len(ELEMENTS)


@pytest.mark.parametrize(("name", "mode"), CELLED)
def test_casts_at_every_border(name: str, mode: Rounding) -> None:
    fmt = lb.format(name)
    patterns = borders(fmt, mode)
    codes, values = element_runs(fmt, mode).look_up(patterns)
    finite = np.isfinite(patterns.view(np.float32)) if fmt.element.nan_code is None else codes != REFUSED
    x = patterns[finite].view(np.float32)
    assert np.array_equal(lb.quantize(x, fmt, rounding=mode).codes, codes[finite])
    assert np.array_equal(lb.qdq(x, fmt, rounding=mode).view(np.uint32), values[finite])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ELEMENTS)
def test_blocks_equal_the_exact_path(name: str, scale: str, rng: np.random.Generator) -> None:
    """Normal numbers at many magnitudes, zeros of both signs, and members far below the others."""
    fmt = lb.format(f"{name.removesuffix('/cast')}/{scale}")
    x = (rng.standard_normal((8, 512)) * np.exp2(rng.integers(-8, 8, (8, 512)))).astype(np.float32)
    x[:, ::97], x[:, 1::101], x[:, 2::103] = 0, -0.0, x[:, 2::103] * 2.0**-100
    x[3] *= 2.0**-120
    for mode in MODES:
        values, codes = lb.qdq(x, fmt, rounding=mode), lb.quantize(x, fmt, rounding=mode).codes
        expected = on_the_exact_path(lambda mode=mode: lb.qdq(x, fmt, rounding=mode))
        expected_codes = on_the_exact_path(lambda mode=mode: lb.quantize(x, fmt, rounding=mode)).codes
        assert np.array_equal(values.view(np.uint32), expected.view(np.uint32)), mode
        assert np.array_equal(codes, expected_codes), mode


@pytest.mark.parametrize("name", ["posit8es2/k32/e8m0", "hif8/k16/ue4m3/ts", "halfint8/k5/ue5m3", "int8asym/row/f32"])
def test_blocks_equal_the_oracle(name: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 65)).astype(np.float32)
    x[0, 7] = -0.0
    for mode in (Rounding.NEAREST_EVEN, Rounding.TOWARD_NEGATIVE, Rounding.TO_ODD):
        conform(x, name, oracle(x, name, rounding=mode), rounding=mode)


def test_candidates_of_table_elements_take_the_exact_path(rng: np.random.Generator) -> None:
    """The vector kernels compare candidates on regular grids alone."""
    x = rng.standard_normal((4, 64)).astype(np.float32)
    for name in ("nf4/k16/ue4m3/ts256/alternatives=nf4@0.5", "e3m0/k16/e8m0:mse", "posit8es1/k16/e8m0:mse"):
        conform(x, name, oracle(x, name))


def test_which_plans_have_cells() -> None:
    def has_cells(spec: str, mode: Rounding = Rounding.NEAREST_EVEN) -> bool:
        return int(plan_for(lb.format(spec), mode).record[0]["vector"]) == ROUND_CELLS

    assert has_cells("posit8es2/k32/e8m0") and has_cells("hif8") and has_cells("nf4", Rounding.TOWARD_POSITIVE)
    assert not has_cells("mxfp4") and not has_cells("nf4"), "regular grids, and sixteen entries at once"
    assert not has_cells("posit8es4/k32/e8m0"), "values too far from one to be scaled exactly"
    assert not has_cells("posit16"), "too many values"
    assert not has_cells("hif8/k16/ue4m3/scale_domain=encode")


def test_too_close_thresholds_have_no_cells() -> None:
    """Two thresholds within one cell of 2^-7 of a binade: the exact path serves such a codebook."""
    fmt, mode = lb.format("{-1,1,1.001,1.002,4}/k16/e8m0"), Rounding.NEAREST_EVEN
    plan = plan_for(fmt, mode)
    assert cells_of(plan.table, fmt.element) is None and plan.entries is None
    assert plan_for(lb.format(f"{{-1,1,{1 + 2.0**-MAX_MANTISSA_BITS},4}}/k16/e8m0"), mode).entries is not None
