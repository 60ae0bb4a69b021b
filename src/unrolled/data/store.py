"""A study's arrays on disk, with a sidecar that says how they came about; trusted only where both fit."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import fingerprint, paths, registry
from unrolled.config import DataRow
from unrolled.data.task import Array, Data, Split, TestSet
from unrolled.errors import UnrolledError
from unrolled.files import read_sealed, sha256, write_atomic, write_sealed

LIBRARIES = {"systems": ("numpy", "scipy"), "records": ("numpy", "scipy", "pandas"), "tasks": ("numpy",)}
"""Whose versions data depend on."""
VAL = "val_"
"""What the file of a validation set like some test set begins with."""


def mark(row: DataRow) -> str:
    """Return the fingerprint of a study's data: its row, its record's file, and the source that makes them."""
    kind, name = ("systems", row.system) if row.record is None else ("records", row.record.source)
    if name is None:
        kind, name = "tasks", row.task
    sources = (registry.ROOT / "data/datasets.py", registry.path("tasks", row.task), registry.path(kind, str(name)))
    return fingerprint.of([row.model_dump(), _recorded(row)], sources, LIBRARIES[kind])


def _recorded(row: DataRow) -> str | None:
    """Return the hash of the file of a study's record, if it has one that can be read: the reader says why not."""
    path = Path(row.record.file if row.record is not None and row.record.file else "")
    try:
        return sha256(path) if path.is_file() else None
    except OSError:
        return None


def save(study: str, data: Data, own: str) -> None:
    """Write the arrays and the sidecar with shapes, hashes, facts and the fingerprint of what made them.

    Raises
    ------
    UnrolledError
        If a value is not finite; nothing is written then.
    """
    folder = paths.dataset(study)
    parts = {"train": data.train, "val": data.val} | {name: _arrays(test) for name, test in data.tests.items()}
    parts |= {f"{VAL}{name}": _arrays(test) for name, test in data.val_tests.items()}
    if data.example is not None:
        parts["example"] = {"inputs": data.example}
    for name, arrays in parts.items():
        _check_finite(study, name, arrays)
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
    write_sealed(paths.sidecar(study), data.facts | about | {"files": files, "fingerprint": own})


def _check_finite(study: str, part: str, arrays: Split) -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise UnrolledError(
                f"study '{study}': '{name}' of its {part} data would hold {array[where]} at index {where}: "
                "change its row in params.yaml, or its record"
            )


def _about(tests: dict[str, TestSet]) -> dict[str, dict[str, Any]]:
    return {n: {k: getattr(t, k) for k in ("mode", "label", "unit", "lyapunov", "blank")} for n, t in tests.items()}


def _arrays(test: TestSet) -> Split:
    arrays = {"inputs": test.inputs, "targets": test.targets, "times": test.times}
    return arrays | {key: own for key in ("scale", "agreed") if (own := getattr(test, key)) is not None}


def facts(study: str) -> dict[str, Any]:
    """Return the sidecar of a study's data; one that is missing, damaged or changed is an error."""
    return read_sealed(paths.sidecar(study), _remedy(study))


def _remedy(study: str) -> str:
    return f"run `dvc repro --force generate@{study}`"


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
    write_sealed(paths.sidecar(study), {"study": study, "not_run": reason})


def not_run(study: str) -> str | None:
    """Return why a study has no data here, or None if it has."""
    reason = facts(study).get("not_run")
    return str(reason) if reason is not None else None


def kept(study: str, row: DataRow) -> bool:
    """Return whether the data on disk are whole, and of this row, record and source."""
    try:
        known = facts(study)
        for name in known.get("files", ()):
            _content(study, name, known)
    except UnrolledError:
        return False
    return known.get("fingerprint") == mark(row)


def load(study: str, row: DataRow | None = None) -> Data:
    """Read a study's data.

    Parameters
    ----------
    row : DataRow, optional
        What they must have been made from.

    Raises
    ------
    UnrolledError
        If a file is missing or not as the sidecar says, the data are of another row, record or source, or the study
        is not run; it names the remedy.
    """
    known = facts(study)
    if "not_run" in known:
        raise UnrolledError(f"study '{study}' is not run: {known['not_run']}. Then {_remedy(study)}")
    if row is not None and known["fingerprint"] != mark(row):
        folder = paths.dataset(study)
        raise UnrolledError(f"{folder} holds data of another row, record or source: {_remedy(study)}")

    def arrays(part: str) -> dict[str, Array]:
        with np.load(io.BytesIO(_content(study, f"{part}.npz", known)), allow_pickle=False) as archive:
            return dict(archive)

    tests, val_tests = (
        {name: TestSet(**dict[str, Any](arrays(f"{prefix}{name}")), **about) for name, about in known[kind].items()}
        for kind, prefix in (("tests", ""), ("val_tests", VAL))
    )
    raw = arrays("example")["inputs"] if "example.npz" in known["files"] else None
    return Data(arrays("train"), arrays("val"), tests, known, raw, val_tests)


def _content(study: str, name: str, known: dict[str, Any]) -> bytes:
    """Return what a file holds, which is what the sidecar says: so arrays, shapes and finite values are as written."""
    path = paths.dataset(study) / name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UnrolledError(f"{path} is missing: {_remedy(study)}") from None
    if hashlib.sha256(content).hexdigest() != known["files"][name]["sha256"]:
        raise UnrolledError(f"{path} is damaged, or another file than its sidecar describes: {_remedy(study)}")
    return content
