"""`make full`: the same pipeline with what `full.yaml` changes in the table, in a folder of its own.

The folder keeps what is finished, so that `make full` goes on where the last sitting stopped; it runs its own copy of
the code.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from unrolled import errors, lifetime, paths

FOLDER, CHANGES = Path("full"), Path("full.yaml")


def merged(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return the table with the changes, key by key at every depth."""
    both = dict(table)
    for key, value in changes.items():
        old = table.get(key)
        both[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _git(*arguments: str, folder: Path = Path()) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@errors.one_line
def main() -> None:
    """Copy the project to `full/`, without its results, and write the larger table there."""
    lifetime.begin("unrolled.full")
    for name in _git("ls-files", "-co", "--exclude-standard").splitlines():
        ours = name == "dvc.lock" or (name.startswith("reports/") and not name.startswith("reports/full/"))
        if not ours and Path(name).is_file():
            target = FOLDER / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists() or target.read_bytes() != Path(name).read_bytes():
                shutil.copy2(name, target)
    tables = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (paths.PARAMS, CHANGES))
    (FOLDER / paths.PARAMS).write_text(yaml.safe_dump(merged(*tables), sort_keys=False), encoding="utf-8")
    if not (FOLDER / ".git").exists():
        _git("init", "-q", folder=FOLDER)


if __name__ == "__main__":
    main()
