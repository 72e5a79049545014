"""Recipes are data: tables, JSON, names, and refusals."""

import copy
import json
import pickle
import subprocess
import sys

import pytest

import lowbit as lb
from lowbit.errors import ArgumentError, FormatError
from lowbit.formats import Rounding
from lowbit.recipes import (
    OPERANDS,
    Cast,
    Gemm,
    Pass,
    Recipe,
    Role,
    Saved,
    all_gemms,
    forward_only,
    list_recipes,
    recipe,
    recipe_from_json,
    recipe_to_json,
)

EXAMPLES = (
    Recipe(),
    recipe("bf16"),
    forward_only("mxfp4"),
    all_gemms("e2m1/k16/ue5m3:ceil/ts448"),
    Recipe(dgrad=Gemm(grad_output=Cast.to("nvfp4_2d", rounding="toward_zero")), saved=Saved.QUANTIZED, name="mine"),
)


def test_all_gemms_casts_all_six_operands() -> None:
    table = all_gemms("mxfp4")
    cells = [table.cast(which, role) for which, roles in OPERANDS.items() for role in roles]
    assert cells == [Cast.to("mxfp4")] * 6
    assert table.saved is Saved.ORIGINAL


def test_forward_only_casts_two_and_goes_back_from_them() -> None:
    table = forward_only("nvfp4")
    assert table.fprop == Gemm(input=Cast.to("nvfp4"), weight=Cast.to("nvfp4"))
    assert table.dgrad == table.wgrad == Gemm()
    assert table.saved is Saved.QUANTIZED


def test_text_forms_and_names_agree() -> None:
    assert recipe("forward:mxfp4") == forward_only("mxfp4") == lb.recipe("forward:e2m1/k32/e8m0")
    assert recipe("gemms:e2m1/k16/ue5m3:ceil") == all_gemms("e2m1/k16/ue5m3:ceil")
    assert recipe("bf16") == all_gemms("bf16") and recipe("bf16").name == "bf16"
    assert recipe("bf16") in {recipe(name) for name in list_recipes()}
    for text in ("forward:mxfp4", "gemms:e2m1/k16/ue5m3:ceil", "bf16"):
        assert recipe(recipe(text).name) == recipe(text)
    assert recipe(EXAMPLES[-1]) is EXAMPLES[-1]


@pytest.mark.parametrize(
    ("text", "hint"),
    [("mxfp4", "forward:mxfp4 or gemms:mxfp4"), ("bf15", "bf16"), ("gems:mxfp4", "gemms:mxfp4"), ("", "FORMAT")],
)
def test_unknown_names_get_a_suggestion(text: str, hint: str) -> None:
    with pytest.raises(ArgumentError, match=hint):
        recipe(text)


def test_unknown_formats_and_wrong_types() -> None:
    with pytest.raises(FormatError, match="mxfp4"):
        recipe("forward:mxfp5")
    with pytest.raises(ArgumentError, match="int"):
        recipe(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda r: r.label)
def test_json_pickle_and_copies_round_trip(example: Recipe) -> None:
    for again in (
        recipe_from_json(recipe_to_json(example)),
        pickle.loads(pickle.dumps(example)),
        copy.deepcopy(example),
    ):
        assert again == example
        assert (again.name, again.source, hash(again)) == (example.name, example.source, hash(example))


def test_json_by_hand_may_leave_out_defaults() -> None:
    text = '{"fprop": {"weight": {"format": "mxfp4"}}}'
    assert recipe_from_json(text) == Recipe(fprop=Gemm(weight=Cast.to("mxfp4")))
    assert json.loads(recipe_to_json(recipe_from_json(text)))["fprop"]["weight"]["format"] == "mxfp4"


def test_json_writes_names_only_where_every_process_knows_them() -> None:
    mine = lb.register("e2m1/k8/ue4m3", name="test_recipes_format")
    assert json.loads(recipe_to_json(forward_only(mine)))["fprop"]["input"]["format"] == "e2m1/k8/ue4m3"


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"fprop": 3}',
        '{"fprop": {"grad_output": null}}',
        '{"fpropp": {}}',
        '{"saved": "both"}',
        '{"name": 3}',
        '{"fprop": {"input": {}}}',
        '{"fprop": {"input": {"format": "mxfp4", "axis": 0}}}',
        '{"fprop": {"input": {"format": "mxfp4", "rounding": "up"}}}',
        '{"wgrad": {"input": {"format": "mxfp44"}}}',
    ],
)
def test_malformed_json_is_refused(text: str) -> None:
    with pytest.raises((ArgumentError, FormatError)):
        recipe_from_json(text)


def test_casts_of_operands_that_a_gemm_has_not() -> None:
    cast = Cast.to("mxfp4")
    rows = {"fprop": Gemm(grad_output=cast), "dgrad": Gemm(input=cast), "wgrad": Gemm(weight=cast)}
    for which, row in rows.items():
        with pytest.raises(ArgumentError, match=f"{which} has no operand"):
            Recipe().replace(**{which: row})
    with pytest.raises(ArgumentError, match="has no operand"):
        all_gemms("mxfp4").cast(Pass.WGRAD, Role.WEIGHT)


def test_replace_makes_unnamed_variants() -> None:
    base = all_gemms("mxfp4")
    variant = base.replace(wgrad=base.wgrad.replace(input=None))
    assert variant != base and variant.name == "" and variant.source == base.source
    assert variant.cast(Pass.WGRAD, Role.INPUT) is None
    assert variant.cast(Pass.WGRAD, Role.GRAD_OUTPUT) == Cast.to("mxfp4")
    assert base.replace(name="other") == base
    with pytest.raises(ArgumentError, match="'fprop'"):
        base.replace(fpop=Gemm())
    with pytest.raises(ArgumentError, match="grad_output"):
        base.fprop.replace(gradient=None)


def test_values_of_the_wrong_kind() -> None:
    with pytest.raises(ArgumentError, match=r"Cast\.to"):
        Gemm(input="mxfp4")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Gemm"):
        Recipe(fprop=Cast.to("mxfp4"))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="original, quantized"):
        Recipe(saved="both")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="seed"):
        Cast.to("mxfp4", rounding=Rounding.STOCHASTIC)
    with pytest.raises(ArgumentError, match="rounding"):
        Cast.to("mxfp4", rounding="nearest")


def test_prints_as_a_table() -> None:
    text = str(all_gemms("mxfp4").replace(dgrad=Gemm(weight=Cast.to("nvfp4", rounding="toward_zero")), name="demo"))
    assert text.splitlines() == [
        "demo: backward from original operands",
        "pass   input  weight             grad_output",
        "fprop  mxfp4  mxfp4",
        "dgrad         nvfp4 toward_zero  -",
        "wgrad  mxfp4                     mxfp4",
    ]


def test_recipes_need_neither_numpy_nor_torch() -> None:
    code = "import lowbit.recipes, sys; lowbit.recipes.recipe('bf16'); assert not {'numpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
