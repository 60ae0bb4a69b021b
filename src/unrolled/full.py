"""`make full`: the same pipeline with what `full.yaml` changes in the table, in a folder of its own.

The folder keeps what is finished, so that `make full` goes on where the last sitting stopped; it runs its own copy of
the code.
"""

from pathlib import Path
from typing import Any

import yaml

from unrolled import errors, lifetime, paths, yaml_file
from unrolled.files import write_atomic

FOLDER, CHANGES = Path("full"), Path("full.yaml")
PROJECT = (
    "dvc.yaml",
    ".dvc/config",
    ".dvc/plots",
    ".dvcignore",
    "pyproject.toml",
    "requirements.lock",
    "src",
    "data/measured",
    "reports/full",
    "reports/literature",
)
"""What the pipeline reads, the user's own tables with it; whether git tracks it does not matter."""
WITHOUT_GIT = "[core]\n    no_scm = true\n"
"""For DVC: the folder is no repository of its own."""


def merged(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return the table with the changes, key by key at every depth."""
    both = dict(table)
    for key, value in changes.items():
        old = table.get(key)
        both[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


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
def main() -> None:
    """Copy the project to `full/`, without its results, and write the larger table there."""
    lifetime.begin("unrolled.full")
    tables = [yaml_file.read(path) for path in (paths.PARAMS, CHANGES)]
    for name in PROJECT:
        _copy(Path(name))
    table = merged(*tables)
    for study in (table.get("studies") or {}).values():
        _with_its_file(study.get("data") or {})
    write_atomic(FOLDER / paths.PARAMS, yaml.safe_dump(table, sort_keys=False).encode())
    write_atomic(FOLDER / ".dvc" / "config.local", WITHOUT_GIT.encode())


if __name__ == "__main__":
    main()
