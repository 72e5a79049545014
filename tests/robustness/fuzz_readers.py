"""Feed damaged input to one reader, in a process of its own: python fuzz_readers.py READER COUNT SEED.

Ends with exit code 0 and a line of counts, or at the first input that raises anything but a LowbitError, takes longer
than LIMIT_S, allocates more than LIMIT_BYTES, starts a program or unpickles a global, with the seed that repeats it.
"""

import collections
import json
import random
import resource
import signal
import sys
import tempfile
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from mutated_files import WORDS, mutated, mutated_header, mutated_json

import lowbit as lb
from lowbit.errors import LowbitError
from lowbit.formats.json_form import format_from_json, format_to_json
from lowbit.formats.rounding import find_rounding
from lowbit.reports import open_tensors
from lowbit.studies import load
from lowbit.studies.catalog import find_study
from lowbit.studies.folder import StudyFolder
from lowbit.studies.records import Provenance, TrialRecord

LIMIT_S = 20.0
LIMIT_BYTES = 128 << 20
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class")

Attempt = Callable[[random.Random], object]
"""Make one damaged input and read it."""


class TooLongError(BaseException):
    """Reading did not end in time; no reader catches it."""


def texts(folder: Path) -> Attempt:
    """Spec text, JSON forms, transforms and roundings."""
    specs = [form for name in lb.list_formats() for form in (name, str(lb.format(name)), lb.format(name).spec)]
    forms = [format_to_json(lb.format(name)) for name in lb.list_formats()]
    turns = [lb.Hadamard(n, signs=signs) for n in (4, 12, 20) for signs in (None, 7, (1, -1) * (n // 2))]
    readers: list[tuple[list[str], Callable[[str], object]]] = [
        (specs, lb.format),
        (forms, format_from_json),
        ([str(turn) for turn in turns], lb.Hadamard.from_text),
        ([turn.to_json() for turn in turns], lb.Hadamard.from_json),
        (["nearest_even", "stochastic", str(lb.Stochastic(bits=8))], find_rounding),
    ]
    others = [text.encode() for text in (*specs, *WORDS[:13])]

    def attempt(rng: random.Random) -> object:
        samples, read = rng.choice((readers[0], *readers))
        text = rng.choice(samples)
        if text.startswith("{") and rng.random() < 0.5:
            return read(mutated_json(text, rng))
        return read(mutated(text.encode(), rng, others).decode("utf-8", rng.choice(("replace", "surrogateescape"))))

    return attempt


def qtensors(folder: Path) -> Attempt:
    """Files of `QTensor.save`."""
    x = np.random.default_rng(0).standard_normal((6, 70), dtype=np.float32)
    files = list[bytes]()
    samples: list[tuple[str, dict[str, Any]]] = [
        ("mxfp4", {}),
        ("nvfp4", {"axis": 0}),
        ("nf4", {}),
        ("bf16", {}),
        ("int8_row", {}),
        ("mxfp4", {"transform": lb.Hadamard(16, signs=1)}),
        ("nvfp4_2d", {}),
    ]
    for i, (fmt, options) in enumerate(samples):
        lb.quantize(x, fmt, **options).save(folder / f"{i}.safetensors")
        files.append((folder / f"{i}.safetensors").read_bytes())
        lb.QTensor.load(folder / f"{i}.safetensors").dequantize()  # kernels come from numba's cache, which is a pickle
    return _file_attempt(folder, {".safetensors": files}, lambda path: lb.QTensor.load(path).dequantize())


def tensors(folder: Path) -> Attempt:
    """Files of other tools, as `lowbit report` reads them."""
    x = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    contents = {"a": x, "layer.b": x.t().contiguous().to(torch.bfloat16), "ids": torch.arange(3)}
    made: dict[str, Callable[[Path], object]] = {
        "0.npy": lambda path: np.save(path, x.numpy()),
        "1.npy": lambda path: np.save(path, np.asfortranarray(x.numpy().astype(np.float16))),
        "0.npz": lambda path: np.savez(path, a=x.numpy(), b=np.arange(3)),
        "1.npz": lambda path: np.savez_compressed(path, a=x.numpy(), b=x.numpy()[:2]),
        "0.pt": lambda path: torch.save(contents, path),
        "1.pt": lambda path: torch.save({"model": [x, {"more": x}], "step": 3}, path),
        "0.safetensors": lambda path: safetensors.torch.save_file(contents, path, metadata={"format": "pt"}),
    }
    files = collections.defaultdict[str, list[bytes]](list)
    for name, make in made.items():
        make(folder / name)
        files[(folder / name).suffix].append((folder / name).read_bytes())

    def read(path: Path) -> None:
        with open_tensors(path) as found:
            for entry in found.entries:
                if entry.load is not None:
                    view = entry.load()
                    if all(view.shape):
                        view.read(tuple(slice(0, 2) for _ in view.shape))

    return _file_attempt(folder, dict(files), read)


def studies(folder: Path) -> Attempt:
    """Study folders: the study's own file and the files of trials."""
    study = find_study("quick")
    place = StudyFolder.create(folder / "study", study)
    provenance = Provenance(started="2026-01-01T00:00:00+00:00", seconds=1.5, platform="any", versions={"numpy": "2"})
    specs = study.trials()[:3]
    for spec in specs:
        record = TrialRecord(
            spec=spec,
            loss=1.25,
            accuracy=0.5,
            curve=((1, 2.5), (2, 1.5)),
            parameters=10,
            quantized_layers=2,
            provenance=provenance,
        )
        place.write_trial(record)
    targets = [place.path / "study.json", *(place.trial_file(spec) for spec in specs)]
    originals = {path: path.read_bytes() for path in targets}
    others = list(originals.values())

    def attempt(rng: random.Random) -> object:
        path = rng.choice((targets[0], rng.choice(targets)))
        data = originals[path]
        changed = (
            mutated_json(data.decode(), rng).encode("utf-8", "surrogatepass")
            if rng.random() < 0.5
            else mutated(data, rng, others)
        )
        path.write_bytes(changed)
        try:
            results = load(place.path)
            return results.comparisons()
        finally:
            path.write_bytes(data)

    return attempt


def _file_attempt(folder: Path, files: dict[str, list[bytes]], read: Callable[[Path], object]) -> Attempt:
    everything = [data for group in files.values() for data in group]

    def attempt(rng: random.Random) -> object:
        suffix = rng.choice(list(files))
        data = rng.choice(files[suffix])
        change = mutated_header if suffix == ".safetensors" and rng.random() < 0.7 else mutated
        path = folder / f"damaged{suffix}"
        path.write_bytes(change(data, rng, everything))
        return read(path)

    return attempt


READERS: dict[str, Callable[[Path], Attempt]] = {
    "texts": texts,
    "qtensors": qtensors,
    "tensors": tensors,
    "studies": studies,
}


def fuzz(reader: str, count: int, seed: int) -> collections.Counter[str]:
    """What became of `count` damaged inputs: "read", or the name of the error."""
    with tempfile.TemporaryDirectory() as name:
        attempt, outcomes = READERS[reader](Path(name)), collections.Counter[str]()
        attempt_once(attempt, random.Random(-1))  # imports and caches
        watch_programs()
        tracemalloc.start()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(count):
            tracemalloc.reset_peak()
            held, _ = tracemalloc.get_traced_memory()
            try:
                outcome = attempt_once(attempt, random.Random(f"{seed} {i}"))
            except BaseException as error:
                raise AssertionError(f"{reader} input {i} of seed {seed}: {type(error).__name__}: {error}") from error
            _, peak = tracemalloc.get_traced_memory()
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
            assert max(peak - held, grown) <= LIMIT_BYTES, f"{reader} input {i} of seed {seed}: {peak - held}, {grown}"
            outcomes[outcome] += 1
        return outcomes


def attempt_once(attempt: Attempt, rng: random.Random) -> str:
    """Read one input; the only exceptions that are allowed are lowbit's own."""
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            attempt(rng)
    except LowbitError as error:
        assert str(error) and "\n" not in str(error), f"not one line: {error!r}"
        return type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "read"


def watch_programs() -> None:
    """From now on, starting a program or unpickling a global ends the run."""

    def audit(event: str, arguments: object) -> None:
        if event in FORBIDDEN:
            raise SystemExit(f"an input made its reader do {event}{arguments}")

    sys.addaudithook(audit)


def _too_long(number: int, frame: object) -> None:
    raise TooLongError(f"more than {LIMIT_S} s")


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, _too_long)
    print(json.dumps(fuzz(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
