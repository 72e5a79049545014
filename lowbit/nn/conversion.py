"""`convert` and `revert`: put recipes into a model that exists, in place, and take them out again.

A layer is converted by changing its class from `torch.nn.Linear` to `lowbit.nn.Linear` and giving it a recipe. The
module object stays the same, and with it its name, parameters (tied ones too), buffers, hooks, device, training mode
and every reference that an optimizer or another module holds to it; a model that is itself a linear layer can be
converted. Replacing modules would have to carry over all of these one by one.
"""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch

from lowbit.errors import ArgumentError, DtypeError
from lowbit.nn.fused_paths import allow_bypass, disable_nested_tensors, insist_on_call, restore_nested_tensors
from lowbit.nn.linear import Linear
from lowbit.nn.report import ConversionReport, ConversionWarning, LayerOutcome, UnusedRule
from lowbit.ops.torch_arrays import KINDS
from lowbit.recipes import Recipe
from lowbit.recipes import recipe as find_recipe

_CONVERTED = "_was_converted"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    """One (regular expression, recipe or None for high precision)."""

    pattern: str
    recipe: Recipe | None

    def matches(self, names: list[str]) -> bool:
        return any(re.search(self.pattern, name) for name in names)


def convert(
    model: torch.nn.Module, recipe: str | Recipe, rules: Iterable[tuple[str, str | Recipe | None]] = ()
) -> ConversionReport:
    """Give every `torch.nn.Linear` of the model (or of a part of one) a recipe, in place; return what was done.

    `rules` are (regular expression, recipe or None) in order: the first whose expression `re.search` finds in a layer's
    dotted name decides for that layer, None leaving it in high precision; layers without a rule get `recipe`. A module
    that is registered under several names is one layer, and a rule may match any of its names. state_dict keys,
    parameter objects, hooks, devices and training mode stay as they are. Layers that are not `torch.nn.Linear` itself
    stay in high precision and are reported with the reason. Torch's fused inference path of TransformerEncoder, which
    would read the weights without calling the layers, is switched off (`lowbit.nn.fused_paths`).

    Warns (ConversionWarning) of every rule without effect, and if nothing was converted. Raises ArgumentError for an
    unknown recipe, a malformed rule or a model that is converted already, DtypeError for float64 parameters; then the
    model is as it was.

    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    >>> print(convert(model, "gemms:mxfp4", rules=[("2", None)]))
    converted 1 of 2 layers
    layer  class   weight  recipe
    0      Linear  64x64   gemms:mxfp4
    2      Linear  10x64   - rule '2' leaves it in high precision
    """
    default, parsed = find_recipe(recipe), [_rule(rule) for rule in rules]
    layers = _weight_layers(model)
    _refuse_converted(layers)
    plans = [_plan(module, names, default, parsed) for module, names in layers]
    for (module, _), (_, layer_recipe) in zip(layers, plans, strict=True):
        if layer_recipe is not None:
            _convert_layer(cast("torch.nn.Linear", module), layer_recipe)
    disable_nested_tensors(model)
    outcomes = tuple(outcome for outcome, _ in plans)
    report = ConversionReport(layers=outcomes, unused_rules=_unused_rules(parsed, layers, outcomes))
    _warn(report)
    return report


def revert(model: torch.nn.Module) -> tuple[str, ...]:
    """Undo `convert`: the same modules are `torch.nn.Linear` again, with the parameters they have now.

    Returns the dotted names of the layers reverted. Layers built as `lowbit.nn.Linear` stay what they are.
    """
    names: list[str] = []
    for name, module in model.named_modules():
        if _CONVERTED in vars(module):
            for attribute in (_CONVERTED, "_recipe", "_plan"):
                delattr(module, attribute)
            allow_bypass(module)
            module.__class__ = torch.nn.Linear
            names.append(name)
    restore_nested_tensors(model)
    return tuple(names)


def _rule(rule: tuple[str, str | Recipe | None]) -> _Rule:
    if not isinstance(rule, tuple | list) or len(rule) != 2 or not isinstance(rule[0], str):
        raise ArgumentError(f"rule {rule!r} is not (regular expression, recipe or None)")
    pattern, recipe = rule
    try:
        re.compile(pattern)
    except re.error as error:
        raise ArgumentError(f"rule {pattern!r} is not a regular expression: {error}") from None
    return _Rule(pattern=pattern, recipe=None if recipe is None else find_recipe(recipe))


def _weight_layers(model: torch.nn.Module) -> list[tuple[torch.nn.Module, list[str]]]:
    """Modules that own a weight matrix, each once with all its dotted names, in the model's order."""
    layers: dict[int, tuple[torch.nn.Module, list[str]]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, torch.nn.Linear) or _weight_shape(module) is not None:
            layers.setdefault(id(module), (module, []))[1].append(name)
    return list(layers.values())


def _weight_shape(module: torch.nn.Module) -> tuple[int, ...] | None:
    """Shape of the first parameter of its own with two or more dimensions; () for one not initialized yet."""
    for parameter in module.parameters(recurse=False):
        if isinstance(parameter, torch.nn.UninitializedParameter):
            return ()
        if parameter.ndim >= 2:
            return tuple(parameter.shape)
    return None


def _refuse_converted(layers: list[tuple[torch.nn.Module, list[str]]]) -> None:
    done = [names[0] or "(model)" for module, names in layers if _CONVERTED in vars(module)]
    if done:
        raise ArgumentError(f"{len(done)} layers are converted already ({done[0]} …); call lb.nn.revert first")


def _plan(
    module: torch.nn.Module, names: list[str], default: Recipe, rules: list[_Rule]
) -> tuple[LayerOutcome, Recipe | None]:
    """What becomes of one layer, nothing done yet."""
    rule = next((rule for rule in rules if rule.matches(names)), None)
    recipe = default if rule is None else rule.recipe
    reason = _obstacle(module)
    if rule is not None and recipe is None:
        reason = f"rule {rule.pattern!r} leaves it in high precision"
    if reason:
        recipe = None
    elif recipe is not None:
        _check_dtype(module, names[0])
    shape = _weight_shape(module) or ()
    label = None if recipe is None else recipe.label
    return LayerOutcome(name=names[0], kind=type(module).__name__, shape=shape, recipe=label, reason=reason), recipe


def _obstacle(module: torch.nn.Module) -> str:
    """Why a layer cannot be converted, or an empty text."""
    kind = type(module).__name__
    if any(isinstance(p, torch.nn.UninitializedParameter) for p in module.parameters(recurse=False)):
        return "its parameters are not initialized yet: run a batch, then convert"
    if isinstance(module, Linear):
        return f"it was built with a recipe of its own, {module.recipe.label}"
    if isinstance(module, torch.nn.Linear) and type(module) is not torch.nn.Linear:
        return f"{kind} is a subclass that may compute without Linear.forward (as in MultiheadAttention)"
    if type(module) is not torch.nn.Linear:
        return f"this version casts Linear only, not {kind}"
    if "forward" in vars(module):
        return "its forward was replaced on the instance"
    return ""


def _check_dtype(module: torch.nn.Module, name: str) -> None:
    for parameter in module.parameters(recurse=False):
        if parameter.dtype not in KINDS:
            raise DtypeError(f"layer {name!r} has {parameter.dtype} parameters; call model.float() before converting")


def _convert_layer(module: torch.nn.Linear, recipe: Recipe) -> None:
    module.__class__ = Linear
    layer = cast("Linear", module)
    layer.recipe = recipe
    insist_on_call(layer)
    setattr(layer, _CONVERTED, True)


def _unused_rules(
    rules: list[_Rule], layers: list[tuple[torch.nn.Module, list[str]]], outcomes: tuple[LayerOutcome, ...]
) -> tuple[UnusedRule, ...]:
    matched, won, effective = set[int](), set[int](), set[int]()
    for (_, names), outcome in zip(layers, outcomes, strict=True):
        hits = [index for index, rule in enumerate(rules) if rule.matches(names)]
        matched.update(hits)
        won.update(hits[:1])
        effective.update(i for i in hits[:1] if rules[i].recipe is None or outcome.recipe is not None)
    reasons = {
        index: "no layer with a weight matrix has a name it matches"
        if index not in matched
        else "earlier rules decide for every layer it matches"
        if index not in won
        else "it matches only layers that cannot be converted"
        for index in range(len(rules))
        if index not in effective
    }
    return tuple(UnusedRule(pattern=rules[index].pattern, reason=reason) for index, reason in reasons.items())


def _warn(report: ConversionReport) -> None:
    for rule in report.unused_rules:
        warnings.warn(f"rule {rule.pattern!r} has no effect: {rule.reason}", ConversionWarning, stacklevel=3)
    if not report.converted:
        warnings.warn("no layer was converted; print the report for the reasons", ConversionWarning, stacklevel=3)
