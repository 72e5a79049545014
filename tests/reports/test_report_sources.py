"""Tensor files: what is read, and that damaged, foreign and malicious ones give one clear FileError."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from lowbit.errors import FileError
from lowbit.reports import numpy_files, open_tensors
from lowbit.reports.entries import Entry, printable

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def entries(path: Path) -> dict[str, Entry]:
    with open_tensors(path) as contents:
        return {entry.name: entry for entry in contents.entries}


def numbers(path: Path) -> dict[str, np.ndarray]:
    """All float tensors, read through the file's own entries."""
    with open_tensors(path) as contents:
        loaded = {entry.name: entry.load() for entry in contents.entries if entry.load is not None}
        return {name: view.read((slice(None),) * len(view.shape)) for name, view in loaded.items()}


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_header(shape: str, descr: str = "'<f4'", data: bytes = b"") -> bytes:
    """A .npy file whose header says whatever it is told to say."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def safetensors_bytes(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class Payload:
    """Unpickling an instance would create a file: proof that code ran."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_npy_in_either_order_and_byte_order(tmp_path: Path) -> None:
    for name, array in {
        "c": X,
        "f": np.asfortranarray(X),
        "big": X.astype(">f4"),
        "half": X.astype(np.float16),
    }.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(numbers(tmp_path / f"{name}.npy")[name], X)
    np.save(tmp_path / "double.npy", X.astype(np.float64))
    assert entries(tmp_path / "double.npy")["double"].note == "float64 -> float32"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_members(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "x.npz"
    save(path, a=X, **{"layer/b": X.T[1:]}, ids=np.arange(3), empty=np.zeros((0, 2), np.float32), scalar=np.float32(2))
    found = numbers(path)
    assert list(found) == ["a", "layer/b", "scalar"]
    np.testing.assert_array_equal(found["layer/b"], X.T[1:])
    assert found["scalar"] == 2
    skipped = {name: entry.skipped for name, entry in entries(path).items() if entry.skipped}
    assert skipped["empty"] == "empty"
    assert skipped["ids"].startswith("int64, not one of float32")


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {
        "w": torch.tensor(X).bfloat16(),
        "d": torch.tensor(X).double(),
        "i": torch.arange(3),
        "s": torch.tensor(1.5),
    }
    safetensors.torch.save_file(tensors, path)
    found = numbers(path)
    assert set(found) == {"w", "d", "s"}
    np.testing.assert_array_equal(found["w"], X)
    assert entries(path)["w"].dtype == "bfloat16"
    assert entries(path)["i"].skipped.startswith("I64")


def test_torch_files_are_flattened(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    shared: list[object] = [torch.tensor(X)]
    state = {"model": {"w": torch.tensor(X).T, "n": 3}, "opt": [shared, {"m": torch.ones(2).half()}], "again": shared}
    torch.save({**state, "sparse": torch.eye(2).to_sparse(), "p": torch.nn.Parameter(torch.ones(1))}, path)
    with open_tensors(path) as contents:
        assert contents.other_values == 1
    found = numbers(path)
    assert set(found) == {"model.w", "opt.0.0", "opt.1.m", "p"}
    np.testing.assert_array_equal(found["model.w"], X.T)
    assert "not dense" in entries(path)["sparse"].skipped


def test_one_tensor_takes_the_name_of_its_file(tmp_path: Path) -> None:
    torch.save(torch.tensor(X), tmp_path / "weights.pth")
    np.testing.assert_array_equal(numbers(tmp_path / "weights.pth")["weights"], X)


def test_names_are_made_printable() -> None:
    assert printable("a\x1b[31m\n\u202eb\udcff") == "a\\x1b[31m\\n\\u202eb\\udcff"
    assert printable("层.weight") == "层.weight"
    assert len(printable("x" * 5000)) <= 240


def bad_npy() -> dict[str, bytes]:
    whole = npy_bytes(X)
    return {
        "truncated": whole[:-1],
        "longer": whole + b"\0",
        "no data": whole[: len(whole) - X.nbytes],
        "half a header": whole[:9],
        "foreign": b"GIF89a" + bytes(100),
        "huge": npy_header("(1000000000000, 1000000)"),
        "overflowing": npy_header("(4294967296, 4294967296, 4)"),
        "negative": npy_header("(-1, -4)", data=X.tobytes()),
        "not numbers": npy_header("('a',)"),
        "code": npy_header("(__import__('os').system('true'),)"),
        "objects": npy_bytes(np.array([{"a": 1}], dtype=object)),
        "text": npy_bytes(np.array(["abc"])),
        "header bomb": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 100,
        "version 9": b"\x93NUMPY\x09\x00" + whole[8:],
    }


@pytest.mark.parametrize("case", sorted(bad_npy()))
def test_bad_npy(tmp_path: Path, case: str) -> None:
    (tmp_path / "x.npy").write_bytes(bad_npy()[case])
    refused(tmp_path / "x.npy")


def test_pickles_are_never_run(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    np.save(tmp_path / "a.npy", np.array([Payload(proof)], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Payload(proof)))
    np.savez(tmp_path / "c.npz", a=np.array([Payload(proof)], dtype=object))
    torch.save({"w": torch.ones(2), "x": Payload(proof)}, tmp_path / "d.pt")
    (tmp_path / "e.pth").write_bytes(pickle.dumps(Payload(proof)))
    torch.save({"x": Payload(proof)}, tmp_path / "f.pt", _use_new_zipfile_serialization=False)
    for path in sorted(tmp_path.glob("?.*")):
        refused(path)
    assert not proof.exists()


def refused(path: Path) -> None:
    """Opening and loading gives a FileError of one line that names the file."""
    with pytest.raises(FileError) as caught:
        numbers(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def write_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_bad_npz(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=X)
    whole = path.read_bytes()
    for broken in (whole[:-30], whole[:100], b"PK\x03\x04", whole[100:]):
        path.write_bytes(broken)
        refused(path)
    for member in (npy_header("(1000000000000,)"), npy_header("(-3,)"), b"not an array", b""):
        for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
            write_zip(path, {"a.npy": member}, compression)
            refused(path)


def test_zip_bombs_are_refused_before_inflating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    zeros = np.zeros(1 << 18, np.float32)
    np.savez_compressed(path, a=zeros)
    np.testing.assert_array_equal(numbers(path)["a"], zeros)
    monkeypatch.setattr(numpy_files, "MAX_INFLATED", 1 << 19)
    monkeypatch.setattr(numpy_files, "bytearray", pytest.fail, raising=False)
    with pytest.raises(FileError, match=r"inflate.*numpy\.savez"):
        numbers(path)


def test_npz_that_lies_about_its_size(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    array = np.zeros(1000, np.float32)
    header = npy_bytes(array).replace(b"(1000,)", b"(9000,)")
    write_zip(path, {"a.npy": header})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", len(header) + 32000)
    path.write_bytes(data)
    refused(path)


def test_checksums_of_compressed_members_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=np.random.default_rng(0).standard_normal(1000).astype(np.float32))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(path)


def bad_safetensors() -> dict[str, bytes]:
    good = {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}
    return {
        "truncated": safetensors_bytes({"a": good}, bytes(47)),
        "longer": safetensors_bytes({"a": good}, bytes(49)),
        "header longer than the file": struct.pack("<Q", 1 << 40) + b"{}",
        "no json": struct.pack("<Q", 4) + b"\xff\xfe\x00\x01",
        "negative": safetensors_bytes({"a": {**good, "shape": [-3, -4]}}, bytes(48)),
        "shape lies": safetensors_bytes({"a": {**good, "shape": [30, 4]}}, bytes(48)),
        "overflow": safetensors_bytes({"a": {**good, "shape": [1 << 62, 4]}}, bytes(48)),
        "outside": safetensors_bytes({"a": {**good, "data_offsets": [48, 96]}}, bytes(48)),
        "overlap": safetensors_bytes({"a": good, "b": good}, bytes(48)),
        "no tensors": safetensors_bytes({}),
        "foreign": b"hello",
        "integers only": safetensors_bytes({"a": {**good, "dtype": "I32"}}, bytes(48)),
    }


@pytest.mark.parametrize("case", sorted(bad_safetensors()))
def test_bad_safetensors(tmp_path: Path, case: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(bad_safetensors()[case])
    refused(tmp_path / "x.safetensors")


def test_bad_torch_files(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"w": torch.tensor(X)}, path)
    whole = path.read_bytes()
    for broken in (whole[:-1], whole[: len(whole) // 2], b"x" * 50, b"PK\x05\x06" + bytes(18)):
        path.write_bytes(broken)
        refused(path)
    write_zip(path, {"x/data.pkl": b"\x80\x02N."})
    refused(path)
    torch.save({"w": torch.tensor(X)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(FileError, match=r"before torch 1\.6"):
        numbers(path)


def test_torch_views_that_never_end_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(
        {"w": torch.ones(2), "endless": torch.ones(1).expand(10**12), "meta": torch.ones(3, device="meta")}, path
    )
    found = entries(path)
    assert found["endless"].skipped == "claims more bytes than the file has"
    assert "meta" in found["meta"].skipped


def test_torch_containers_that_contain_themselves(tmp_path: Path) -> None:
    loop: dict[str, object] = {"w": torch.ones(2)}
    loop["self"] = loop
    torch.save(loop, tmp_path / "loop.pt")
    assert set(numbers(tmp_path / "loop.pt")) == {"w"}
    deep: object = torch.ones(2)
    for _ in range(40):
        deep = [deep]
    torch.save(deep, tmp_path / "deep.pt")
    with pytest.raises(FileError, match="deeper than 32"):
        numbers(tmp_path / "deep.pt")


def test_no_such_regular_file(tmp_path: Path) -> None:
    (tmp_path / "empty.npy").touch()
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "x.txt").write_text("x")
    for name, reason in {
        "missing.npy": "No such file",
        "empty.npy": "is empty",
        "folder.npy": "not a regular file",
        "x.txt": "unknown type '.txt'",
        "x.txt/y.npy": "Not a directory",
    }.items():
        with pytest.raises(FileError, match=reason):
            numbers(tmp_path / name)
