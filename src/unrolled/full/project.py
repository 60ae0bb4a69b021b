"""`make full`, first step: copy the project to `full/`, where it runs whatever happens to the code here meanwhile.

The table there is `params.yaml` with the changes of `full.yaml`, and of some studies a second one on other data;
`beyond.yaml` holds studies for which the published one has no room.
"""

import sys
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from unrolled import errors, lifetime, paths, provenance, registry, yaml_file
from unrolled.files import write_atomic

FOLDER, CHANGES, BEYOND = Path("full"), Path("full.yaml"), Path("beyond.yaml")
COMMIT = Path("commit")
"""In the folder: which commit its code is of."""
PROJECT = ("pyproject.toml", "requirements.lock", "src", "data/measured")
"""What is read there, the user's own tables with it; whether git tracks it does not matter."""
AGAIN = "again"
"""The key of `full.yaml` that says which studies are made a second time on other data; ends their names."""


def merged(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return the table with the changes, key by key at every depth, and with the studies that are made again."""
    changes = dict(changes)
    again = changes.pop(AGAIN, {})
    both = _merged(table, changes)
    for name in again.get("studies", []):
        if name not in both["studies"]:
            raise registry.unknown("study under 'again'", name, list(both["studies"]))
        if "methods" in both["studies"][name]:  # else the table's check says what the study lacks
            both["studies"][f"{name}_{AGAIN}"] = _again(both["studies"][name], again)
    return both


def _merged(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = dict(table)
    for key, value in changes.items():
        old = table.get(key)
        both[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _again(study: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """Return a study on data of another seed, with a few of its methods."""
    changed = {name: row for entry in study["methods"] if isinstance(entry, dict) for name, row in entry.items()}
    methods = [{name: changed[name]} if name in changed else name for name in again["methods"]]
    label = f"{study['label']}, other data"
    changes = {"label": label, "data_seed": again["data_seed"], "methods": methods}
    return study | changes | {"fit": study["fit"] | again.get("fit", {})}


def _copy(source: Path) -> None:
    """Copy a file, or all files of a folder, where they have changed; what is no longer in the folder goes."""
    files = [each for each in (source.rglob("*") if source.is_dir() else [source]) if each.is_file()]
    files = [each for each in files if "__pycache__" not in each.parts]
    for path in files:
        target = FOLDER / path
        if not target.exists() or target.read_bytes() != path.read_bytes():
            write_atomic(target, path.read_bytes())
    for old in (FOLDER / source).rglob("*.py"):
        if old.relative_to(FOLDER) not in files:
            old.unlink()


def _with_its_file(data: dict[str, Any]) -> None:
    """Copy the file of a study's record, or name it by its whole path where it lies elsewhere."""
    record = data.get("record")
    if not isinstance(record, dict) or not isinstance(name := record.get("file"), str):
        return
    if Path(name).is_file():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            record["file"] = str(Path(name).resolve())
        else:
            _copy(Path(name))


@errors.one_line
def main(*changes: str) -> None:
    """Copy the project to `full/`, without its results, and write the larger table there: with these files' changes."""
    lifetime.begin("unrolled.full.project")
    tables = [yaml_file.read(path) for path in (paths.PARAMS, *map(Path, changes or [str(CHANGES)]))]
    for name in PROJECT:
        _copy(Path(name))
    table = reduce(merged, tables)
    for study in (table.get("studies") or {}).values():
        _with_its_file(study.get("data") or {})
    write_atomic(FOLDER / paths.PARAMS, yaml.safe_dump(table, sort_keys=False).encode())
    write_atomic(FOLDER / COMMIT, provenance.commit().encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
