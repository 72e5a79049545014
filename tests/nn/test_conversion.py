"""convert and revert: in place, by rules, reported, undone exactly."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

import lowbit as lb
from lowbit.errors import ArgumentError, DtypeError, FormatError
from lowbit.nn import ConversionReport, ConversionWarning, convert, revert

pytestmark = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
"""torch.compile makes an instance of every autograd.Function it traces, and torch warns of that."""


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Tied(nn.Module):
    """An embedding whose weight is the output layer's, and a block registered twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(16, 32)
        self.block = nn.Sequential(nn.Linear(32, 32), nn.GELU())
        self.again = self.block
        self.norm = nn.LayerNorm(32)
        self.lm_head = nn.Linear(32, 16, bias=False)
        self.lm_head.weight = self.embed.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.lm_head(self.norm(self.again(self.block(self.embed(tokens)))))


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 8))


def recipes(model: nn.Module) -> dict[str, str]:
    return {n: m.recipe.label for n, m in model.named_modules() if isinstance(m, lb.nn.Linear)}


def quiet(model: nn.Module, recipe: str, rules: list[tuple[str, str | None]]) -> ConversionReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        return convert(model, recipe, rules)


def test_every_linear_gets_the_recipe_in_place() -> None:
    model = mlp()
    modules, parameters, keys = list(model.modules()), list(model.parameters()), list(model.state_dict())
    report = convert(model, "gemms:mxfp4")
    assert all(a is b for a, b in zip(model.modules(), modules, strict=True))
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert list(model.state_dict()) == keys
    assert recipes(model) == dict.fromkeys("024", "gemms:mxfp4")
    assert [layer.name for layer in report.converted] == ["0", "2", "4"] and not report.skipped
    assert report.converted[2].shape == (8, 32)


def test_first_matching_rule_wins_and_none_keeps_high_precision() -> None:
    model = mlp()
    report = convert(model, "gemms:mxfp4", [("^4$", None), ("[24]", "forward:nvfp4")])
    assert recipes(model) == {"0": "gemms:mxfp4", "2": "forward:nvfp4"}
    assert type(model[4]) is nn.Linear
    assert report.skipped[0].reason == "rule '^4$' leaves it in high precision"
    assert not report.unused_rules


def test_rules_without_effect_are_reported_and_warned_of() -> None:
    model = nn.Sequential(nn.Linear(32, 32), nn.Conv1d(4, 4, 1))
    rules = [("0", None), ("0|zero", "bf16"), ("head", None), ("1", "bf16")]
    with pytest.warns(ConversionWarning) as caught:
        report = convert(model, "gemms:mxfp4", rules)
    assert [rule.pattern for rule in report.unused_rules] == ["0|zero", "head", "1"]
    reasons = [rule.reason for rule in report.unused_rules]
    assert "earlier rules" in reasons[0] and "no layer" in reasons[1] and "cannot be converted" in reasons[2]
    assert len(caught) == 4 and "no layer was converted" in str(caught[-1].message)
    assert all(warning.filename == __file__ for warning in caught)


def test_report_prints_as_a_table_with_reasons() -> None:
    model = Tied()
    text = str(convert(model, "gemms:mxfp4", [("head", None)]))
    assert text.splitlines() == [
        "converted 1 of 3 layers",
        "layer    class      weight  recipe",
        "embed    Embedding  16x32   - this version casts Linear only, not Embedding",
        "block.0  Linear     32x32   gemms:mxfp4",
        "lm_head  Linear     16x32   - rule 'head' leaves it in high precision",
    ]


def test_tied_weights_stay_tied_and_optimizers_keep_working() -> None:
    model = Tied()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    convert(model, "gemms:mxfp4")
    assert model.lm_head.weight is model.embed.weight
    before = model.embed.weight.detach().clone()
    model(torch.arange(8)[None]).square().mean().backward()
    optimizer.step()
    assert not torch.equal(model.lm_head.weight, before)
    assert model.lm_head.weight is model.embed.weight


def test_a_module_under_two_names_is_one_layer_and_rules_may_use_either_name() -> None:
    model = Tied()
    report = convert(model, "gemms:mxfp4", [("again", None)])
    assert [layer.name for layer in report.layers] == ["embed", "block.0", "lm_head"]
    assert recipes(model) == {"lm_head": "gemms:mxfp4"}


def test_hooks_buffers_training_mode_and_attributes_stay() -> None:
    model = mlp().eval()
    calls: list[str] = []
    model[0].register_forward_hook(lambda *_: calls.append("hook"))
    model[0].register_forward_pre_hook(lambda *_: calls.append("pre"))
    model[0].register_buffer("steps", torch.tensor(3))
    vars(model[0])["tag"] = "mine"
    convert(model, "forward:mxfp4")
    model(torch.randn(2, 32))
    assert calls == ["pre", "hook"] and not model[0].training
    assert vars(model[0])["tag"] == "mine" and "0.steps" in model.state_dict()
    revert(model)
    model(torch.randn(2, 32))
    assert calls == ["pre", "hook"] * 2


def test_revert_restores_exactly() -> None:
    model = mlp()
    x, attributes = torch.randn(4, 32), {name: set(vars(m)) for name, m in model.named_modules()}
    expected, parameters, text = model(x), list(model.parameters()), repr(model)
    convert(model, "gemms:mxfp4")
    assert not torch.equal(model(x), expected)
    assert revert(model) == ("0", "2", "4")
    assert torch.equal(model(x), expected) and repr(model) == text
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert {name: set(vars(m)) for name, m in model.named_modules()} == attributes
    assert not any(m._forward_pre_hooks for m in model.modules())
    assert revert(model) == ()
    convert(model, "bf16")


def test_converting_twice_is_an_error_that_changes_nothing() -> None:
    model = mlp()
    convert(model[2], "bf16")
    with pytest.raises(ArgumentError, match=r"2.*revert"):
        convert(model, "gemms:mxfp4")
    assert recipes(model) == {"2": "bf16"}
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert recipes(again) == {"2": "bf16"}
        with pytest.raises(ArgumentError):
            convert(again, "gemms:mxfp4")
        assert revert(again) == ("2",)


def test_layers_built_with_a_recipe_keep_it() -> None:
    model = nn.Sequential(lb.nn.Linear(32, 32, recipe="bf16"), nn.Linear(32, 32))
    report = convert(model, "gemms:mxfp4")
    assert recipes(model) == {"0": "bf16", "1": "gemms:mxfp4"}
    assert "of its own, bf16" in report.skipped[0].reason
    assert revert(model) == ("1",) and recipes(model) == {"0": "bf16"}


def test_a_model_that_is_a_linear_layer() -> None:
    layer = nn.Linear(32, 8)
    assert "(model)" in str(convert(layer, "gemms:mxfp4"))
    assert isinstance(layer, lb.nn.Linear)
    assert revert(layer) == ("",) and type(layer) is nn.Linear


def test_subclasses_are_reported_not_converted() -> None:
    model = nn.ModuleDict({"attention": nn.MultiheadAttention(32, 4), "lazy": nn.LazyLinear(4), "fc": nn.Linear(8, 8)})
    model["patched"] = nn.Linear(8, 8)
    model["patched"].forward = lambda x: x  # type: ignore[method-assign]
    report = convert(model, "gemms:mxfp4")
    assert [layer.name for layer in report.converted] == ["fc"]
    reasons = {layer.name: layer.reason for layer in report.skipped}
    assert "MultiheadAttention" in reasons["attention"]
    assert "NonDynamicallyQuantizableLinear is a subclass" in reasons["attention.out_proj"]
    assert "not initialized" in reasons["lazy"]
    assert "replaced on the instance" in reasons["patched"]
    assert type(model["attention"].out_proj) is not lb.nn.Linear


@pytest.mark.parametrize(
    ("recipe", "rules", "error", "match"),
    [
        ("gems:mxfp4", [], ArgumentError, "gemms:mxfp4"),
        ("gemms:mxfp5", [], FormatError, "mxfp4"),
        ("bf16", [("(", None)], ArgumentError, "regular expression"),
        ("bf16", [("0", "mxfp4")], ArgumentError, "forward:mxfp4"),
        ("bf16", ["lm_head"], ArgumentError, "not .regular expression, recipe or None"),
        ("bf16", [("a", None, 1)], ArgumentError, "not .regular expression, recipe or None"),
    ],
)
def test_bad_arguments_leave_the_model_alone(recipe: str, rules: list, error: type[Exception], match: str) -> None:
    model = mlp()
    with pytest.raises(error, match=match):
        convert(model, recipe, rules)
    assert not recipes(model)


def test_float64_parameters_are_refused_by_name() -> None:
    model = mlp()
    model[2].double()
    with pytest.raises(DtypeError, match=r"'2'.*float64.*model\.float\(\)"):
        convert(model, "gemms:mxfp4")
    assert not recipes(model)
    convert(model, "gemms:mxfp4", [("2", None)])


def test_converted_model_compiles_and_follows_a_conversion_after_compilation() -> None:
    model, x = mlp(), torch.randn(4, 32)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    plain = compiled(x)
    convert(model, "gemms:mxfp4")
    assert torch.equal(compiled(x), model(x)) and not torch.equal(compiled(x), plain)
    revert(model)
    assert torch.equal(compiled(x), plain)


def test_transformer_encoder_calls_its_layers_in_evaluation_mode() -> None:
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    model, x = nn.TransformerEncoder(layer, 2).eval(), torch.randn(2, 5, 32)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        full = model(x, src_key_padding_mask=padding)
        convert(model, "forward:mxfp4")
        evaluated = model(x, src_key_padding_mask=padding)
        trained = model.train()(x, src_key_padding_mask=padding)
        torch.testing.assert_close(evaluated[~padding], trained[~padding])
        assert (evaluated - full)[~padding].abs().max() > 1e-3
        revert(model)
        assert torch.equal(model.eval()(x, src_key_padding_mask=padding), full)
