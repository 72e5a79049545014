"""`lowbit formats`: the table, one format in detail, JSON, and pictures of grids."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

import lowbit as lb
from lowbit.cli import formats_command, run_command
from lowbit.cli.format_details import number
from lowbit.cli.grid_picture import grid_picture
from lowbit.formats import format_from_json


@pytest.fixture
def app() -> typer.Typer:
    """An application with this command only."""
    app = typer.Typer()
    app.callback()(lambda: None)
    formats_command.register(app)
    return app


def shown(app: typer.Typer, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["formats", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def facts(text: str) -> dict[str, str]:
    """Label and text of the lines above the picture."""
    lines = text[: text.index("grid of")].splitlines()[1:]
    pairs = [line.strip().split("  ", 1) for line in lines if "  " in line.strip()]
    return {label: value.strip() for label, value in pairs}


def test_table_lists_every_format(app: typer.Typer) -> None:
    rows = {line.split()[0]: line for line in shown(app).splitlines() if line.strip()}
    for name in lb.list_formats():
        assert lb.format(name).spec[: formats_command.SPEC_WIDTH - 1] in rows[name]
    assert rows["nvfp4"].split()[1:9] == [
        "e2m1/k16/ue4m3/ts448",
        "4.5",
        "6",
        "k16",
        "ue4m3",
        "nearest_even",
        "+",
        "f32",
    ]


def test_details_of_mxfp4(app: typer.Typer) -> None:
    text = shown(app, "mxfp4")
    found = facts(text)
    assert text.startswith("mxfp4  e2m1/k32/e8m0")
    assert found["largest"] == "6"
    assert found["smallest"] == "0.5 (subnormal; smallest normal 1)"
    assert found["dynamic range"].startswith("21.6 dB, 3.58 binades")
    assert found["bits per element"] == "4.25"
    assert found["scale"] == "e8m0, 2^-127 to 2^127"
    assert found["block"] == "32 elements along the axis"
    assert found["special codes"] == "-0"
    codes = text[text.index("value") :]
    for code, value in enumerate(
        ["0", "0.5", "1", "1.5", "2", "3", "4", "6", "-0", "-0.5", "-1", "-1.5", "-2", "-3", "-4", "-6"]
    ):
        bits = f"{code >> 3} {code >> 1 & 3:02b} {code & 1}"
        assert " ".join([f"0x{code:X}", bits, value]) in " ".join(codes.split())


def test_spec_text_and_options(app: typer.Typer) -> None:
    found = facts(shown(app, "e3m2/k16/ue5m3:ceil/ts"))
    assert found["scale rule"] == "ceil"
    assert found["bits per element"] == "6.5, and 32 a tensor"
    assert found["tensor scale"].endswith("448")
    assert found["range with scale"] == "2^-21 to 2^21.61, 42.6 binades"
    assert facts(shown(app, "int8_row"))["bits per element"] == "8, and 32 a row"
    assert facts(shown(app, "nvfp4_2d"))["block"] == "16 × 16 elements over two axes"
    assert facts(shown(app, "bf16"))["block"] == "none: a plain cast"
    assert facts(shown(app, "bf16"))["overflow"].startswith("gives infinity")


def test_long_code_lists_are_elided(app: typer.Typer) -> None:
    short, whole = shown(app, "mxfp8_e4m3"), shown(app, "mxfp8_e4m3", "--all")
    assert "32 of 256 codes; --all lists every one" in short
    assert short.count("0x") == 32
    assert whole.count("0x") == 256
    assert "0x7E   0 1111 110     448" in short
    assert "0x7F   0 1111 111     nan" in short
    assert "0x7F80   0 11111111 0000000            inf" in shown(app, "bf16")
    assert "unused" in shown(app, "int4_g32")
    assert shown(app, "{-1,0,1}/k32/e8m0").count("0x") == 3


@pytest.mark.parametrize("name", lb.list_formats())
def test_every_format_can_be_shown(app: typer.Typer, name: str) -> None:
    assert name in shown(app, name)
    assert format_from_json(shown(app, name, "--json")) == lb.format(name)


def test_json_of_all(app: typer.Typer) -> None:
    found = [format_from_json(json.dumps(entry)) for entry in json.loads(shown(app, "--json"))]
    assert [fmt.name for fmt in found] == lb.list_formats()
    assert found == [lb.format(name) for name in lb.list_formats()]


def test_unknown_format_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["formats", "mxfp5"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "mxfp5" in captured.err


def test_linear_picture() -> None:
    picture = grid_picture(lb.element("e2m1"), width=25)
    assert picture.line == "┃───┃─┃─┃┃┃┃┃┃┃┃┃─┃─┃───┃"
    assert picture.labels.split()[0] == "-6"
    assert picture.labels.split()[-1] == "6"
    assert picture.labels[12] == "0"


def test_logarithmic_picture() -> None:
    picture = grid_picture(lb.element("e5m2"), width=70)
    assert picture.caption == "log2, positive values"
    assert len(picture.line) == 70
    assert picture.labels.startswith("2^-16")
    assert picture.labels.endswith("5.734e+04")
    assert picture.line.count("┃") == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(6.0, "6"), (-0.0, "-0"), (2.0**-127, "2^-127"), (-(2.0**-127), "-2^-127"), (0.1, "0.1"), (1 / 3, "0.3333333")],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_no_array_library_is_loaded() -> None:
    code = (
        "import sys; from lowbit.cli import run_command; import lowbit.cli.report_command;"
        "assert run_command(['formats', 'nvfp4']) == 0;"
        "sys.exit(' '.join({'numpy', 'torch', 'numba', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_options_and_side_bits_are_shown(app: typer.Typer) -> None:
    hif4, four_over_six = (shown(app, name) for name in ("hif4", "nvfp4_4over6"))
    assert "micro exponents" in hif4 and "8+4" in hif4 and "24 side bits in 32 bits" in hif4
    assert "alternatives" in four_over_six and "e2m1@4" in four_over_six
    assert "alternatives" not in shown(app, "mxfp4")
