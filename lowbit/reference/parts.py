"""Named intermediate results: what an exact path computed on its way, each beside the formula that gave it."""

from typing import NamedTuple


class Part(NamedTuple):
    """An intermediate binary32 number and the formula, in the contract's symbols, that it is the value of."""

    formula: str
    value: float
