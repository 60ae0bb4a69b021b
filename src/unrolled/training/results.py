"""Finished runs on disk, each under the fingerprint of all that it depends on."""

import hashlib
import io
import os
import shutil
import time
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import fingerprint, paths, registry
from unrolled.data import store
from unrolled.errors import Fault, FullError, UnrolledError, attempt
from unrolled.files import write_atomic
from unrolled.training.parts import DAMAGED
from unrolled.training.runs import Array, Result, Run

NOT_TRAINED_BY = {"label", "about", "requires", "compare_with", "tuned_by_hand"}
"""Of a method's row: what a reader sees only."""
PATIENCE = 600.0
"""Seconds for which a result waits for room on a full disk."""
LARGEST, OLDEST = 4 * 2**30, 30 * 24 * 3600.0
"""Bytes and seconds up to which results of earlier rows are kept."""


def mark(run: Run) -> str:
    """Return the fingerprint of a run: its data, its rows, its seeds, and the source that trains it."""
    return fingerprint.of({"data": store.checksum(run.study), **asked(run)}, sources(run))


def asked(run: Run) -> dict[str, Any]:
    """Return the rows on which a run depends."""
    experiment, method = run.experiment, run.method
    return {
        "row": experiment.data.model_dump(),
        "fit": experiment.fit.model_dump(exclude={"learning_rates", "parameters", "seeds", "tuning_seeds"}),
        "method": method.model_dump(exclude=NOT_TRAINED_BY),
        "seeds": [experiment.seeds, run.tuning_replicas()],
        "scored_on": experiment.scored_on,
    }


def sources(run: Run) -> tuple[Path, ...]:
    """Return the files whose import closure trains a run: `fit`, and the items that it loads by name."""
    row, method = run.experiment.data, run.method
    named = [("tasks", row.task), ("cells", method.cell), ("initialisers", method.initialiser)]
    named += [("optimisers", method.optimiser), *([("systems", row.system)] if row.system else [])]
    return (registry.ROOT / "training/fit.py", *(registry.path(kind, name) for kind, name in named))


def path_of(study: str, method: str) -> Path:
    """Return the file of one finished run."""
    return paths.trained(study) / f"{method}.npz"


def save(run: Run, result: Result, seconds: float) -> None:
    """Write a result, its fingerprint and the seconds that training took, whole or not at all.

    The seconds differ from time to time, so they lie beside the outputs of the pipeline.
    """
    buffer, own = io.BytesIO(), mark(run)
    arrays = {field.name: getattr(result, field.name) for field in fields(Result) if field.name != "predictions"}
    arrays |= {f"predictions.{name}": array for name, array in result.predictions.items()}
    np.savez(buffer, fingerprint=np.array(own), checksum=np.array(_checksum(own, arrays)), **arrays)
    _write(paths.KEPT / f"{own}.seconds", f"{seconds:.3f}".encode())
    _write(paths.KEPT / f"{own}.npz", buffer.getvalue())
    _place(run, own)
    shutil.rmtree(parts_of(own), ignore_errors=True)


def parts_of(own: str) -> Path:
    """Return the folder of the trained parts of a long run, by its fingerprint."""
    return paths.KEPT / "parts" / own


def _checksum(own: str, arrays: dict[str, Array]) -> str:
    """Return the hash of a fingerprint and of the arrays that came of it."""
    found = hashlib.sha256(own.encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write what has taken long to compute: where the disk is full, wait for room, and say so."""
    until, said = time.monotonic() + PATIENCE, False
    while True:
        try:
            return write_atomic(path, content)
        except FullError as error:
            if time.monotonic() > until:
                raise
            if not said:
                print(f"waiting up to {PATIENCE / 60:.0f} minutes for room: {error}", flush=True)
            said = True
            time.sleep(1.0)


def _place(run: Run, own: str) -> None:
    """Put a kept result where the pipeline expects it, as a hard link where the file system can."""
    path, source = path_of(run.study, run.name), paths.KEPT / f"{own}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(source)
        temporary.replace(path)
    except OSError:
        _write(path, source.read_bytes())
    os.utime(source)


def seconds(run: Run) -> float | None:
    """Return how long training took, as far as it is known here."""
    try:
        return float((paths.KEPT / f"{mark(run)}.seconds").read_text())
    except (OSError, ValueError):
        return None


def ended(run: Run) -> float:
    """Return when the training of a finished run ended, as far as the files here tell."""
    known = paths.KEPT / f"{mark(run)}.seconds"
    return (known if known.exists() else path_of(run.study, run.name)).stat().st_mtime


def read(path: Path) -> tuple[str, Result]:
    """Read a fingerprint and a result.

    Raises
    ------
    UnrolledError
        If the file is missing, damaged, or holds other arrays than were written; it names the remedy.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        own, checksum = str(arrays.pop("fingerprint")), str(arrays.pop("checksum"))
        if checksum != _checksum(own, arrays):
            raise ValueError
        predictions = {k.removeprefix("predictions."): v for k, v in arrays.items() if k.startswith("predictions.")}
        return own, Result(
            **{f.name: arrays[f.name] for f in fields(Result) if f.name != "predictions"} | {"predictions": predictions}
        )
    except FileNotFoundError:
        raise UnrolledError(f"{path} is missing: run `dvc repro train`") from None
    except (*DAMAGED, KeyError):
        raise UnrolledError(f"{path} is damaged or was changed by hand: run `dvc repro train`") from None


def known(path: Path) -> tuple[str, str] | None:
    """Return the fingerprint and the checksum that a file says it has, None if it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return str(archive["fingerprint"]), str(archive["checksum"])
    except (*DAMAGED, KeyError):
        return None


def kept(run: Run) -> bool:
    """Return whether the result of a run is there and whole, put back from those kept of earlier rows if need be."""
    own = mark(run)
    if _whole(path_of(run.study, run.name), own):
        return True
    if not _whole(paths.KEPT / f"{own}.npz", own):
        return False
    _place(run, own)
    return True


def _whole(path: Path, own: str) -> bool:
    try:
        return read(path)[0] == own
    except UnrolledError:
        return False


def distrusted(run: Run) -> bool:
    """Return whether there is a file of a run that is no result at all, or not the one that was written."""
    path = path_of(run.study, run.name)
    if not path.exists():
        return False
    try:
        read(path)
    except UnrolledError:
        return True
    return False


def finished(run: Run) -> Result:
    """Return the result of a run; a missing, damaged or stale one is an error that names the remedy."""
    own, result = read(path_of(run.study, run.name))
    if own != mark(run):
        path = path_of(run.study, run.name)
        raise UnrolledError(f"{path} does not belong to the present data, row and source: run `dvc repro train`")
    return result


def all_finished(runs: list[Run]) -> list[Result]:
    """Return the result of each run; what is wrong with any of them is one error."""
    found = [attempt(partial(finished, run)) for run in runs]
    if wrong := [each for each in found if isinstance(each, Fault)]:
        raise UnrolledError("; ".join(wrong))
    return [each for each in found if not isinstance(each, Fault)]


def prune(studies: dict[str, list[str]]) -> None:
    """Delete results of methods and studies that are no longer in the table, and temporary files; and old kept ones."""
    paths.TRAINED.mkdir(parents=True, exist_ok=True)  # DVC wants it even where nothing is trained
    for path in paths.TRAINED.rglob("*"):
        if path.is_file() and (path.suffix != ".npz" or path.stem not in studies.get(path.parent.name, [])):
            path.unlink()
    for folder in paths.TRAINED.iterdir():
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    for path in paths.KEPT.glob("*.tmp"):
        path.unlink()
    left = LARGEST
    for path in sorted(paths.KEPT.glob("*.npz"), key=lambda path: -path.stat().st_mtime):
        left -= path.stat().st_size
        if left < 0 or time.time() - path.stat().st_mtime > OLDEST:
            path.unlink()
            path.with_suffix(".seconds").unlink(missing_ok=True)
