"""Stage `generate`: integrate the study's system, or cut its measured record, into arrays.

What is kept is known by its fingerprint before SciPy is even imported.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from unrolled import config, errors, files, fingerprint, paths, progress, registry
from unrolled.config import DataRow

if TYPE_CHECKING:
    from unrolled.data.task import Data


LIBRARIES = {"systems": ("numpy", "scipy"), "records": ("numpy", "scipy", "pandas")}
"""Whose versions data depend on."""


def mark(row: DataRow) -> str:
    """Return the fingerprint of a study's data: its row, its record's file, and the source that makes them."""
    kind, name = ("systems", row.system) if row.record is None else ("records", row.record.source)
    sources = (registry.ROOT / "data/datasets.py", registry.path("tasks", row.task), registry.path(kind, str(name)))
    return fingerprint.of([row.model_dump(), _recorded(row)], sources, LIBRARIES[kind])


def _recorded(row: DataRow) -> str | None:
    """Return the hash of the file of a study's record, if it has one that can be read: the reader says why not."""
    path = Path(row.record.file if row.record is not None and row.record.file else "")
    try:
        return files.sha256(path) if path.is_file() else None
    except OSError:
        return None


def kept(name: str, row: DataRow) -> bool:
    """Return whether the data on disk are whole and of this fingerprint."""
    try:
        known = files.read_json(paths.sidecar(name), "")
        whole = all(files.sha256(paths.dataset(name) / f) == about["sha256"] for f, about in known["files"].items())
    except (errors.UnrolledError, OSError, KeyError, TypeError):
        return False
    return whole and known.get("fingerprint") == mark(row)


@errors.one_line
def main(name: str) -> None:
    """Generate the data of one study, unless they are there."""
    row: DataRow = config.data_row(name)
    if kept(name, row):
        progress.Stage.kept = True
        print(f"{name}: kept")
        return
    from unrolled.data import datasets, store

    try:
        data = datasets.make(row)
    except errors.NotRunError as reason:
        store.save_not_run(name, str(reason))
        print(f"{name}: not run: {reason}. Then run `dvc repro --force generate@{name}`")
        return
    store.save(name, data, mark(row))
    for word in data.facts.get("said", []):
        print(f"{name}: {word}")
    print(f"{name}: {_sizes(data)}; {_said(data)}")


def _sizes(data: "Data") -> str:
    arrays = {"train": data.train["inputs"], "val": data.val["inputs"]}
    arrays |= {name: test.inputs for name, test in data.tests.items()}
    return ", ".join(f"{part} {len(each)}" for part, each in arrays.items()) + " sequences"


def _said(data: "Data") -> str:
    if "solver_error" not in data.facts:
        read = data.facts["read"]
        return f"measured: {data.facts['source']}" + (f", {read}" if read else "")
    return f"solver error at most {data.facts['solver_error']:.1e} over {data.facts['solver_error_over']}"
