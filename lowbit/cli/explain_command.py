"""`lowbit explain`: one element of a tensor, quantized step by step. Argument parsing; `explanations` does the work."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lowbit.errors import ArgumentError

if TYPE_CHECKING:
    from lowbit.explanations.tensors import Tensor


def register(app: typer.Typer) -> None:
    """Add the `explain` command to the command line."""
    app.command("explain")(explain_command)


def explain_command(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A .safetensors, .npy, .npz, .pt or .pth file.")
    ] = None,
    tensor: Annotated[
        str | None, typer.Option("--tensor", metavar="NAME", help="Which tensor; not needed where there is one.")
    ] = None,
    values: Annotated[
        str | None, typer.Option("--values", metavar="A,B,...", help="Numbers instead of a file, as float32.")
    ] = None,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="A name or spec text.")] = "mxfp4",
    index: Annotated[str, typer.Option("--index", metavar="I,J,...", help="The element: one integer an axis.")] = "0",
    axis: Annotated[str, typer.Option("--axis", metavar="AXIS", help="Axis of the blocks; a pair for tiles.")] = "-1",
    rounding: Annotated[
        str, typer.Option("--rounding", metavar="MODE", help="nearest_even, stochastic, stochastic:8:biased, ...")
    ] = "nearest_even",
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of stochastic rounding.")] = None,
    stream: Annotated[int, typer.Option("--stream", help="Stream of that seed.")] = 0,
    offset: Annotated[int, typer.Option("--offset", help="Index of the first element in the whole tensor.")] = 0,
    tensor_amax: Annotated[float | None, typer.Option("--tensor-amax", help="Amax of the whole tensor.")] = None,
    tensor_scale: Annotated[float | None, typer.Option("--tensor-scale", help="A static tensor scale.")] = None,
    transform: Annotated[
        str | None, typer.Option("--transform", metavar="TEXT", help="A rotation: hadamard16, hadamard16:seed=7, ...")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Show how one element gets its code and value, step by step and exactly."""
    from lowbit.explanations.front import explain_tensor
    from lowbit.formats import Hadamard
    from lowbit.formats import format as find_format
    from lowbit.ops.draws import random_source

    if (file is None) == (values is None):
        raise ArgumentError("give a FILE or --values, one of them")
    if tensor is not None and file is None:
        raise ArgumentError(f"--tensor {tensor} names a tensor of a FILE; give one")
    explanation = explain_tensor(
        given_numbers(values) if file is None else stored_tensor(file, tensor),
        find_format(format),
        integers(index, "--index"),
        axis=block_axis(axis),
        rounding=rounding,
        source=random_source(seed, stream, offset, None, None),
        tensor_amax=tensor_amax,
        tensor_scale=tensor_scale,
        transform=None if transform is None else Hadamard.from_text(transform),
    )
    typer.echo(explanation.to_json() if as_json else str(explanation))


def integers(text: str, option: str) -> tuple[int, ...]:
    """Integers separated by commas; ArgumentError for anything else."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"{option} {text!r}: give integers separated by commas, such as 3,17") from None


def block_axis(text: str) -> int | tuple[int, int]:
    """One axis or a pair of them; ArgumentError for anything else."""
    first, *others = integers(text, "--axis")
    if len(others) > 1:
        raise ArgumentError(f"--axis {text}: give one axis, or two for tiles")
    return (first, others[0]) if others else first


def given_numbers(text: str | None) -> "Tensor":
    """A float32 tensor of the numbers on the command line; ArgumentError for what is no number."""
    import numpy as np

    from lowbit.explanations.tensors import Tensor

    try:
        numbers = [float(part) for part in (text or "").split(",")]
    except ValueError:
        raise ArgumentError(f"--values {text!r}: give numbers separated by commas, such as 0.1,1.3,-2.6") from None
    with np.errstate(over="ignore"):
        return Tensor(np.array(numbers, np.float64).astype(np.float32), "float32")


def stored_tensor(path: Path, name: str | None) -> "Tensor":
    """A tensor of a file, mapped where the file allows it; float64 is rounded to float32 first.

    ArgumentError where no float tensor has this name, or there are several and none was named.
    """
    import numpy as np

    from lowbit.explanations.tensors import Tensor
    from lowbit.reports.sources import open_tensors

    with open_tensors(path) as contents:
        entries = {entry.name: entry for entry in contents.entries if entry.load is not None}
        if name not in entries and (name is not None or len(entries) > 1):
            known = ", ".join(list(entries)[:8]) + (f" and {len(entries) - 8} more" if len(entries) > 8 else "")
            raise ArgumentError(f"--tensor {name or '(not given)'}: {path} has {known}; name one of them")
        chosen = entries[name] if name is not None else next(iter(entries.values()))
        assert chosen.load is not None  # others were left out
        view = chosen.load()
        if view.bfloat16 and view.raw.dtype.isnative:
            return Tensor(view.raw.view(np.uint16), "bfloat16")
        if not view.bfloat16 and view.raw.dtype.isnative and view.raw.dtype.name in ("float32", "float16"):
            return Tensor(view.raw, "float32" if view.raw.dtype.name == "float32" else "float16")
        return Tensor(view.read((slice(None),) * view.raw.ndim), "float32")
