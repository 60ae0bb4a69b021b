"""Stage `generate`: integrate the study's system, or cut its measured record, into arrays.

What is kept is known by its fingerprint before SciPy is even imported.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from unrolled import config, errors, files, fingerprint, paths, progress, registry
from unrolled.config import DataRow

if TYPE_CHECKING:
    from unrolled.data.task import Data


def mark(row: DataRow) -> str:
    """Return the fingerprint of a study's data: its row, its record's file, and the source that makes them."""
    kind, name = ("systems", row.system) if row.record is None else ("records", row.record.source)
    sources = (registry.ROOT / "data/datasets.py", registry.path("tasks", row.task), registry.path(kind, str(name)))
    recorded = files.sha256(_file(row)) if _file(row).is_file() else None
    return fingerprint.of([row.model_dump(), recorded], sources, ("numpy", "scipy"))


def _file(row: DataRow) -> Path:
    """Return the file of a study's record; a folder where there is none."""
    return Path(row.record.file if row.record is not None and row.record.file else "")


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
    print(f"{name}: {_sizes(data)}; {_said(data)}")


def _sizes(data: "Data") -> str:
    arrays = {"train": data.train["inputs"], "val": data.val["inputs"]}
    arrays |= {name: test.inputs for name, test in data.tests.items()}
    return ", ".join(f"{part} {len(each)}" for part, each in arrays.items()) + " sequences"


def _said(data: "Data") -> str:
    if "solver_error" not in data.facts:
        return f"measured: {data.facts['source']}"
    return f"solver error at most {data.facts['solver_error']:.1e} over {data.facts['solver_error_over']}"
