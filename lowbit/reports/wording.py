"""How numbers and settings are written, in the terminal and on the page alike."""

from math import isfinite, isnan

from lowbit.analysis import Summary
from lowbit.reports.collect import Report, TensorResult

EXPLANATIONS = (
    ("bits", "bits", "stored bits per element: codes, block scales and tensor scale"),
    ("QSNR dB", "QSNR dB", "signal over error power, 10 log10(Σx² / Σ(x-y)²); higher is better"),
    ("rel.MSE", "relative MSE", "error over signal power, Σ(x-y)² / Σx²"),
    ("crest", "crest", "mean over blocks of the largest magnitude over the RMS; plain casts: over the tensor"),
    ("satur.", "saturated", "values beyond the largest that their block can hold: clamped, or turned to infinity"),
    ("underfl.", "underflowed", "nonzero values that became zero"),
    ("flushed", "flushed", "the part of these lost with their whole block"),
)
"""Short and long column headings with their meaning."""

TOTAL_NOTE = "Total: relative MSE averaged over tensors, weighted by elements; QSNR is its decibels."


def shape_text(tensor: TensorResult) -> str:
    """Shape and type, or the conversion: `256×512 bfloat16`, `10 float64 -> float32`."""
    shape = "×".join(str(length) for length in tensor.shape) or "scalar"
    return f"{shape} {tensor.note or tensor.dtype}"


def values_of(summary: Summary) -> tuple[str, ...]:
    """The seven columns of EXPLANATIONS."""
    return (
        f"{summary.bits_per_element:.3f}".rstrip("0").rstrip("."),
        decibel_text(summary.qsnr_db),
        "-" if isnan(summary.relative_mse) else f"{summary.relative_mse:.2e}" if summary.relative_mse else "0",
        "-" if isnan(summary.crest_mean) else f"{summary.crest_mean:.2f}",
        percent(summary.saturated),
        percent(summary.underflowed),
        percent(summary.flushed),
    )


def decibel_text(qsnr_db: float) -> str:
    """dB with two decimals; exact where there is no error."""
    if isnan(qsnr_db):
        return "-"
    if not isfinite(qsnr_db):
        return "exact" if qsnr_db > 0 else "-inf"
    return f"{round(qsnr_db, 2) + 0.0:.2f}"  # + 0.0 turns -0.0 into 0.0


def percent(fraction: float) -> str:
    """A fraction in percent; what is not zero never looks like zero, nor a part like the whole."""
    if isnan(fraction):
        return "-"
    if fraction in (0, 1):
        return f"{fraction:.0%}" if fraction else "0"
    if fraction < 0.0001:
        return "<0.01%"
    return f"{fraction:.2%}" if fraction <= 0.9999 else ">99.99%"


def nonfinite_text(tensor: TensorResult) -> str:
    """Says how many NaN and infinite elements a tensor has and how many others they cost at most, or nothing."""
    found = [cell for cell in tensor.cells if isinstance(cell, Summary) and cell.nonfinite]
    if not found:
        return ""
    poisoned = max(cell.poisoned for cell in found)
    return f"NaN or infinity in {count(found[0].nonfinite, 'element')}; up to {poisoned:,} others in their blocks lost"


def footnotes(report: Report) -> list[str]:
    """What was left out or converted, each with its count and reason."""
    notes: list[str] = []
    reasons: dict[str, list[str]] = {}
    for name, reason in report.skipped:
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        more = ", …" if len(names) > 3 else ""
        notes.append(f"Skipped {count(len(names), 'tensor')} ({reason}): {', '.join(names[:3])}{more}.")
    converted = sum(1 for tensor in report.tensors if tensor.note)
    if converted:
        notes.append(f"Converted {count(converted, 'tensor')} float64 -> float32 (nearest even) before measuring.")
    for i, fmt in enumerate(report.formats):
        missing = sum(1 for tensor in report.tensors if isinstance(tensor.cells[i], str))
        if missing:
            notes.append(f"The total of {fmt} leaves out {count(missing, 'tensor')} that it cannot hold.")
    if report.other_values:
        notes.append(f"Ignored {count(report.other_values, 'value')} that are no tensors (numbers, text).")
    return notes


def count(number: int, noun: str) -> str:
    """`1 tensor`, `1,200 tensors`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def headline(report: Report) -> str:
    """Tensors, elements and size of the file in one line."""
    elements = sum(_elements(tensor) for tensor in report.tensors)
    return f"{count(len(report.tensors), 'tensor')}, {count(elements, 'element')}, {report.file_bytes:,} bytes"


def _elements(tensor: TensorResult) -> int:
    product = 1
    for length in tensor.shape:
        product *= length
    return product
