"""A study's arrays on disk, with a sidecar that says how they came about; checked when read."""

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled import paths
from unrolled.errors import UnrolledError

Split = dict[str, NDArray[Any]]
SPLITS = ("train", "val", "test")
SIDECAR = "dataset.json"


def write_atomic(path: Path, content: bytes) -> None:
    """Write to a temporary name, then rename, so that a half-written file is never taken for whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON, sorted as given, atomically; NaN is not JSON and so an error."""
    write_atomic(path, (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(study: str, splits: dict[str, Split], facts: dict[str, Any]) -> None:
    """Write the arrays of each split and the sidecar with shapes, hashes and `facts`."""
    folder = paths.dataset(study)
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for split, arrays in splits.items():
        path = folder / f"{split}.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
        shapes = {name: list(array.shape) for name, array in arrays.items()}
        files[path.name] = {"sha256": sha256(path), "shapes": shapes}
    write_json(folder / SIDECAR, facts | {"files": files})


def facts(study: str) -> dict[str, Any]:
    """Return the sidecar of a study's data."""
    path = paths.dataset(study) / SIDECAR
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UnrolledError(f"{path} is missing: run `dvc repro generate@{study}`") from None
    except (ValueError, TypeError):
        raise UnrolledError(f"{path} is damaged: delete it and run `dvc repro generate@{study}`") from None


def save_not_run(study: str, reason: str) -> None:
    """Write, in place of the data, why there are none; arrays of an earlier run go."""
    for path in paths.dataset(study).glob("*.npz"):
        path.unlink()
    write_json(paths.dataset(study) / SIDECAR, {"study": study, "not_run": reason})


def not_run(study: str) -> str | None:
    """Return why a study has no data here, or None if it has."""
    reason = facts(study).get("not_run")
    return str(reason) if reason is not None else None


def load(study: str) -> dict[str, Split]:
    """Read a study's splits.

    Raises
    ------
    UnrolledError
        If a file is missing, damaged, or holds a value that is not finite, or the study is not run; it
        names the remedy.
    """
    if (paths.dataset(study) / SIDECAR).exists() and (reason := not_run(study)) is not None:
        raise UnrolledError(f"study '{study}' is not run: {reason}. Then run `dvc repro --force generate@{study}`")
    remedy = f"run `dvc repro --force generate@{study}`"
    splits = {}
    for split in SPLITS:
        path = paths.dataset(study) / f"{split}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                splits[split] = dict(archive)
        except FileNotFoundError:
            raise UnrolledError(f"{path} is missing: {remedy}") from None
        except (OSError, ValueError, TypeError, zipfile.BadZipFile, EOFError):
            raise UnrolledError(f"{path} is damaged (truncated or not an array file): {remedy}") from None
        for name, array in splits[split].items():
            if not np.isfinite(array).all():
                where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                raise UnrolledError(f"{path}: '{name}' holds {array[where]} at index {where}: {remedy}")
    return splits
