"""Block formats: text and JSON round trips, equality by meaning, defaults, replace, the registry, errors that help."""

import json
from dataclasses import FrozenInstanceError

import pytest
from format_cases import ALL_FORMATS, CASTS, REGISTERED, SMALL_ELEMENTS

from lowbit import formats
from lowbit.errors import ArgumentError, FormatError
from lowbit.formats import (
    Arithmetic,
    BlockFormat,
    BlockShape,
    Element,
    Overflow,
    ScaleFloor,
    ScaleRule,
    format_from_json,
    format_to_json,
)
from lowbit.formats.elements import element_text

INTERFACE = {
    "mxfp4": "e2m1/k32/e8m0",
    "mxfp6_e2m3": "e2m3/k32/e8m0",
    "mxfp6_e3m2": "e3m2/k32/e8m0",
    "mxfp8_e4m3": "e4m3/k32/e8m0",
    "mxfp8_e5m2": "e5m2/k32/e8m0",
    "mxint8": "int8f6/k32/e8m0",
    "mxint6": "int6f4/k32/e8m0",
    "mxint4": "int4f2/k32/e8m0",
    "nvfp4": "e2m1/k16/ue4m3/ts448",
    "nvfp4_2d": "e2m1/k16x16/ue4m3/ts448",
    "nvint4": "int4/k16/ue4m3/ts448",
    "ue5m3_fp4": "e2m1/k16/ue5m3",
    "ue5m3_fp4_k32": "e2m1/k32/ue5m3",
    "ue5m3_ieee_fp4": "e2m1/k16/ue5m3_ieee/ts448",
    "fp8_e4m3": "e4m3/tensor/f32",
    "fp8_e5m2": "e5m2/tensor/f32",
    "fp8_e4m3_row": "e4m3/row/f32",
    "fp8_e4m3_1x128": "e4m3/k128/f32",
    "fp8_e4m3_128x128": "e4m3/k128x128/f32",
    "int8_row": "int8/row/f32",
    "int8_tensor": "int8/tensor/f32",
    "int4_g32": "int4/k32/f32",
    "int4_g128": "int4/k128/f32",
    "nf4": "nf4/k64/f32",
    "bf16": "bf16",
    "fp16": "fp16",
    "tf32": "tf32",
}
BITS = {"mxfp4": 4.25, "nvfp4": 4.5, "mxint8": 8.25, "mxfp6_e2m3": 6.25, "nvfp4_2d": 4 + 8 / 256, "int4_g128": 4.25,
        "int4_g32": 5.0, "nf4": 4.5, "bf16": 16.0, "tf32": 19.0, "fp8_e4m3": 8.0, "fp8_e4m3_1x128": 8.25}  # fmt: skip


def test_the_registry_holds_the_published_names() -> None:
    assert set(INTERFACE) <= set(formats.list_formats())
    assert formats.list_formats() == sorted(formats.list_formats())


@pytest.mark.parametrize("name", REGISTERED)
def test_registered_formats(name: str) -> None:
    fmt = formats.format(name)
    assert fmt.name == str(fmt) == name and fmt.source
    assert formats.format(fmt) is fmt
    anonymous = formats.format(fmt.spec)
    assert anonymous == fmt and hash(anonymous) == hash(fmt)
    if name in INTERFACE and name != "nf4":
        assert fmt.spec == INTERFACE[name] or formats.format(INTERFACE[name]) == fmt


@pytest.mark.parametrize("name", [*ALL_FORMATS, *CASTS])
def test_text_and_json_round_trips(name: str) -> None:
    fmt = formats.format(name)
    assert formats.format(fmt.spec) == fmt and formats.format(str(fmt)) == fmt
    assert formats.format(fmt.spec).spec == fmt.spec
    again = format_from_json(format_to_json(fmt))
    assert again == fmt and (again.name, again.source) == (fmt.name, fmt.source)
    assert json.loads(format_to_json(fmt)).keys() == {"spec", "name", "source"}


@pytest.mark.parametrize("e", SMALL_ELEMENTS, ids=element_text)
def test_plain_casts_round_trip_too(e: Element) -> None:
    """`format(str(fmt)) == fmt` for every format, also a cast to an element whose name is a format's."""
    cast = BlockFormat(element=e)
    assert formats.format(str(cast)) == cast
    assert format_from_json(format_to_json(cast)) == cast


def test_equality_is_by_meaning() -> None:
    named = formats.format("mxfp4")
    by_fields = BlockFormat(
        element=formats.element("e2m1"), block=BlockShape((32,)), scale=_scale("e8m0"), name="other"
    )
    assert by_fields == named == formats.format("e2m1/k32/e8m0:floor") == formats.format("e2m1b1finite/k32/e8m0")
    assert len({by_fields, named}) == 1
    assert formats.format("e2m1/k16/e4m3") == formats.format("e2m1/k16/ue4m3")
    assert (
        formats.format("e2m1/k16/ue4m3/ts") == formats.format("nvfp4") == formats.format(" e2m1/k16 / ue4m3/ ts448.0")
    )
    for other in ("e2m1/k16/e8m0", "e2m1/k32/e8m0:even", "e2m3/k32/e8m0", "e2m1/k32/ue5m3", "e2m1/row/e8m0"):
        assert formats.format(other) != named
    with pytest.raises(FrozenInstanceError):
        named.name = "changed"  # type: ignore[misc]


def test_defaults_of_options() -> None:
    """Contract §3-§5: which option a format gets when it says nothing."""
    nvfp4, one_level = formats.format("nvfp4"), formats.format("ue5m3_fp4")
    assert formats.format("mxfp4").scale_rule is ScaleRule.FLOOR
    assert (nvfp4.scale_rule, nvfp4.arithmetic) == (ScaleRule.NEAREST_EVEN, Arithmetic.TRANSFORMER_ENGINE)
    assert (one_level.arithmetic, one_level.scale_floor) == (Arithmetic.DIVIDE, ScaleFloor.ZERO)
    assert formats.format("e2m1/k16/ue4m3/arithmetic=torchao").scale_floor is ScaleFloor.MIN_NORMAL
    assert formats.format("bf16").overflow is formats.format("tf32").overflow is Overflow.INF_NAN
    assert formats.format("e5m2").overflow is formats.format("mxfp8_e5m2").overflow is Overflow.SATURATE
    assert nvfp4.tensor_target == 448 and formats.format("e2m1/k16/ue4m3/ts256").tensor_target == 256


@pytest.mark.parametrize(("name", "bits"), BITS.items())
def test_bits_per_element(name: str, bits: float) -> None:
    assert formats.format(name).bits_per_element == bits


def test_replace_follows_defaults_and_keeps_choices() -> None:
    nvfp4 = formats.format("nvfp4")
    torchao = nvfp4.replace(arithmetic="torchao")
    assert torchao.scale_floor is ScaleFloor.MIN_NORMAL and torchao.name == "" and torchao.source == nvfp4.source
    assert torchao == formats.format("e2m1/k16/ue4m3/ts/arithmetic=torchao")
    assert nvfp4.replace(scale_floor="one").replace(arithmetic="divide").scale_floor is ScaleFloor.ONE
    one_level = nvfp4.replace(tensor_target=None)
    assert one_level.arithmetic is Arithmetic.DIVIDE and one_level == formats.format("e2m1/k16/ue4m3")
    power_of_two = one_level.replace(scale=_scale("e8m0"))
    assert power_of_two.scale_rule is ScaleRule.FLOOR
    assert formats.format("mxfp4").replace(scale_rule="rceil") == formats.format("e2m1/k32/e8m0:rceil")
    assert nvfp4.replace() == nvfp4
    with pytest.raises(ArgumentError, match="element, block"):
        nvfp4.replace(blocksize=3)
    with pytest.raises(ArgumentError, match="scale_rule"):
        nvfp4.replace(scale_rule="rounded")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("mxfp44", "mxfp4"),
        ("nvpf4", "nvfp4"),
        ("e2m1/k32", "scale"),
        ("e2m1/k32/e8m0/k16", "k16"),
        ("e2m1/32/e8m0", "'32'"),
        ("e2m1/k32/e8m0:round", "floor, even"),
        ("e2m1/k32/e8m0:nearest_even", "floor, even, ceil, rceil"),
        ("e2m1/k16/ue4m3:floor", "nearest_even, ceil"),
        ("e2m1/k16/f32:ceil", "nearest_even"),
        ("e2m1/k16/int8", "int8"),
        ("e2m1/k0/e8m0", "1..4096"),
        ("e2m1/k4097/e8m0", "row"),
        ("e2m1/k16x16x16/e8m0", "k16x16x16"),
        ("e2m1/k32/e8m0/colour=red", "colour"),
        ("e2m1/k32/e8m0/overflow=wrap", "wrap"),
        ("e2m1/k32/e8m0/overflow=inf_nan", "e2m1"),
        ("int8/k32/e8m0:even", "even"),
        ("e2m1/k32/e8m0/ts", "e8m0"),
        ("e2m1/tensor/ue4m3/ts", "tensor"),
        ("e2m1/k16/ue4m3/ts449", "449"),
        ("e2m1/k16/ue4m3/ts0", "0"),
        ("e2m1/ts", "block"),
        ("e2m1/k16/ue4m3/arithmetic=transformer_engine", "ts"),
        ("e2m1/k32/e8m0/arithmetic=torchao", "divide"),
        ("e2m1/k32/e8m0/scale_floor=one", "zero"),
        ("ue4m3", "ue4m3"),
        ("f32", "f32"),
        ("", "''"),
    ],
)
def test_errors_name_the_part(text: str, part: str) -> None:
    with pytest.raises((FormatError, ArgumentError)) as caught:
        formats.format(text)
    message = str(caught.value)
    assert part in message and "\n" not in message


def test_other_types_are_refused() -> None:
    for wrong in (None, 4, b"mxfp4", ["mxfp4"]):
        with pytest.raises(FormatError, match="name, spec text or BlockFormat"):
            formats.format(wrong)  # type: ignore[arg-type]


def test_register_refuses_duplicates_and_bad_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from lowbit.formats import registry

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    mine = formats.register("e3m2/k16/ue5m3:ceil", name="test-format_1.0")
    assert formats.format("test-format_1.0") is mine and "test-format_1.0" in formats.list_formats()
    assert str(mine) == "test-format_1.0" and mine == formats.format(mine.spec)
    for taken in ("mxfp4", "test-format_1.0", "e2m1", "e4m3fnuz", "int8", "e5m7"):
        with pytest.raises(FormatError, match="already"):
            formats.register("e2m1/k8/e8m0", name=taken)
    for bad in ("", "a/b", "a b", "k=1", "x\n"):
        with pytest.raises(FormatError, match="letters"):
            formats.register("e2m1/k8/e8m0", name=bad)
    with pytest.raises(FormatError):
        formats.register("e2m1/k8/nothing", name="unreadable")
    assert "unreadable" not in formats.list_formats()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"spec": 4}', '{"spec": "mxfp44"}', '{"spec": "e2m1", "extra": "x"}', '"mxfp4"'],
)
def test_bad_json_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        format_from_json(text)


def test_block_shapes() -> None:
    assert (BlockShape((32,)).elements, BlockShape((16, 16)).elements) == (32, 256)
    assert BlockShape(()).is_tensor and BlockShape((None,)).is_row and BlockShape((2, 3)).is_tile
    assert BlockShape(()).elements is BlockShape((None,)).elements is None
    assert [str(BlockShape(s)) for s in ((32,), (16, 8), (None,), ())] == ["k32", "k16x8", "row", "tensor"]
    for wrong in ((0,), (4097,), (1, 2, 3), (None, 4), (-1,)):
        with pytest.raises(FormatError):
            BlockShape(wrong)


def test_a_block_needs_a_scale_and_the_other_way_round() -> None:
    with pytest.raises(FormatError, match="both or neither"):
        BlockFormat(element=formats.element("e2m1"), block=BlockShape((32,)))
    with pytest.raises(FormatError, match="both or neither"):
        BlockFormat(element=formats.element("e2m1"), scale=_scale("e8m0"))
    with pytest.raises(FormatError, match="scale"):
        BlockFormat(element=_scale("ue4m3"))


def _scale(name: str) -> formats.FloatElement:
    found = formats.element(name)
    assert isinstance(found, formats.FloatElement)
    return found
