"""The training tasks: real data, fixed splits, data order that formats share, bitwise repetition, real learning."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from lowbit.errors import ArgumentError, FileError
from lowbit.studies import Arm, DigitsSettings, LanguageSettings, Mode, TaskPlan, TrialSpec
from lowbit.studies.settings import Settings
from lowbit.studies.spec import BASELINE
from lowbit.studies.tasks import digits, language, text
from lowbit.studies.tasks.registry import run_trial
from lowbit.studies.tasks.training import learning_rate_factor, train
from lowbit.studies.tasks.trial import summarize, thin_curve
from lowbit.studies.tasks.vit import cut_patches

SMALL_TEXT = LanguageSettings(
    steps=6, batch=4, context=32, warmup=2, width=32, hidden=32, layers=1, heads=2, eval_windows=8
)
SMALL_DIGITS = DigitsSettings(steps=6, batch=16, warmup=2, width=32, hidden=32, layers=1, heads=2)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trial(settings: Settings, arm: Arm = BASELINE, seed: int = 0) -> TrialSpec:
    is_text = isinstance(settings, LanguageSettings)
    data = text.digest(text.builtin_text()) if is_text else None
    plan = TaskPlan(task="language" if is_text else "digits", settings=settings, data=data)
    return TrialSpec(plan=plan, arm=arm, seed=seed)


def gemms(name: str) -> Arm:
    return Arm(format=name, mode=Mode.GEMMS, recipe=f"gemms:{name}")


def test_digits_are_the_real_ones_split_once():
    split = digits.load_split()
    assert len(split.images) + len(split.held_out_images) == 1797
    assert len(split.held_out_images) == digits.HELD_OUT
    assert torch.bincount(split.held_out_labels, minlength=10).min() >= 70  # every digit is judged
    every = torch.cat([split.images, split.held_out_images]).flatten(1)
    from sklearn.datasets import load_digits

    whole = torch.tensor(load_digits(return_X_y=True)[0], dtype=torch.float32)
    restored = (every - every.min()) / (every.max() - every.min()) * 16
    assert torch.equal(torch.sort(restored.round().sum(1)).values, torch.sort(whole.sum(1)).values)
    assert split.images.mean().abs() < 1e-4


def test_patches_keep_pixels_together():
    image = torch.arange(16.0).view(1, 4, 4)
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert cut_patches(image, 2).tolist() == [expected]


def test_builtin_text_is_english_without_repeated_paragraphs():
    content = text.builtin_text()
    paragraphs = content.decode().split("\n\n")
    assert len(set(paragraphs)) == len(paragraphs)
    assert b"The expression" in content or b"statement" in content
    assert len(content) > 200_000
    assert content == text.builtin_text()


def test_text_split_is_a_partition_of_whole_chunks():
    content = np.random.default_rng(0).bytes(text.CHUNK_BYTES * 25 + 17)
    parts = text.split_text(content)
    assert len(parts.held_out) == 2 * text.CHUNK_BYTES
    assert len(parts.train) == 23 * text.CHUNK_BYTES
    assert parts.held_out.tobytes()[: text.CHUNK_BYTES] == content[9 * text.CHUNK_BYTES : 10 * text.CHUNK_BYTES]
    assert content.startswith(parts.train.tobytes()[: 9 * text.CHUNK_BYTES])
    with pytest.raises(ArgumentError, match="bytes"):
        text.split_text(b"short")


def test_own_text_is_checked(tmp_path):
    small = tmp_path / "small.txt"
    small.write_bytes(b"x" * 100)
    with pytest.raises(FileError, match="100 bytes"):
        text.load_text(small)
    with pytest.raises(FileError, match="cannot read"):
        text.load_text(tmp_path / "none.txt")
    with pytest.raises(FileError, match=r"directory|bytes"):
        text.load_text(tmp_path)


def test_a_trial_refuses_another_text_than_its_own(tmp_path):
    other = tmp_path / "other.bin"
    other.write_bytes(bytes(range(256)) * 400)
    with pytest.raises(ArgumentError, match="SHA-256"):
        run_trial(trial(SMALL_TEXT), other)
    spec = trial(SMALL_TEXT)
    own = dataclasses.replace(spec, plan=dataclasses.replace(spec.plan, data=text.digest(other.read_bytes())))
    assert run_trial(own, other).loss is not None


def test_data_order_depends_on_the_seed_alone():
    first = digits.draw_batches(898, DigitsSettings(), 0)
    assert torch.equal(first, digits.draw_batches(898, DigitsSettings(), 0))
    assert not torch.equal(first, digits.draw_batches(898, DigitsSettings(), 1))
    seen = first.flatten()[:898]
    assert torch.equal(seen.sort().values, torch.arange(898))  # one pass sees every image once
    starts = language.draw_windows(1000, LanguageSettings(), 0)
    assert torch.equal(starts, language.draw_windows(1000, LanguageSettings(), 0))
    assert starts.max() <= 1000 - LanguageSettings().context - 1


@pytest.mark.parametrize("settings", [SMALL_TEXT, SMALL_DIGITS], ids=["language", "digits"])
@pytest.mark.parametrize("arm", [BASELINE, gemms("mxfp4")], ids=["fp32", "mxfp4"])
def test_same_spec_same_bits_whatever_ran_before(settings: Settings, arm: Arm):
    first = run_trial(trial(settings, arm))
    torch.manual_seed(123)
    run_trial(trial(settings, gemms("nvfp4"), seed=5))
    assert run_trial(trial(settings, arm)) == first
    assert run_trial(trial(settings, arm, seed=1)) != first


def test_a_trial_leaves_the_random_state_of_its_caller_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    run_trial(trial(SMALL_DIGITS))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(("settings", "layers"), [(SMALL_TEXT, 4), (SMALL_DIGITS, 4)], ids=["language", "digits"])
def test_formats_share_the_start_and_only_body_layers_are_quantized(settings: Settings, layers: int):
    plain = run_trial(trial(dataclasses.replace(settings, steps=1)))
    coarse = run_trial(trial(dataclasses.replace(settings, steps=1), gemms("mxfp4")))
    assert plain.quantized_layers == 0
    assert coarse.quantized_layers == layers
    assert coarse.parameters == plain.parameters
    assert abs(coarse.curve[0][1] - plain.curve[0][1]) < 0.2  # the same weights and batch, seen through FP4
    assert coarse.loss != plain.loss


def test_forward_only_and_all_gemms_train_differently():
    forward = Arm(format="mxfp4", mode=Mode.FORWARD, recipe="forward:mxfp4")
    one, other = run_trial(trial(SMALL_TEXT, forward)), run_trial(trial(SMALL_TEXT, gemms("mxfp4")))
    assert one.curve[0] == other.curve[0]  # the first forward pass is the same
    assert one.loss != other.loss


def test_loss_scale_changes_only_formats_of_limited_range():
    """A power of two passes through float32 and power-of-two scales exactly; UE5M3 scales underflow without it."""

    def outcome(arm: Arm, scale: float):
        return run_trial(trial(dataclasses.replace(SMALL_TEXT, loss_scale=scale), arm))

    for arm in (BASELINE, gemms("mxfp4")):
        assert outcome(arm, 1.0) == outcome(arm, 4096.0)
    assert outcome(gemms("ue5m3_fp4"), 2.0**-8) != outcome(gemms("ue5m3_fp4"), 4096.0)


def test_language_model_learns_more_than_byte_frequencies():
    content = np.frombuffer(text.builtin_text(), np.uint8)
    share = np.bincount(content) / len(content)
    entropy = -sum(p * math.log(p) for p in share if p > 0)
    settings = LanguageSettings(steps=80, warmup=8, eval_windows=64)
    outcome = run_trial(trial(settings))
    assert outcome.loss is not None
    assert outcome.loss < entropy - 0.05
    assert outcome.curve[0][1] == pytest.approx(math.log(256), abs=0.3)


def test_model_cannot_see_the_bytes_it_predicts():
    torch.manual_seed(0)
    model = language.Llama(vocabulary=256, width=32, hidden=32, layers=2, heads=2, context=16)
    torch.nn.init.normal_(model.head.weight)
    tokens = torch.randint(0, 256, (1, 16))
    changed = tokens.clone()
    changed[0, 10:] = (changed[0, 10:] + 1) % 256
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[0, :10], after[0, :10], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(before[0, 10:], after[0, 10:])


def test_divergence_ends_the_run_and_is_recorded():
    model = torch.nn.Linear(1, 1)
    calls: list[int] = []

    def loss(step: int) -> torch.Tensor:
        calls.append(step)
        return model(torch.ones(1, 1)).sum() * (math.inf if step == 3 else 1.0)

    losses = train(model, loss, dataclasses.replace(SMALL_DIGITS, steps=10))
    assert calls == [0, 1, 2, 3]
    outcome = summarize(model, losses, quantized=0, judge=lambda: pytest.fail("a diverged model is not judged"))
    assert outcome.diverged
    assert outcome.loss is None
    assert len(outcome.curve) == 3


def test_schedule_and_curve():
    settings = dataclasses.replace(SMALL_DIGITS, steps=12, warmup=2)
    factors = [learning_rate_factor(step, settings) for step in range(12)]
    assert factors[:3] == [0.5, 1.0, 1.0]
    assert factors[7] == pytest.approx(0.5)
    assert all(a >= b for a, b in pairwise(factors[2:]))
    assert thin_curve([1.0, 2.0, 3.0]) == ((1, 1.0), (2, 2.0), (3, 3.0))
    long = thin_curve([float(i) for i in range(101)])
    assert len(long) <= 50
    assert long[0] == (3, 1.0)
    assert long[-1][0] == 101
    assert thin_curve([]) == ()


@pytest.mark.slow
def test_digits_at_full_budget_are_recognised():
    outcome = run_trial(trial(DigitsSettings()))
    assert outcome.accuracy is not None
    assert outcome.accuracy > 0.9
