"""Exported vectors: a C quantizer passes them and fails when it is broken; the three kinds of file say the same."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import lowbit as lb
from lowbit.errors import ArgumentError, FileError, UnsupportedError
from lowbit.testing import CLAUSES, export_vectors

BENCH = Path(__file__).with_name("mxfp4_bench.c")


@pytest.fixture(scope="module")
def compiler() -> str:
    """The system's C compiler; CI has one (.ci/run), elsewhere the test may have to be left out."""
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no C compiler: .ci/run should have installed gcc")
        pytest.skip("no C compiler (cc, gcc or clang) to build the test bench with")
    return found


def run_bench(compiler: str, folder: Path, build: Path, defect: int) -> subprocess.CompletedProcess[str]:
    """The bench, compiled with a defect (0: none), on a folder of vectors."""
    program = build / f"bench{defect}"
    flags = ["-std=c11", "-O1", "-Wall", "-Werror", "-ffp-contract=off", f"-DBREAK={defect}"]
    subprocess.run([compiler, *flags, str(BENCH), "-o", str(program), "-lm"], check=True)
    return subprocess.run([str(program), str(folder)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MXFP4's vectors as hex files."""
    path = tmp_path_factory.mktemp("vectors") / "mxfp4.hex"
    export_vectors("mxfp4", path)
    return path


def test_a_c_quantizer_passes(compiler: str, folder: Path, tmp_path: Path) -> None:
    done = run_bench(compiler, folder, tmp_path, 0)
    vectors = json.loads((folder / "manifest.json").read_text())["vectors"]
    assert (done.returncode, done.stdout) == (0, f"PASS {vectors}\n")


@pytest.mark.parametrize(
    ("defect", "clauses"),
    [(1, {"5.ties"}), (2, {"1.negative_zero"}), (3, {"3.tiny_amax"}), (4, {"8.nan", "8.infinity"})],
)
def test_a_broken_c_quantizer_fails_under_the_right_clause(
    compiler: str, folder: Path, tmp_path: Path, defect: int, clauses: set[str]
) -> None:
    done = run_bench(compiler, folder, tmp_path, defect)
    assert done.returncode == 1
    assert {line.split()[1] for line in done.stdout.splitlines()} == clauses


def test_hex_files_read_back(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    words = {name: [int(line, 16) for line in (folder / name).read_text().split()] for name in manifest["files"]}
    labels = (folder / "clauses.txt").read_text().split()
    assert manifest["spec"] == "e2m1/k32/e8m0" and manifest["elements_a_vector"] == 32
    assert len(labels) == manifest["vectors"] == len(words["scales.hex"]) == len(words["counts.hex"])
    for name, about in manifest["files"].items():
        assert about["words"] == len(words[name])
        assert {len(line) for line in (folder / name).read_text().split()} == {-(-about["bits"] // 4)}
    x = np.array(words["inputs.hex"], np.uint32).view(np.float32).reshape(-1, 32)
    q = lb.quantize(x, "mxfp4")
    assert q.codes.reshape(-1).tolist() == words["codes.hex"]
    assert q.scales.reshape(-1).tolist() == words["scales.hex"]
    assert q.dequantize().reshape(-1).view(np.uint32).tolist() == words["values.hex"]


@pytest.mark.parametrize("rounding", ["nearest_even", "stochastic:8:midpoint"])
@pytest.mark.parametrize("name", ["nvfp4", "int8_row", "mxfp4_plus", "uint4_g128", "fp8_e4m3_128x128", "e4m3"])
def test_lines_of_json_are_what_lowbit_gives(name: str, rounding: str, tmp_path: Path) -> None:
    counts = export_vectors(name, tmp_path / "v.jsonl", rounding=rounding, seed=5)
    about, *lines = map(json.loads, (tmp_path / "v.jsonl").read_text().splitlines())
    assert about["spec"] == lb.format(name).spec and len(lines) == sum(counts.values())
    if (name, rounding) == ("nvfp4", "stochastic:8:midpoint"):
        assert {clause.id for clause in CLAUSES if clause.id.startswith("5.")} <= counts.keys()
    for line in lines:
        x = np.array(line["input"], np.uint32).view(np.float32).reshape(line["shape"])
        arguments = {"axis": -1, **line["arguments"]}
        for key in {"tensor_amax", "tensor_scale"} & arguments.keys():
            arguments[key] = float(np.array(arguments[key], np.uint32).view(np.float32))
        q = lb.quantize(x, name, rounding=rounding, **arguments)
        assert q.codes.reshape(-1).tolist() == line["codes"], line["clause"]
        values = q.dequantize().reshape(-1)
        bits = np.where(np.isnan(values), 0x7FC00000, values.view(np.uint32))
        assert bits.tolist() == line["values"], line["clause"]
        if line["random"] is not None:
            place = {key: arguments[key] for key in ("offset", "origin", "global_shape", "stream") if key in arguments}
            assert (
                lb.random_bits(x.shape, bits=8, seed=arguments["seed"], **place).reshape(-1).tolist() == line["random"]
            )


def test_npz_has_the_same_tensors(tmp_path: Path) -> None:
    for out in ("v.npz", "v.jsonl"):
        export_vectors("nvfp4", tmp_path / out)
    _, *lines = map(json.loads, (tmp_path / "v.jsonl").read_text().splitlines())
    with np.load(tmp_path / "v.npz") as data:
        assert data["clauses"].tolist() == [line["clause"] for line in lines]
        for i, line in enumerate(lines):
            part, scales = slice(*data["first"][i : i + 2]), slice(*data["first_scale"][i : i + 2])
            assert [side for side in data["shapes"][i].tolist() if side >= 0] == line["shape"]
            for array, key in (("inputs", "input"), ("codes", "codes"), ("values", "values")):
                assert data[array][part].tolist() == line[key]
            assert data["scales"][scales].tolist() == line["scales"]
            assert data["tensor_scales"][i] == line["tensor_scale"]


def test_every_block_of_hardware_vectors_stands_alone(tmp_path: Path) -> None:
    """Two levels: the tensor scale beside a block is all that hardware must know of the rest."""
    export_vectors("nvfp4", tmp_path / "v")
    read = {path.name: [int(word, 16) for word in path.read_text().split()] for path in (tmp_path / "v").glob("*.hex")}
    x = np.array(read["inputs.hex"], np.uint32).view(np.float32).reshape(-1, 16)
    amaxes = np.array(read["tensor_amaxes.hex"], np.uint32).view(np.float32)
    for block, amax, word in zip(x, amaxes.tolist(), read["scales.hex"], strict=True):
        assert lb.quantize(block, "nvfp4", tensor_amax=amax).scales.tolist() == [word]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="folder"):
        export_vectors("mxfp4", tmp_path / "v.csv")
    with pytest.raises(FileError, match="cannot write"):
        export_vectors("mxfp4", tmp_path / "missing" / "v.npz", clauses=["5.ties"])
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot write"):
        export_vectors("mxfp4", tmp_path / "file" / "v", clauses=["5.ties"])
    with pytest.raises(UnsupportedError, match="depend on each other"):
        export_vectors("e2m1/k32/e8m0/sparsity=2:4", tmp_path / "v", clauses=["5.ties"])
    with pytest.raises(ArgumentError, match="no clause"):
        export_vectors("mxfp4", tmp_path / "v", clauses=["5.tie"])
