"""Block shapes: which elements share one scale."""

from dataclasses import dataclass

from lowbit.errors import FormatError

MAX_BLOCK = 4096
"""Largest side of a block of fixed size (row and tensor blocks have no limit)."""


@dataclass(frozen=True, slots=True)
class BlockShape:
    """Which elements share one scale: (k,) a run along the axis, (rows, columns) a tile over two axes,
    (None,) a whole row along the axis, () the whole tensor.

    The last block of an axis may be shorter. Raises FormatError for sides outside 1..4096 or more than two of them.
    """

    sizes: tuple[int | None, ...]

    def __post_init__(self) -> None:
        if len(self.sizes) > 2 or (len(self.sizes) == 2 and None in self.sizes):
            raise FormatError(f"block {self.sizes}: allowed are a run, a tile of two sides, a row or the tensor")
        for size in self.sizes:
            if size is not None and not 1 <= size <= MAX_BLOCK:
                raise FormatError(f"block side {size} is outside 1..{MAX_BLOCK}; for longer blocks use row or tensor")

    @property
    def is_tensor(self) -> bool:
        """One block for everything."""
        return self.sizes == ()

    @property
    def is_row(self) -> bool:
        """One block for each row along the axis."""
        return self.sizes == (None,)

    @property
    def is_tile(self) -> bool:
        """Blocks over two axes."""
        return len(self.sizes) == 2

    @property
    def elements(self) -> int | None:
        """Elements of a full block, or None where the tensor's shape decides."""
        count = 1
        for size in self.sizes:
            if size is None:
                return None
            count *= size
        return count if self.sizes else None

    def __str__(self) -> str:
        if self.is_tensor:
            return "tensor"
        return "row" if self.is_row else "k" + "x".join(str(size) for size in self.sizes)
