"""An explanation as aligned text of at most 100 columns, and as an HTML table."""

from collections.abc import Iterator
from html import escape
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING

from lowbit.explanations.numbers import code_text, number_text

if TYPE_CHECKING:
    from lowbit.explanations.records import Explanation, Step

WIDTH = 100
"""Columns of the text."""

SYMBOL, VALUE, BITS, CLAUSE = 8, 16, 12, 4
"""Columns of a line's parts; formulas take the rest."""

FORMULA = WIDTH - SYMBOL - VALUE - BITS - CLAUSE - 6


def plain_text(explanation: "Explanation") -> str:
    """Sections of aligned lines: symbol, value, bits, formula, clause; notes are marked with an exclamation mark."""
    lines = heading(explanation)
    for section, steps in groupby(explanation.steps, key=lambda step: step.section):
        lines += ["", section]
        for step in steps:
            lines += _step_lines(step)
    return "\n".join(line.rstrip() for line in lines)


def heading(explanation: "Explanation") -> list[str]:
    """What was asked and what came out, in two or three lines."""
    own_name = explanation.format != explanation.spec
    asked = f"{explanation.format}{f' = {explanation.spec}' if own_name else ''}, {explanation.rounding}"
    asked += f", {explanation.transform}" if explanation.transform else ""
    place = f"element {number_text(explanation.index)} of a {explanation.dtype} tensor {number_text(explanation.shape)}"
    result = f"{number_text(explanation.x)} → code {code_text(explanation.code, explanation.code_bits)}"
    result += f" → {number_text(explanation.value)}"
    return [*wrap(asked, WIDTH, break_on_hyphens=False), f"{place}: {result}"[:WIDTH]]


def html_text(explanation: "Explanation") -> str:
    """The same as an HTML table, for notebooks; everything escaped."""
    rows: list[str] = []
    for section, steps in groupby(explanation.steps, key=lambda step: step.section):
        rows.append(f'<tr><th colspan="5" style="text-align:left">{escape(section)}</th></tr>')
        rows += [_html_row(step) for step in steps]
    head = "<br>".join(escape(line) for line in heading(explanation))
    return f"<div><p>{head}</p><table>{''.join(rows)}</table></div>"


def _step_lines(step: "Step") -> Iterator[str]:
    value = number_text(step.value)
    symbol, bits = step.symbol.ljust(SYMBOL), step.bits
    first, formula = f"  {symbol} {value.ljust(VALUE)} {bits.ljust(BITS)}", wrap(step.formula, FORMULA) or [""]
    indent = " " * (SYMBOL + VALUE + BITS + 4)
    if len(first) > len(indent):  # a long value or pattern: the formula moves to a line of its own
        yield from wrap(first.rstrip(), WIDTH, subsequent_indent=" " * (SYMBOL + 3), drop_whitespace=True)
        first = indent
    else:
        first = first.ljust(len(indent))
    for number, line in enumerate(formula):
        clause = step.clause if number == 0 else ""
        yield f"{first if number == 0 else indent}{line.ljust(FORMULA)} {clause}"
    for note in step.notes:
        yield from wrap(f"! {note}", WIDTH, initial_indent=" " * (SYMBOL + 3), subsequent_indent=" " * (SYMBOL + 5))


def _html_row(step: "Step") -> str:
    notes = "".join(f"<br>! {escape(note)}" for note in step.notes)
    cells = (step.symbol, number_text(step.value), step.bits, step.formula, step.clause)
    texts = [escape(cell) for cell in cells]
    texts[3] += notes
    return "<tr>" + "".join(f'<td style="text-align:left">{text}</td>' for text in texts) + "</tr>"
