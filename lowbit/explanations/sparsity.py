"""n:m sparsity in an explanation: the tensor without what it drops, and the element's run (contract §12)."""

from dataclasses import replace

import numpy as np

from lowbit.explanations.blocks import BlockPlace
from lowbit.explanations.numbers import number_text
from lowbit.explanations.records import Step
from lowbit.explanations.tensors import Tensor
from lowbit.formats import BlockFormat
from lowbit.ops.dense import dense_view, new_array
from lowbit.ops.engine import kernel_view, read_view
from lowbit.ops.sparsity import prune
from lowbit.reference.sparsity import sparsified


def sparse_tensor(tensor: Tensor, axes: tuple[int, ...], fmt: BlockFormat) -> Tensor:
    """The tensor without the elements that the format drops; the same tensor where it drops none."""
    if fmt.sparsity is None:
        return tensor
    view = dense_view(tensor.array, axes, fmt)
    target = new_array(view.array.shape, tensor.array.dtype)
    prune(read_view(view.array, tensor.kind), kernel_view(target, tensor.kind), view, fmt)
    return replace(tensor, array=target.transpose(view.inverse))


def sparsity_steps(tensor: Tensor, position: tuple[int, ...], place: BlockPlace, fmt: BlockFormat) -> list[Step]:
    """Whether the element is one of those that stay in its run."""
    if fmt.sparsity is None:
        return []
    (kept, size), (axis,) = fmt.sparsity, place.axes
    start = position[axis] - position[axis] % size
    run = range(start, min(start + size, tensor.shape[axis]))
    ranges = [range(at, at + 1) for at in position]
    numbers = tensor.part([*ranges[:axis], run, *ranges[axis + 1 :]]).numbers()
    stays = sparsified([float(i + 1) for i in _ranks(numbers)], (len(run),), (size,), kept)
    survives = stays[position[axis] - start] != 0
    formula = (
        f"one of the {kept} largest of {', '.join(map(number_text, numbers))} (axis {axis}, {run.start}…{run.stop - 1})"
    )
    notes = () if survives else ("dropped: +0 takes its place before anything else",)
    return [
        Step(
            section="input", name="kept by sparsity", symbol="kept", value=survives, formula=formula, clause="§12",
            notes=notes,
        )
    ]  # fmt: skip


def _ranks(numbers: list[float]) -> list[int]:
    """Dense ranks of the magnitudes, NaN above infinity, so that zeros can be told from what is dropped."""
    keys = [np.inf if x != x else abs(x) for x in numbers]
    order = sorted({(x != x, key) for x, key in zip(numbers, keys, strict=True)})
    return [order.index((x != x, key)) for x, key in zip(numbers, keys, strict=True)]
