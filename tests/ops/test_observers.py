"""The hook for observers: nothing happens when nobody watches, and who watches sees every call."""

import dis
from collections.abc import Iterator
from threading import Thread

import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit.ops import engine, front, observers
from lowbit.ops.observers import Observation

X = np.linspace(-3, 3, 64, dtype=np.float32).reshape(2, 32)


@pytest.fixture
def seen() -> Iterator[list[Observation]]:
    found: list[Observation] = []
    observe = found.append
    observers.attach(observe)
    yield found
    observers.detach(observe)


@pytest.mark.parametrize("function", [engine.qdq, front.quantize])
def test_off_it_costs_one_look_at_an_attribute(function: object) -> None:
    looks = [i for i in dis.get_instructions(function) if i.argval == "active"]  # pyright: ignore[reportArgumentType]
    assert len(looks) == 1


def test_off_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("reported although nobody watches")

    monkeypatch.setattr(observers, "report", refuse)
    assert observers.active is None
    lb.qdq(X, "mxfp4")
    lb.quantize(X, "mxfp4")
    lb.qdq(torch.from_numpy(X), "nvfp4")


def test_input_and_values_are_those_of_the_call(seen: list[Observation]) -> None:
    y = lb.qdq(X, "nvfp4", tensor_amax=4.0)
    q = lb.quantize(torch.from_numpy(X).bfloat16(), "mxfp4", axis=0)
    scaled = lb.qdq(X, "nvfp4", tensor_scale=0.5)
    first, second, third = seen
    assert (first.operation, first.kind, first.tensor_amax) == ("qdq", "float32", 4.0)
    np.testing.assert_array_equal(first.x, X)
    np.testing.assert_array_equal(first.y, y)
    assert (second.operation, second.kind, str(second.format)) == ("quantize", "bfloat16", "mxfp4")
    values = q.dequantize().view(torch.int16).numpy().view(np.uint16)
    np.testing.assert_array_equal(second.y, values)
    assert third.tensor_amax == 0.5 * 448 * 6
    np.testing.assert_array_equal(third.y, scaled)


def test_in_place_calls_show_what_was_there(seen: list[Observation]) -> None:
    x = X.copy()
    expected = lb.qdq(X, "mxfp4")
    lb.qdq(x, "mxfp4", out=x)
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(seen[1].x, X)
    tensor = torch.from_numpy(X.copy()).t()
    lb.qdq(tensor, "mxfp4", axis=0, out=tensor)
    np.testing.assert_array_equal(seen[2].x, X.T)
    np.testing.assert_array_equal(seen[2].y, expected.T)


def test_watching_changes_no_bit(seen: list[Observation], rng: np.random.Generator) -> None:
    x = rng.standard_normal((33, 70)).astype(np.float32)
    for name in ("mxfp4", "nvfp4", "nvfp4_2d", "int8_row", "fp8_e4m3", "bf16"):
        watched = lb.qdq(x, name)
        assert seen[-1].y is watched or np.array_equal(seen[-1].y, watched)
        with observers.muted():
            np.testing.assert_array_equal(lb.qdq(x, name), watched)


def test_labels_and_muting_belong_to_their_thread(seen: list[Observation]) -> None:
    with observers.labelled("layer", "weight"), observers.muted():
        lb.qdq(X, "mxfp4")
        thread = Thread(target=lambda: lb.qdq(X, "mxfp4"))
        thread.start()
        thread.join()
    assert [(one.name, one.role) for one in seen] == [("", "")]
    with observers.labelled("layer", "weight"):
        with pytest.raises(ValueError), observers.labelled("inner", "input"):
            lb.qdq(X, "mxfp4")
            raise ValueError
        lb.qdq(X, "mxfp4")
    lb.qdq(X, "mxfp4")
    assert [one.name for one in seen[1:]] == ["inner", "layer", ""]


def test_an_observer_may_be_attached_twice() -> None:
    found: list[Observation] = []
    observe = found.append
    observers.attach(observe)
    observers.attach(observe)
    lb.qdq(X, "mxfp4")
    observers.detach(observe)
    lb.qdq(X, "mxfp4")
    observers.detach(observe)
    lb.qdq(X, "mxfp4")
    assert len(found) == 3
    assert observers.active is None
