"""Compilation: nothing at import, one signature a dtype, a cache that is found again and notices every edit."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from format_cases import REGISTERED

import lowbit
import lowbit.kernels.cpu as kernels

FOLDER = Path(kernels.__file__).parent

WIDTHS = ("unpack_items", "dequantize_items", "quantize_items", "exact_quantize_items")
"""Entries that have a signature for each width of codes or scale codes (8, 16 and 32 bits); the others have one."""

WORDS = ("blockwise_items", "chosen_grid_items", "dequantize_word_items")
"""Entries that have a signature for each width of block words (8 to 64 bits)."""

VARIANTS = ("qdq_items", "quantize_items")
"""Entries that are compiled with and without draws, each with and without candidates or cells, and for small tables."""

DISPATCHERS = """
def dispatchers():
    import sys
    from numba.core.dispatcher import Dispatcher
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("lowbit.kernels"):
            for key, value in vars(module).items():
                if isinstance(value, Dispatcher) and value.py_func.__module__ == name:
                    found[f"{name}.{key}"] = value
    return found

def entries():
    return {key: value for key, value in dispatchers().items() if type(value._cache).__name__ != "NullCache"}
"""

AT_IMPORT = (
    DISPATCHERS
    + """
import lowbit.ops.front, lowbit.ops.storage, lowbit.ops.qtensor
from lowbit import backends
backends.load()
found = dispatchers()
assert len(found) > 10 and entries(), found
assert all(not value.signatures for value in found.values()), [k for k, v in found.items() if v.signatures]
"""
)

RUN = (
    DISPATCHERS
    + """
import json, sys
import numpy as np
import lowbit as lb
x = np.random.default_rng(0).standard_normal((70, 200)).astype(np.float32)
for name in sys.argv[1].split("|"):
    block = lb.format(name).block
    for axis in ([-1, (1, 0)] if block is not None and block.is_tile else [-1, 0]):
        lb.qdq(x, name, axis=axis)
        q = lb.quantize(x, name, axis=axis)
        q.dequantize(); q.codes
        for mode in ("toward_zero", "stochastic:8:biased", "stochastic"):
            arguments = {"rounding": mode, **({"seed": 1} if mode.startswith("stochastic") else {})}
            lb.qdq(x, name, axis=axis, **arguments)
            lb.quantize(x, name, axis=axis, **arguments)
for bits in (8, 16, 32):
    lb.random_bits(9, bits=bits, seed=1)
print(json.dumps({
    key: [len(value.signatures), sum(value.stats.cache_hits.values()), sum(value.stats.cache_misses.values())]
    for key, value in entries().items()
}))
"""
)


def python(code: str, *arguments: str, cache: Path) -> str:
    """Run code in a fresh interpreter whose kernels are cached below `cache`; its output."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_nothing_is_compiled_at_import(tmp_path: Path) -> None:
    python(AT_IMPORT, cache=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".nbi", ".nbc")]


def test_light_import_does_not_load_numba(tmp_path: Path) -> None:
    code = "import sys, lowbit.ops.front; assert not {'numba', 'torch'} & set(sys.modules), set(sys.modules)"
    python(code, cache=tmp_path)


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    """The first process fills the cache, the second only reads it; each entry has one signature a dtype."""
    names = "|".join([*REGISTERED, "e3m0/k32/e8m0", "e2m1/k5/ue5m3:ceil", "uint4/row/f32"])
    first = json.loads(python(RUN, names, cache=tmp_path))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")}
    assert files and any(misses for _, _, misses in first.values())
    second = json.loads(python(RUN, names, cache=tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")} == files
    used = {name: counts for name, counts in second.items() if counts[0]}
    assert any(name.endswith(".qdq_items") for name in used) and any("quantize_items" in name for name in used)
    for name, (signatures, hits, misses) in used.items():
        short = name.rsplit(".", 1)[1]
        allowed = (3 if short in WIDTHS else 4 if short in WORDS else 1) * (7 if short in VARIANTS else 1)
        assert misses == 0 and hits == signatures <= allowed, name
    assert {name: counts[0] for name, counts in first.items()} == {name: counts[0] for name, counts in second.items()}


def source_hash(folder: Path) -> str:
    """`jit.source_hash` of a copy of the kernels."""
    spec = importlib.util.spec_from_file_location(f"jit_of_{folder.name}", folder / "jit.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.source_hash()


def test_the_hash_notices_an_edit_in_any_file(tmp_path: Path) -> None:
    copy = tmp_path / "kernels"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    original = source_hash(copy)
    assert original == source_hash(copy)
    files = sorted(copy.glob("*.py"))
    assert len(files) > 8
    seen = {original}
    for path in files:
        text = path.read_text()
        path.write_text(text + "\n# edited\n")
        seen.add(source_hash(copy))
        path.write_text(text)
    assert len(seen) == len(files) + 1 and source_hash(copy) == original
    (copy / "added.py").write_text("")
    assert source_hash(copy) not in seen


def test_the_cache_notices_constants_that_kernels_take_from_elsewhere(tmp_path: Path) -> None:
    """Constants of `lowbit.lowering` are compiled into kernels: an edit there must not run stale code either."""
    imports = [
        match
        for path in FOLDER.glob("*.py")
        for match in re.findall(r"^from lowbit\.([\w.]+) import (.*)$", path.read_text(), re.MULTILINE)
        if not match[0].startswith(("collection", "errors", "interrupts", "kernels"))
    ]
    package = Path(lowbit.__file__).parent
    shutil.copytree(package, tmp_path / "lowbit", ignore=shutil.ignore_patterns("__pycache__", "kernels"))
    shutil.copytree(FOLDER.parent, tmp_path / "lowbit" / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; sys.path.insert(0, sys.argv[1]); from lowbit.kernels.cpu import jit; print(jit.source_hash())"
    before = python(code, str(tmp_path), cache=tmp_path / "cache")
    dotted = {name for module, names in imports for name in (module, *(f"{module}.{n}" for n in names.split(", ")))}
    paths = [tmp_path / "lowbit" / f"{name.replace('.', '/')}.py" for name in sorted(dotted)]
    files = [path for path in paths if path.is_file()]
    assert files or not imports
    for path in files:
        text = path.read_text()
        path.write_text(text + "\n# edited\n")
        assert python(code, str(tmp_path), cache=tmp_path / "cache") != before, f"an edit of {path.name} goes unnoticed"
        path.write_text(text)


@pytest.mark.parametrize("writable", [True, False])
def test_an_unwritable_cache_folder_is_passed_over(tmp_path: Path, writable: bool) -> None:
    blocked = tmp_path / "file"
    if writable:
        blocked.mkdir()
    else:
        blocked.write_text("no folder")
    code = "from lowbit.kernels.cpu.jit import cache_directory; print(cache_directory())"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(blocked), "XDG_CACHE_HOME": str(tmp_path / "user")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    chosen = Path(done.stdout.strip())
    assert chosen.is_relative_to(blocked if writable else tmp_path / "user") and chosen.is_dir()


COLLECTED = """
import gc
import numpy as np
import lowbit as lb
from lowbit import backends
backends.load()
lb.random_bits(4, seed=0)
seen = []
gc.callbacks.append(lambda phase, info: seen.append(phase))
lb.qdq(np.ones((4, 64), np.float32), "mxfp4")
assert gc.isenabled() and len(seen) < 50, len(seen)
gc.disable()
lb.qdq(np.ones((4, 64), np.float32), "nf4")
assert not gc.isenabled()
"""


def test_the_garbage_collector_is_paused_and_left_as_it_was(tmp_path: Path) -> None:
    python(COLLECTED, cache=tmp_path)


EDITED = """
import sys
sys.path.insert(0, sys.argv[1])
import json
import numpy as np
import lowbit as lb
assert lb.__file__.startswith(sys.argv[1])
x = np.linspace(-7, 7, 333, dtype=np.float32)
results = [lb.qdq(x, "e2m1"), lb.qdq(x, "e2m1", rounding="stochastic", seed=1), lb.random_bits(9, seed=1)]
print(json.dumps([result.tolist() for result in results]))
"""

EDITS = {
    "philox.py": ("FIRST_STEP, SECOND_STEP = 0x9E3779B9,", "FIRST_STEP, SECOND_STEP = 0x9E3779B1,", {1, 2}),
    "rounding.py": ("splat_real(np.float32(p.clamp)),", "splat_real(np.float32(p.clamp / 2)),", {0, 1}),
}
"""For files that entries import: text to replace, its replacement, and which of the three results change."""


def test_an_edited_kernel_is_never_answered_from_the_cache(tmp_path: Path) -> None:
    """Stages in files that entries only import: new behaviour after an edit, the old one after it is taken back."""
    copy, cache = tmp_path / "copy", tmp_path / "cache"
    shutil.copytree(
        Path(lowbit.__file__).parent, copy / "lowbit", ignore=shutil.ignore_patterns("__pycache__", "kernels")
    )
    shutil.copytree(FOLDER.parent, copy / "lowbit" / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    before = json.loads(python(EDITED, str(copy), cache=cache))
    for name, (old, new, changed) in EDITS.items():
        path = copy / "lowbit" / "kernels" / "cpu" / name
        text = path.read_text()
        assert text.count(old) == 1, name
        path.write_text(text.replace(old, new))
        after = json.loads(python(EDITED, str(copy), cache=cache))
        assert {i for i in range(3) if after[i] != before[i]} == changed, name
        path.write_text(text)
    files = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")}
    assert json.loads(python(EDITED, str(copy), cache=cache)) == before
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")} == files, "nothing is compiled again"
