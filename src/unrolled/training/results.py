"""Finished methods on disk, each under the fingerprint of all that it depends on."""

import hashlib
import io
import json
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from unrolled import paths, registry
from unrolled.data.store import write_atomic
from unrolled.errors import UnrolledError
from unrolled.training.job import Job, Result

SHARED = (
    "training/free_run.py",
    "training/job.py",
    "training/learn.py",
    "training/network.py",
    "training/population.py",
    "datasets/module.py",
    "systems/_base.py",
    "tasks/_base.py",
    "cells/_base.py",
    "cells/_fused.py",
    "initialisers/_base.py",
    "optimisers/_base.py",
)
HELPERS = {"hessian_free": ("optimisers/_curvature.py",)}
"""What an item uses beside its own file."""
NOT_LEARNED = {"question", "score", "seeds", "learning_rates", "methods"}
NOT_USED = {"about", "only", "why"}


def _sources(job: Job) -> list[Path]:
    row = job.method
    items = (
        ("systems", job.study.system or "_base"),
        ("tasks", job.study.task),
        ("cells", row.cell),
        ("initialisers", row.initialiser),
    )
    own = [f"{kind}/{name}.py" for kind, name in (*items, ("optimisers", row.optimiser))]
    helpers = HELPERS.get(str(row.optimiser), ())
    return [registry.ROOT / name for name in (*SHARED, *own, *helpers) if (registry.ROOT / name).exists()]


def fingerprint(job: Job) -> str:
    """Return a hash of the data, the method's and the study's row, the seeds and the source it runs."""
    rows = {
        "study": job.study.model_dump(exclude=NOT_LEARNED),
        "method": job.method.model_dump(exclude=NOT_USED),
        "seeds": [job.seeds, job.tuners],
    }
    digest = hashlib.sha256(json.dumps(rows, sort_keys=True).encode())
    for split in job.splits.values():
        for array in split.values():
            digest.update(np.ascontiguousarray(array).tobytes())
    for path in _sources(job):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def path_of(study: str, method: str) -> Path:
    """Return the file of one trained method."""
    return paths.trained(study) / f"{method}.npz"


def save(job: Job, result: Result) -> None:
    """Write a result and its fingerprint, whole or not at all."""
    buffer = io.BytesIO()
    arrays = {field.name: getattr(result, field.name) for field in fields(Result) if field.name != "predictions"}
    arrays |= {f"predictions.{name}": array for name, array in result.predictions.items()}
    np.savez(buffer, fingerprint=np.array(fingerprint(job)), **arrays)
    write_atomic(path_of(job.study_name, job.method_name), buffer.getvalue())


def read(path: Path) -> tuple[str, Result]:
    """Read a fingerprint and a result.

    Raises
    ------
    UnrolledError
        If the file is missing or damaged; it names the remedy.
    """
    study = path.parent.name
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        predictions = {k.removeprefix("predictions."): v for k, v in arrays.items() if k.startswith("predictions.")}
        own = {f.name: arrays[f.name] for f in fields(Result) if f.name != "predictions"}
        return str(arrays["fingerprint"]), Result(**own, predictions=predictions)
    except FileNotFoundError:
        raise UnrolledError(f"{path} is missing: run `dvc repro train@{study}`") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise UnrolledError(f"{path} is damaged: delete it and run `dvc repro train@{study}`") from None


def kept(job: Job) -> Result | None:
    """Return the finished result of a job, or None if it must be trained (again)."""
    path = path_of(job.study_name, job.method_name)
    if not path.exists():
        return None
    try:
        known, result = read(path)
    except UnrolledError:
        return None
    return result if known == fingerprint(job) else None


def prune(study: str, methods: list[str]) -> list[str]:
    """Delete results of methods that are no longer in the table, and temporary files; return their names."""
    paths.trained(study).mkdir(parents=True, exist_ok=True)  # DVC wants it even where nothing is learned
    gone = [path for path in paths.trained(study).glob("*.npz") if path.stem not in methods]
    for path in (*gone, *paths.trained(study).glob(".*.tmp")):
        path.unlink()
    return [path.stem for path in gone if not path.name.startswith(".")]
