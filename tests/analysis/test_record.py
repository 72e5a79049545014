"""Telemetry: what a log holds of calls, layers, threads and compiled graphs."""

from threading import Thread

import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit import analysis
from lowbit.analysis import sums
from lowbit.errors import ArgumentError, NonfiniteError
from lowbit.ops import observers

X = np.random.default_rng(3).standard_normal((8, 64)).astype(np.float32)


def test_off_no_metric_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a metric was computed")

    for module, name in ((sums, "error_sums"), (sums, "dot"), (sums, "compared_sums"), (observers, "report")):
        monkeypatch.setattr(module, name, refuse)
    lb.qdq(X, "mxfp4")
    lb.quantize(X, "nvfp4")
    lb.qdq(torch.from_numpy(X), "nvfp4")
    assert observers.active is None


def test_a_row_holds_the_metrics_of_the_call() -> None:
    x = X.copy()
    x[0, 0], x[3, :32] = 1e-9, np.inf
    with analysis.record() as log:
        y = lb.qdq(x, "nvfp4", tensor_amax=2.0)
    (row,) = log.rows()
    good = np.isfinite(x) & np.isfinite(y)
    assert (row["name"], row["role"], row["format"], row["operation"]) == ("", "", "nvfp4", "qdq")
    assert (row["calls"], row["elements"], row["nonfinite"], row["poisoned"]) == (1, 512, 32, 0)
    assert row["qsnr_db"] == pytest.approx(analysis.qsnr_db(x[good], y[good]), rel=1e-12)
    assert row["bias"] == pytest.approx(analysis.bias(x[good], y[good]), rel=1e-9)
    assert row["amax"] == np.abs(x[np.isfinite(x)]).max()
    assert row["beyond"] == np.count_nonzero(np.abs(x[np.isfinite(x)]) > 2) / 512
    assert row["underflowed"] == np.count_nonzero((y == 0) & (x != 0)) / 512


def test_steps_add_up_and_logs_merge() -> None:
    with analysis.record() as whole:
        with analysis.record() as first:
            lb.qdq(X, "mxfp4")
        with analysis.record() as second:
            lb.qdq(2 * X, "mxfp4")
            lb.quantize(X, "nvfp4")
    merged = first + second
    assert merged.rows() == whole.rows()
    assert [row["calls"] for row in whole.rows()] == [2, 1]
    assert (len(first), len(whole)) == (1, 2)
    assert (analysis.Log() + first).rows() == first.rows()
    whole.clear()
    assert whole.rows() == []


def test_every_hundredth_call_is_measured_and_all_are_counted() -> None:
    with analysis.record(every=100) as log:
        for _ in range(201):
            lb.qdq(X, "mxfp4")
    (row,) = log.rows()
    assert (row["calls"], row["elements"]) == (201, 3 * X.size)
    with pytest.raises(ArgumentError, match="every=0"), analysis.record(every=0):
        pass
    assert observers.active is None


def test_it_ends_with_the_block_also_after_an_error() -> None:
    with pytest.raises(NonfiniteError), analysis.record() as log:
        lb.qdq(np.array([np.nan], np.float32), "mxfp4", nonfinite="raise")
    lb.qdq(X, "mxfp4")
    assert observers.active is None
    assert len(log) == 0


def test_measurements_are_not_recorded() -> None:
    with analysis.record() as log:
        analysis.summary(X, "nvfp4")
        analysis.per_block(X, "mxfp4")
    assert len(log) == 0


def test_threads_fill_one_log() -> None:
    def work() -> None:
        for _ in range(20):
            lb.qdq(X, "mxfp4")

    with analysis.record() as log:
        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (row,) = log.rows()
    assert (row["calls"], row["elements"]) == (80, 80 * X.size)
    assert row["relative_mse"] == pytest.approx(analysis.relative_mse(X, lb.qdq(X, "mxfp4")), rel=1e-14)


def test_layers_say_their_name_and_role_in_both_passes() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Sequential(torch.nn.Linear(32, 16)))
    lb.nn.convert(model, "gemms:mxfp4")
    hooks = [len(module._forward_pre_hooks) + len(module._forward_hooks) for module in model.modules()]
    x = torch.from_numpy(X).requires_grad_()
    plain = model(x)
    with analysis.record(model) as log:
        for _ in range(2):
            model(x).sum().backward()
    roles = {"fprop.input", "fprop.weight", "dgrad.grad_output", "dgrad.weight", "wgrad.grad_output", "wgrad.input"}
    assert {(row["name"], row["role"]) for row in log.rows()} == {(n, r) for n in ("0", "1.0") for r in roles}
    assert {row["calls"] for row in log.rows()} == {2}
    assert torch.equal(model(x), plain)
    assert [len(module._forward_pre_hooks) + len(module._forward_hooks) for module in model.modules()] == hooks


def test_saved_quantized_operands_say_theirs_too() -> None:
    layer = lb.nn.Linear(32, 32, recipe="forward:mxfp4")
    with analysis.record(layer) as log:
        layer(torch.ones(4, 32)).sum().backward()
        lb.qdq(X, "bf16")
    assert [(row["role"], row["calls"]) for row in log.rows()][-1] == ("", 1)
    assert {row["role"].split(".")[-1] for row in log.rows()} == {"input", "weight", ""}


def test_a_failed_forward_leaves_no_name_behind() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(64, 32))
    with analysis.record(model) as log:
        with pytest.raises(RuntimeError):
            model(torch.ones(2, 3))
        lb.qdq(X, "mxfp4")
    assert log.rows()[0]["name"] == ""


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # by torch.compile itself
def test_compiled_graphs_report_when_they_run() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(64, 32))
    lb.nn.convert(model, "gemms:mxfp4")
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = torch.from_numpy(X)
    compiled(x).sum().backward()
    with analysis.record(model) as log:
        compiled(x).sum().backward()
    assert sum(row["calls"] for row in log.rows()) >= 4
    assert {row["format"] for row in log.rows()} == {"mxfp4"}


def test_it_prints_as_a_table() -> None:
    with analysis.record() as log, observers.labelled("head", "weight"):
        lb.qdq(X, "mxfp4")
    header, line = str(log).splitlines()
    assert header.split()[:4] == ["name", "role", "format", "operation"]
    assert line.split()[:5] == ["head", "weight", "mxfp4", "qdq", "1"]


def test_empty_and_zero_tensors_are_calls_too() -> None:
    with analysis.record() as log:
        lb.qdq(np.zeros((0, 4), np.float32), "mxfp4")
        lb.qdq(np.zeros((2, 4), np.float32), "nvfp4")
    first, second = log.rows()
    assert (first["calls"], first["elements"], np.isnan(first["qsnr_db"])) == (1, 0, True)
    assert (second["elements"], second["qsnr_db"], second["amax"]) == (8, np.inf, 0)


def test_a_model_must_be_a_module() -> None:
    with pytest.raises(ArgumentError, match="dict"), analysis.record({}):
        pass
