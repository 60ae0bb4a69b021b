"""A study's arrays on disk: written the same twice, refused when damaged."""

from pathlib import Path

import numpy as np
import pytest

from conftest import Refused
from unrolled import paths
from unrolled.data import store
from unrolled.data.store import Split

REMEDY = "dvc repro --force generate@waves"


@pytest.fixture
def splits() -> dict[str, Split]:
    random = np.random.default_rng(0)

    def split(count: int) -> Split:
        inputs = random.normal(size=(count, 5, 1)).astype(np.float32)
        return {"inputs": inputs, "targets": inputs[:, -1] ** 2, "times": 0.1 * np.arange(count)}

    return {"train": split(6), "val": split(2), "test": split(3)}


@pytest.fixture
def folder(in_tmp: Path, splits: dict[str, Split]) -> Path:
    """Save the splits and return where they are."""
    store.save("waves", splits, {"solver": "DOP853", "step": 0.1})
    return paths.dataset("waves")


def test_what_is_saved_is_loaded_again(folder: Path, splits: dict[str, Split]) -> None:
    loaded = store.load("waves")
    assert list(loaded) == list(splits)
    for name, split in splits.items():
        assert list(loaded[name]) == list(split)
        for key, array in split.items():
            assert loaded[name][key].dtype == array.dtype
            np.testing.assert_array_equal(loaded[name][key], array)


def test_the_sidecar_says_solver_shapes_and_hashes(folder: Path) -> None:
    facts = store.facts("waves")
    assert facts["solver"] == "DOP853" and facts["step"] == 0.1
    assert facts["files"]["train.npz"]["shapes"] == {"inputs": [6, 5, 1], "targets": [6, 1], "times": [6]}
    assert {name: entry["sha256"] for name, entry in facts["files"].items()} == {
        f"{split}.npz": store.sha256(folder / f"{split}.npz") for split in store.SPLITS
    }


def test_saving_twice_gives_the_same_bytes(folder: Path, splits: dict[str, Split]) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.save("waves", splits, {"solver": "DOP853", "step": 0.1})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    splits["val"]["inputs"][0, 0, 0] += 1e-6
    store.save("waves", splits, {"solver": "DOP853", "step": 0.1})
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"val.npz", store.SIDECAR}


@pytest.mark.parametrize("split", store.SPLITS)
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


def test_flipped_bits_are_found(folder: Path, splits: dict[str, Split], refused: Refused) -> None:
    path = folder / "train.npz"
    content, stored = path.read_bytes(), splits["train"]["inputs"].tobytes()
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
def test_a_value_that_is_not_finite_is_named_with_its_place(
    value: float, folder: Path, splits: dict[str, Split], refused: Refused
) -> None:
    splits["test"]["inputs"][2, 3, 0] = value
    store.save("waves", splits, {})
    with refused("test.npz", "'inputs'", str(value), "(2, 3, 0)", REMEDY):
        store.load("waves")


@pytest.mark.parametrize("content", [b"", b"{", b'{"solver": NaN', b"\xff\xfe", b"3", b'"text"'])
def test_a_damaged_sidecar_is_named(content: bytes, folder: Path, refused: Refused) -> None:
    (folder / store.SIDECAR).write_bytes(content)
    with refused("dataset.json is damaged", "delete it", "dvc repro generate@waves"):
        store.facts("waves")


def test_a_missing_sidecar_is_named(folder: Path, refused: Refused) -> None:
    (folder / store.SIDECAR).unlink()
    with refused("dataset.json is missing", "dvc repro generate@waves"):
        store.facts("waves")


def test_writing_leaves_no_temporary_file_and_replaces_what_was_there(in_tmp: Path) -> None:
    path = in_tmp / "deep" / "file.json"
    store.write_json(path, {"a": 1})
    store.write_json(path, {"a": "η"})
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]
    assert path.read_text(encoding="utf-8") == '{\n "a": "η"\n}\n'


def test_json_with_nan_is_refused(in_tmp: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        store.write_json(in_tmp / "file.json", {"a": float("nan")})
    assert list(in_tmp.iterdir()) == []
