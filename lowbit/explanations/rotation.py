"""A Hadamard rotation ahead of everything else: the rotated tensor, and the element's group (contract §6)."""

from math import isfinite

from lowbit.explanations.numbers import number_text
from lowbit.explanations.records import Step
from lowbit.explanations.scale_steps import binary32_step
from lowbit.explanations.tensors import Tensor
from lowbit.formats import Hadamard
from lowbit.geometry import Axis
from lowbit.ops import rotated
from lowbit.reference import hadamard

SECTION = "rotation"


def rotated_tensor(tensor: Tensor, transform: Hadamard, axis: Axis) -> Tensor:
    """The tensor in the rotated basis, rounded to its own dtype; ShapeError for an axis that does not exist."""
    return Tensor(
        rotated.rotate(tensor.array, tensor.kind, transform, axis=rotated.rotation_axis(axis, len(tensor.shape))),
        tensor.kind,
    )


def rotation_steps(tensor: Tensor, position: tuple[int, ...], transform: Hadamard, axis: Axis) -> list[Step]:
    """How the element at `position` of the rotated tensor follows from its group of the unrotated one."""
    place = rotated.rotation_axis(axis, len(tensor.shape))
    start = position[place] - position[place] % transform.n
    run, lane = range(start, min(start + transform.n, tensor.shape[place])), position[place] - start
    ranges = [range(at, at + 1) for at in position]
    numbers = tensor.part([*ranges[:place], run, *ranges[place + 1 :]]).numbers()
    padding = transform.n - len(numbers)
    turned = hadamard.rotate([*numbers, *([0.0] * padding)], transform)[lane]
    notes = (f"the group is filled up with {padding} zeros",) if padding else ()
    spread = () if all(map(isfinite, numbers)) else ("NaN or infinity in the group spreads over it",)
    signs = "".join("+" if sign > 0 else "-" for sign in hadamard.signs_of(transform))
    row = "".join("+" if sign > 0 else "-" for sign in transform.matrix()[lane])
    root = hadamard.inverse_root(transform.n)
    return [
        _step(
            "group",
            (run.start, run.stop - 1),
            f"first and last of the group along axis {place}, this is {lane}",
            *notes,
        ),
        _step("v", ", ".join(map(number_text, numbers)), "the numbers of the group"),
        _step("D", signs, "signs, applied before H"),
        _step("H", row, f"row {lane} of H, Sylvester order within its base matrix"),
        binary32_step(SECTION, "c", "factor", root, f"1/√{transform.n}, correctly rounded", "§6"),
        binary32_step(
            SECTION, "c·HDv", "rotated number", turned, "additions in stages, each rounded; c last", "§6", *spread
        ),
    ]


def _step(symbol: str, value: str | tuple[int, ...], formula: str, *notes: str) -> Step:
    return Step(
        section=SECTION, name=formula, symbol=symbol, value=value, formula=formula, clause="§6", notes=notes
    )  # fmt: skip
