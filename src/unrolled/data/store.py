"""A study's arrays on disk, with a sidecar that says how they came about; checked when read."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import paths
from unrolled.data.task import Array, Data, Split, TestSet
from unrolled.errors import UnrolledError
from unrolled.files import read_json, sha256, write_atomic, write_json

VAL = "val_"
"""What the file of a validation set like some test set begins with."""


def save(study: str, data: Data, fingerprint: str) -> None:
    """Write the arrays and the sidecar with shapes, hashes, facts and the fingerprint of what made them."""
    folder = paths.dataset(study)
    parts = {"train": data.train, "val": data.val} | {name: _arrays(test) for name, test in data.tests.items()}
    parts |= {f"{VAL}{name}": _arrays(test) for name, test in data.val_tests.items()}
    if data.example is not None:
        parts["example"] = {"inputs": data.example}
    for old in set(folder.glob("*.npz")) - {folder / f"{name}.npz" for name in parts}:
        old.unlink()
    files = {}
    for name, arrays in parts.items():
        path, buffer = folder / f"{name}.npz", io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_atomic(path, buffer.getvalue())
        shapes = {key: list(array.shape) for key, array in arrays.items()}
        files[path.name] = {"sha256": sha256(path), "shapes": shapes}
    about = {kind: _about(sets) for kind, sets in (("tests", data.tests), ("val_tests", data.val_tests))}
    write_json(paths.sidecar(study), data.facts | about | {"files": files, "fingerprint": fingerprint})


def _about(tests: dict[str, TestSet]) -> dict[str, dict[str, Any]]:
    return {n: {k: getattr(t, k) for k in ("mode", "label", "unit", "lyapunov")} for n, t in tests.items()}


def _arrays(test: TestSet) -> Split:
    arrays = {"inputs": test.inputs, "targets": test.targets, "times": test.times}
    return arrays if test.scale is None else arrays | {"scale": test.scale}


def facts(study: str) -> dict[str, Any]:
    """Return the sidecar of a study's data."""
    path, remedy = paths.sidecar(study), f"run `dvc repro --force generate@{study}`"
    known = read_json(path, remedy)
    if not isinstance(known, dict) or not ("not_run" in known or {"files", "tests", "val_tests"} <= known.keys()):
        raise UnrolledError(f"{path} is damaged: delete it and {remedy}")
    return known


def checksum(study: str) -> str:
    """Return one hash of all arrays of a study, from its sidecar."""
    known = facts(study)
    return hashlib.sha256(
        json.dumps([known[key] for key in ("files", "tests", "val_tests")], sort_keys=True).encode()
    ).hexdigest()


def save_not_run(study: str, reason: str) -> None:
    """Write, in place of the data, why there are none; arrays of an earlier run go."""
    for path in paths.dataset(study).glob("*.npz"):
        path.unlink()
    write_json(paths.sidecar(study), {"study": study, "not_run": reason})


def not_run(study: str) -> str | None:
    """Return why a study has no data here, or None if it has."""
    reason = facts(study).get("not_run")
    return str(reason) if reason is not None else None


def load(study: str) -> Data:
    """Read a study's data.

    Raises
    ------
    UnrolledError
        If a file is missing, damaged, or holds a value that is not finite, or the study is not run; it
        names the remedy.
    """
    known, remedy = facts(study), f"run `dvc repro --force generate@{study}`"
    if "not_run" in known:
        raise UnrolledError(f"study '{study}' is not run: {known['not_run']}. Then {remedy}")
    tests, val_tests = (
        {
            name: TestSet(**dict[str, Any](_read(paths.dataset(study) / f"{prefix}{name}.npz", remedy)), **about)
            for name, about in known[kind].items()
        }
        for kind, prefix in (("tests", ""), ("val_tests", VAL))
    )
    train, val = (_read(paths.dataset(study) / f"{split}.npz", remedy) for split in ("train", "val"))
    example = paths.dataset(study) / "example.npz"
    raw = _read(example, remedy)["inputs"] if "example.npz" in known["files"] else None
    return Data(train, val, tests, known, raw, val_tests)


def _read(path: Path, remedy: str) -> dict[str, Array]:
    """Return the arrays of a file, all finite."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
    except FileNotFoundError:
        raise UnrolledError(f"{path} is missing: {remedy}") from None
    except (OSError, ValueError, TypeError, zipfile.BadZipFile, EOFError):
        raise UnrolledError(f"{path} is damaged (truncated or not an array file): {remedy}") from None
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise UnrolledError(f"{path}: '{name}' holds {array[where]} at index {where}: {remedy}")
    return arrays
