"""A study's arrays on disk: written the same twice, refused when damaged."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Refused
from unrolled import files, paths
from unrolled.data import store
from unrolled.data.task import Data, Split, TestSet

SIDECAR = "dataset.json"
REMEDY = "dvc repro --force generate@waves"
FILES = ("example", "further", "test", "train", "val")


@pytest.fixture
def data() -> Data:
    random = np.random.default_rng(0)

    def split(count: int) -> Split:
        inputs = random.normal(size=(count, 5, 1)).astype(np.float32)
        return {"inputs": inputs, "targets": inputs[:, -1] ** 2, "times": 0.1 * np.arange(count)}

    about: dict[str, Any] = {"unit": "mV", "scale": np.array([2.0]), "lyapunov": 0.9}
    tests = {"test": TestSet.of(split(3)), "further": TestSet.of(split(2), "closed_loop", label="further", **about)}
    return Data(split(6), split(2), tests, {"solver": "DOP853", "step": 0.1}, random.normal(size=(1, 5, 1)))


@pytest.fixture
def folder(in_tmp: Path, data: Data) -> Path:
    """Save the data and return where they are."""
    store.save("waves", data, "print")
    return paths.dataset("waves")


def test_what_is_saved_is_loaded_again(folder: Path, data: Data) -> None:
    loaded = store.load("waves")
    assert list(loaded.tests) == list(data.tests) and loaded.facts["step"] == 0.1
    pairs = [(loaded.train, data.train), (loaded.val, data.val)]
    pairs += [(vars(loaded.tests[name]), vars(test)) for name, test in data.tests.items()]
    for found, saved in pairs:
        assert list(found) == list(saved)
        for key, value in saved.items():
            np.testing.assert_array_equal(found[key], value)
            assert not isinstance(value, np.ndarray) or found[key].dtype == value.dtype
    np.testing.assert_array_equal(loaded.example, data.example)
    assert {field.name for field in fields(TestSet)} == set(vars(loaded.tests["further"]))


def test_the_sidecar_says_solver_shapes_hashes_and_fingerprint(folder: Path) -> None:
    facts = store.facts("waves")
    assert facts["solver"] == "DOP853" and facts["step"] == 0.1 and facts["fingerprint"] == "print"
    assert facts["files"]["train.npz"]["shapes"] == {"inputs": [6, 5, 1], "targets": [6, 1], "times": [6]}
    about = {"mode": "closed_loop", "label": "further", "unit": "mV", "lyapunov": 0.9, "blank": None}
    assert facts["tests"]["further"] == about
    assert {name: entry["sha256"] for name, entry in facts["files"].items()} == {
        f"{name}.npz": files.sha256(folder / f"{name}.npz") for name in FILES
    }


def test_saving_twice_gives_the_same_bytes(folder: Path, data: Data) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    checksum = store.checksum("waves")
    store.save("waves", data, "print")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before and store.checksum("waves") == checksum
    data.val["inputs"][0, 0, 0] += 1e-6
    store.save("waves", data, "print")
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"val.npz", SIDECAR}


def test_the_checksum_is_of_arrays_and_how_they_are_run_and_of_nothing_else(folder: Path, data: Data) -> None:
    checksum = store.checksum("waves")
    store.save("waves", replace(data, facts={"solver": "other"}), "another")
    assert store.checksum("waves") == checksum
    for test in (replace(data.tests["further"], mode="teacher_forced"), replace(data.tests["further"], lyapunov=1.0)):
        store.save("waves", replace(data, tests=data.tests | {"further": test}), "print")
        assert store.checksum("waves") != checksum


def test_arrays_of_a_test_set_that_is_gone_are_removed(folder: Path, data: Data) -> None:
    store.save("waves", replace(data, tests={"test": data.tests["test"]}, example=None), "print")
    assert {path.stem for path in folder.glob("*.npz")} == {"train", "val", "test"}
    assert list(store.load("waves").tests) == ["test"] and store.load("waves").example is None


def test_a_study_that_cannot_be_had_says_why_and_leaves_no_arrays(folder: Path, refused: Refused) -> None:
    assert store.not_run("waves") is None
    store.save_not_run("waves", "no network")
    assert store.not_run("waves") == "no network" and not list(folder.glob("*.npz"))
    with refused("study 'waves' is not run: no network", REMEDY):
        store.load("waves")


@pytest.mark.parametrize("split", FILES)
def test_a_missing_file_is_named(split: str, folder: Path, refused: Refused) -> None:
    (folder / f"{split}.npz").unlink()
    with refused(f"{split}.npz is missing", REMEDY):
        store.load("waves")


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(kept: float, folder: Path, refused: Refused) -> None:
    path = folder / "val.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with refused("val.npz is damaged", REMEDY):
        store.load("waves")


def test_flipped_bits_are_found(folder: Path, data: Data, refused: Refused) -> None:
    path = folder / "train.npz"
    content, stored = path.read_bytes(), data.train["inputs"].tobytes()
    assert content.count(stored) == 1
    path.write_bytes(content.replace(stored, bytes([stored[0] ^ 1]) + stored[1:]))
    with refused("train.npz is damaged", REMEDY):
        store.load("waves")


@pytest.mark.parametrize("content", [b"not an array", b"PK\x03\x04", b"\x80\x04K\x01."])
def test_another_kind_of_file_is_named(content: bytes, folder: Path, refused: Refused) -> None:
    (folder / "test.npz").write_bytes(content)
    with refused("test.npz is damaged", REMEDY):
        store.load("waves")


def test_a_single_array_in_place_of_an_archive_is_named(folder: Path, refused: Refused) -> None:
    with (folder / "test.npz").open("wb") as file:
        np.save(file, np.ones(3))
    with refused("test.npz is damaged", REMEDY):
        store.load("waves")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_not_saved_and_named_with_its_place(
    value: float, folder: Path, data: Data, refused: Refused
) -> None:
    before = (folder / SIDECAR).read_bytes()
    data.tests["test"].inputs[2, 3, 0] = value
    with refused("'waves'", "'inputs' of its test data", str(value), "(2, 3, 0)", "params.yaml, or its record"):
        store.save("waves", data, "print")
    assert (folder / SIDECAR).read_bytes() == before and store.load("waves").train["inputs"].shape == (6, 5, 1)


@pytest.mark.parametrize("content", [b"", b"{", b'{"solver": NaN', b"\xff\xfe", b"3", b'"text"', b"{}"])
def test_a_damaged_sidecar_is_named(content: bytes, folder: Path, refused: Refused) -> None:
    (folder / SIDECAR).write_bytes(content)
    with refused("dataset.json is damaged", REMEDY):
        store.facts("waves")


def test_a_missing_sidecar_is_named(folder: Path, refused: Refused) -> None:
    (folder / SIDECAR).unlink()
    with refused("dataset.json is missing", REMEDY):
        store.facts("waves")


def test_writing_leaves_no_temporary_file_and_replaces_what_was_there(in_tmp: Path) -> None:
    path = in_tmp / "deep" / "file.json"
    files.write_json(path, {"a": 1})
    files.write_json(path, {"a": "η"})
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]
    assert path.read_text(encoding="utf-8") == '{\n "a": "η"\n}\n'


def test_json_with_nan_is_refused(in_tmp: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        files.write_json(in_tmp / "file.json", {"a": float("nan")})
    assert list(in_tmp.iterdir()) == []
