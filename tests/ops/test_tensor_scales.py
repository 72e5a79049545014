"""Sampled, delayed and static tensor amaxes: what each call gets, and that states are plain, exact and resumable."""

import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import lowbit as lb
from lowbit.errors import ArgumentError, DtypeError
from lowbit.formats.binary32 import FLT_MAX
from lowbit.ops.tensor_scales import finite_amax


def tensor(amax: float) -> np.ndarray:
    return np.array([[0.25, -amax], [0.0, amax / 2]], np.float32)


def test_finite_amax_of_every_kind_and_layout(rng: np.random.Generator) -> None:
    x = rng.standard_normal((5, 7, 3)).astype(np.float32)
    expected = float(np.abs(x).max())
    for view in (x, x.T, x[::-1], x.transpose(1, 0, 2), torch.from_numpy(x), torch.from_numpy(x).permute(2, 0, 1)):
        assert finite_amax(view) == expected
    half = x[:, ::2, 1].astype(ml_dtypes.bfloat16)
    assert finite_amax(half) == float(np.abs(half.astype(np.float32)).max())
    assert finite_amax(torch.tensor([1.0, float("inf"), -3.0, float("nan")]).half()) == 3.0
    assert finite_amax(np.array([np.nan, np.inf], np.float32)) == finite_amax(np.zeros((0, 3), np.float32)) == 0.0
    assert finite_amax(np.array(-2.0, np.float32)) == 2.0
    with pytest.raises(DtypeError):
        finite_amax([1.0])


def test_sample_and_hold_reads_every_period(monkeypatch: pytest.MonkeyPatch) -> None:
    state = lb.SampleAndHold(period=3, safety=2.0)
    assert [state(tensor(a)) for a in (1, 5, 6, 7, 8, 9, 10)] == [2, 2, 2, 14, 14, 14, 20]
    monkeypatch.setattr("lowbit.ops.tensor_scales.finite_amax", None)  # a held amax does not look at the tensor
    assert [state(tensor(a)) for a in (11, 12)] == [20, 20]


@pytest.mark.parametrize("nothing", [np.zeros(4, np.float32), np.full(4, np.nan, np.float32), np.empty(0, np.float32)])
def test_a_sample_without_information_is_not_held(nothing: np.ndarray) -> None:
    state = lb.SampleAndHold(period=2)
    assert [state(nothing), state(nothing), state(tensor(4)), state(tensor(9))] == [0, 0, 4, 4]
    assert [state(nothing), state(tensor(7)), state(nothing), state(tensor(8))] == [4, 7, 7, 8]


def test_history_takes_the_largest_before_this_call() -> None:
    state = lb.AmaxHistory(length=2, margin=1)
    assert [state(tensor(a)) for a in (3, 8, 5, 1, 1, 2)] == [6, 6, 16, 16, 10, 2]


def test_most_recent_history_is_one_call_late() -> None:
    state = lb.AmaxHistory(reduce="most_recent", initial=448.0)
    assert [state(tensor(a)) for a in (3, 8, 5)] == [448, 3, 8]


def test_zeros_in_a_history_keep_the_last_amax() -> None:
    zero = np.zeros(3, np.float32)
    state = lb.AmaxHistory(length=2)
    assert [state(x) for x in (zero, zero, tensor(3), zero, zero, zero, zero)] == [0, 0, 3, 3, 3, 3, 3]
    assert state(tensor(5)) == 3
    assert state(zero) == 5
    recent = lb.AmaxHistory(reduce="most_recent")
    assert [recent(x) for x in (tensor(2), zero, np.full(2, np.inf, np.float32), tensor(4), zero)] == [2, 2, 2, 2, 4]


def test_results_stay_finite_binary32_numbers() -> None:
    assert lb.SampleAndHold(safety=1e30).update(1e30) == FLT_MAX
    assert lb.AmaxHistory(margin=100).update(1e30) == FLT_MAX
    assert lb.SampleAndHold(safety=0.1).update(1.0) == float(np.float32(0.1))


def test_static_amax_is_the_amax() -> None:
    x = tensor(5.0)
    state = lb.StaticAmax(5.0)
    np.testing.assert_array_equal(lb.qdq(x, "nvfp4", tensor_amax=state(x)), lb.qdq(x, "nvfp4"))
    assert state(tensor(100.0)) == 5.0


@pytest.mark.parametrize("make", [lambda: lb.SampleAndHold(period=3), lambda: lb.AmaxHistory(length=3)])
def test_interrupted_and_resumed_equals_uninterrupted(make: Any, rng: np.random.Generator) -> None:
    amaxes = [float(a) for a in rng.choice([0.0, 1.5, 2.5, 3.0, 1e-30], 20)]
    whole, first, second = make(), make(), make()
    expected = [whole.update(a) for a in amaxes]
    found = [first.update(a) for a in amaxes[:11]]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert found + [second.update(a) for a in amaxes[11:]] == expected
    assert second.state_dict() == whole.state_dict()


def test_a_state_is_not_shared_with_its_dict() -> None:
    state = lb.AmaxHistory(length=4)
    state.update(1.0)
    saved = state.state_dict()
    state.update(2.0)
    assert saved["history"] == [1.0]


@pytest.mark.parametrize(
    ("state", "bad"),
    [
        (lb.SampleAndHold(), {"held": 1.0}),
        (lb.SampleAndHold(), {"held": -1.0, "step": 0, "next_sample": 0}),
        (lb.SampleAndHold(), {"held": 1.0, "step": 0.5, "next_sample": 0}),
        (lb.AmaxHistory(length=2), {"history": [1.0, 2.0, 3.0], "last": 0.0}),
        (lb.AmaxHistory(length=2), {"history": [float("nan")], "last": 0.0}),
        (lb.AmaxHistory(length=2), {"history": [], "last": 0.0, "extra": 1}),
        (lb.StaticAmax(1.0), {"amax": 0.0}),
        (lb.StaticAmax(1.0), None),
    ],
)
def test_foreign_states_are_refused_and_change_nothing(state: Any, bad: Any) -> None:
    before = state.state_dict()
    with pytest.raises(ArgumentError):
        state.load_state_dict(bad)
    assert state.state_dict() == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: lb.SampleAndHold(period=0),
        lambda: lb.SampleAndHold(period=True),
        lambda: lb.SampleAndHold(safety=float("nan")),
        lambda: lb.AmaxHistory(length=0),
        lambda: lb.AmaxHistory(reduce="mean"),  # pyright: ignore[reportArgumentType]
        lambda: lb.AmaxHistory(margin=0.5),  # pyright: ignore[reportArgumentType]
        lambda: lb.AmaxHistory(initial=0.0),
        lambda: lb.StaticAmax(float("inf")),
        lambda: lb.SampleAndHold().update(-1.0),
    ],
)
def test_arguments_outside_their_range(make: Any) -> None:
    with pytest.raises(ArgumentError):
        make()


def test_a_held_amax_quantizes_like_the_same_number(rng: np.random.Generator) -> None:
    x = torch.tensor(rng.standard_normal((4, 64)), dtype=torch.bfloat16)
    state = lb.SampleAndHold(safety=0.5)
    amax = float(x.abs().max()) / 2
    assert torch.equal(lb.qdq(x, "nvfp4", tensor_amax=state(x)), lb.qdq(x, "nvfp4", tensor_amax=amax))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # of torch.compile itself
def test_states_run_eagerly_between_compiled_graphs() -> None:
    state, expected = lb.SampleAndHold(period=2), lb.SampleAndHold(period=2)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return lb.qdq(x * 2, "nvfp4", tensor_amax=state(x)) + 1

    compiled = torch.compile(forward, backend="eager")
    for scale in (1.0, 3.0, 5.0, 7.0):
        x = scale * torch.linspace(-1, 1, 32)
        assert torch.equal(compiled(x), lb.qdq(x * 2, "nvfp4", tensor_amax=expected(x)) + 1)
    assert state.state_dict() == expected.state_dict()
    torch._dynamo.reset()
    with pytest.raises(Exception, match="pass on the number"):
        torch.compile(forward, backend="eager", fullgraph=True)(torch.ones(32))
    assert state.state_dict() == expected.state_dict()
