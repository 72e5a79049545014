"""A number line of an element's grid in two rows of text."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import frexp, log2

from lowbit.formats import Element

LINEAR_RATIO = 64
"""Up to this ratio of the largest to the smallest value the line is linear and shows both signs; else logarithmic."""

MAX_DRAWN = 1024
"""Grids of more codes are sampled evenly: a float has equally many codes in each binade, so the picture is the same."""

FEW = 32
"""Up to so many values all are labelled where there is room; of more, the ends, the middles and zero."""

BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The line, the labels under it and what its scale is."""

    line: str
    labels: str
    caption: str


def grid_picture(element: Element, width: int = 72) -> Picture:
    """Draw the values of an element over `width` columns.

    One stroke marks one value; where values are denser than columns, the height of a bar shows how many share one.
    Floats and tapered grids of a wide range are drawn over log2 of their positive values, everything else linearly
    with both signs.
    """
    uniform = element.regular is not None and element.regular.twos_complement
    if element.is_mirrored and not uniform and element.max > LINEAR_RATIO * element.min_positive:
        return _logarithmic(element, width)
    values = element.values()
    low, high = values[0], values[-1]
    columns = [round((value - low) / (high - low) * (width - 1)) for value in values]
    others = sorted(values, key=abs, reverse=True)
    if len(values) > FEW:
        others = [min(values, key=lambda value, at=end / 2: abs(value - at)) for end in (low, high)]
    preferred = [low, high, 0.0, *others]
    places = dict(zip(values, columns, strict=True))
    labels = _labels(((places[value], _number(value)) for value in preferred if value in places), width)
    return Picture(line=_line(columns, width), labels=labels, caption="linear, all values")


def _logarithmic(element: Element, width: int) -> Picture:
    regular = element.regular is not None
    codes = range(1, element.max_code + 1) if regular else [code for value, code in element.grid if value > 0]
    stride = max(1, -(-len(codes) // MAX_DRAWN))
    values = [element.decode(code) for code in codes[::stride]]
    low, high = log2(element.min_positive), log2(element.max)

    def column(value: float) -> int:
        return round((log2(value) - low) / (high - low) * (width - 1))

    bottom, top = frexp(element.min_positive)[1] - 1, frexp(element.max)[1] - 1
    powers = [2.0**exponent for exponent in range(bottom + 1, top) if exponent % max(1, (top - bottom) // 8) == 0]
    preferred = [element.min_positive, element.max, 1.0, *powers]
    wanted = [value for value in preferred if element.min_positive <= value <= element.max]
    labels = _labels(((column(value), _number(value)) for value in wanted), width)
    caption = "log2, positive values" + (f", one code in {stride}" if stride > 1 else "")
    return Picture(line=_line([column(value) for value in values], width), labels=labels, caption=caption)


def _line(columns: Sequence[int], width: int) -> str:
    counts = Counter(columns)
    most = max(counts.values())
    if most == 1:
        return "".join("┃" if column in counts else "─" for column in range(width))
    return "".join(
        BARS[-(-counts[column] * len(BARS) // most) - 1] if column in counts else " " for column in range(width)
    )


def _labels(wanted: Iterable[tuple[int, str]], width: int) -> str:
    """Texts centred under their columns, the first ones first, as many as fit with a space between."""
    row = [" "] * width
    for column, text in wanted:
        start = min(max(column - len(text) // 2, 0), width - len(text))
        around = row[max(start - 1, 0) : start + len(text) + 1]
        if all(cell == " " for cell in around):
            row[start : start + len(text)] = text
    return "".join(row).rstrip()


def _number(value: float) -> str:
    """A short exact text: powers of two beyond 1/16..4096 as 2^k."""
    mantissa, exponent = frexp(value)
    if mantissa == 0.5 and not -4 <= exponent - 1 <= 12:
        return f"2^{exponent - 1}"
    return f"{value:.4g}"
