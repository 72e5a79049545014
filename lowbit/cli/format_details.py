"""One format in words: its facts, a picture of its grid and its codes."""

from collections.abc import Iterator
from math import frexp, isfinite, log2, log10

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lowbit.cli.grid_picture import grid_picture
from lowbit.formats import BlockFormat, Element, FloatElement, Overflow
from lowbit.formats.options import OPTIONS

ELIDED_ABOVE = 32
"""Longer code lists show only SHOWN codes from zero on, and SHOWN around the largest value."""

SHOWN = 16
CODES_WIDTH = 80
"""As many groups of codes stand side by side as fit in these columns."""


def format_details(fmt: BlockFormat, *, show_all: bool) -> Iterator[RenderableType]:
    """What `lowbit formats NAME` prints, from top to bottom; `show_all` lists every code."""
    yield Text(f"{fmt.name}  {fmt.spec}".strip(), style="bold")
    facts = Table.grid(padding=(0, 2))
    for label, value in (*_element_facts(fmt), *_scale_facts(fmt)):
        facts.add_row(Text(label, style="dim"), Text(value))
    yield facts
    picture = grid_picture(fmt.element)
    yield Text(f"\ngrid of {fmt.element.name} ({picture.caption})", style="dim")
    yield Text(f"  {picture.line}\n  {picture.labels}\n", no_wrap=True)
    yield from _code_table(fmt.element, show_all=show_all)


def number(value: float) -> str:
    """Exact where that is short: up to 7 digits as they are, powers of two as 2^k, else rounded to 7 digits."""
    rounded = f"{value:.7g}"
    if not isfinite(value) or float(rounded) == value:
        return rounded
    mantissa, exponent = frexp(value)
    return f"{'-' if value < 0 else ''}2^{exponent - 1}" if abs(mantissa) == 0.5 else rounded


def scale_text(fmt: BlockFormat) -> str:
    """Scale element, rule, and the second level where there is one."""
    if fmt.scale is None or fmt.scale_rule is None:
        return "-"
    return f"{fmt.scale.name} {fmt.scale_rule.value}" + (" + f32" if fmt.tensor_target is not None else "")


def _element_facts(fmt: BlockFormat) -> Iterator[tuple[str, str]]:
    element = fmt.element
    if fmt.source:
        yield "source", fmt.source
    origin = f", {element.source}" if element.source else ""
    yield "element", f"{element.name}, {element.bits} bits{origin}"
    yield "largest", number(element.max)
    yield "smallest", number(element.min_positive) + _normal_text(element)
    ratio = element.max / element.min_positive
    yield "dynamic range", f"{20 * log10(ratio):.1f} dB, {log2(ratio):.2f} binades (largest over smallest)"
    present = {"NaN": element.has_nan, "infinity": element.has_infinity, "-0": element.has_negative_zero}
    yield "special codes", ", ".join(name for name, has in present.items() if has) or "none"
    yield "overflow", "saturates" if fmt.overflow is Overflow.SATURATE else "gives infinity, or NaN without one"
    yield "bits per element", _bits_text(fmt)


def _scale_facts(fmt: BlockFormat) -> Iterator[tuple[str, str]]:
    if fmt.scale is None or fmt.scale_rule is None or fmt.scale_floor is None or fmt.arithmetic is None:
        yield "block", "none: a plain cast"
        return
    yield "block", _block_text(fmt)
    yield "scale", f"{fmt.scale.name}, {number(fmt.scale.min_positive)} to {number(fmt.scale.max)}"
    top = log2(fmt.element.max) + log2(fmt.scale.max)
    bottom = log2(fmt.element.min_positive) + log2(fmt.scale.min_positive)
    yield "range with scale", f"2^{bottom:.4g} to 2^{top:.4g}, {top - bottom:.1f} binades"
    yield "scale rule", fmt.scale_rule.value
    if fmt.scale.zero:
        yield "scale floor", f"{fmt.scale_floor.value} (what a scale that would round to zero becomes)"
    if fmt.tensor_target is not None:
        yield "tensor scale", f"float32, chosen so that the largest block scale is {number(float(fmt.tensor_target))}"
    yield "arithmetic", fmt.arithmetic.value
    for option, value in fmt.options().items():
        if option not in ("scale_rule", "scale_floor", "arithmetic", "overflow"):
            yield option.replace("_", " "), OPTIONS[option].write(value)
    if fmt.side_bits:
        yield "block word", f"{fmt.scale.bits} bits of scale and {fmt.side_bits} side bits in {fmt.word_bits} bits"


def _normal_text(element: Element) -> str:
    if not isinstance(element, FloatElement) or element.min_normal == element.min_positive:
        return ""
    return f" (subnormal; smallest normal {number(element.min_normal)})"


def _bits_text(fmt: BlockFormat) -> str:
    text = number(fmt.bits_per_element)
    if fmt.scale is not None and fmt.block is not None and fmt.block.elements is None:
        text += f", and {fmt.word_bits} a {'row' if fmt.block.is_row else 'tensor'}"
    return text + (", and 32 a tensor" if fmt.tensor_target is not None else "")


def _block_text(fmt: BlockFormat) -> str:
    block = fmt.block
    if block is None or block.is_tensor:
        return "the whole tensor"
    if block.is_row:
        return "a row along the axis"
    sides = " × ".join(str(side) for side in block.sizes)
    return f"{sides} elements over two axes" if block.is_tile else f"{sides} elements along the axis"


def _code_table(element: Element, *, show_all: bool) -> Iterator[RenderableType]:
    """Codes in groups side by side, read downwards; long lists without their middle unless all are wanted."""
    n_codes = 1 + max({*range(1 << element.bits)} - element.unused_codes)
    codes = list(range(n_codes))
    if n_codes > ELIDED_ABOVE and not show_all:
        end = min(n_codes, element.max_code + 3) if element.inf_code is not None else element.max_code + 1
        end += int(element.has_nan and element.inf_code is None and element.nan_code == end)
        codes = [*range(SHOWN), *range(max(end - SHOWN, SHOWN), max(end, 2 * SHOWN))]
    cells = [_code_cells(element, code) for code in codes]
    widths = [max(len(row[column]) for row in cells) + 2 for column in range(3)]
    groups = max(1, min(CODES_WIDTH // (sum(widths) + 2), -(-len(codes) // 4)))
    rows = -(-len(codes) // groups)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for _ in range(-(-len(codes) // rows)):
        table.add_column("code", justify="right", style="cyan", no_wrap=True)
        table.add_column("bits", no_wrap=True)
        table.add_column("value", justify="right", no_wrap=True)
    for row in range(rows):
        table.add_row(*(Text(text) for cell in cells[row::rows] for text in cell))
    yield table
    if len(codes) < n_codes:
        yield Text(f"{len(codes)} of {n_codes} codes; --all lists every one", style="dim")


def _code_cells(element: Element, code: int) -> tuple[str, str, str]:
    """Hexadecimal code, its bits by field, and its value."""
    digits = -(-element.bits // 4)
    value = "unused" if code in element.unused_codes else number(element.decode(code))
    return f"0x{code:0{digits}X}", " ".join(element.fields(code)), value
