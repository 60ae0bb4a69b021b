"""`python -m unrolled.repair_lock`: remove a `dvc.lock` that was cut off when DVC was killed while writing it.

Without it `dvc repro` refuses to start; with none it finds what is there, and finished methods are kept.
"""

from pathlib import Path
from typing import Any

import yaml

LOCK = Path("dvc.lock")


def whole(lock: Any) -> bool:
    """Return whether every stage of a lock has its command and every file its hash."""
    if not isinstance(lock, dict) or "schema" not in lock or not isinstance(lock.get("stages"), dict):
        return False
    stages = lock["stages"].values()
    if not all(isinstance(stage, dict) and "cmd" in stage for stage in stages):
        return False
    files = [entry for stage in stages for kind in ("deps", "outs") for entry in stage.get(kind) or [None]]
    return all(isinstance(entry, dict) and {"path", "md5"} <= entry.keys() for entry in files)


def main() -> None:
    """Remove the lock if it is damaged."""
    try:
        lock = yaml.load(LOCK.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except FileNotFoundError:
        return
    except (yaml.YAMLError, UnicodeDecodeError):
        lock = None
    if not whole(lock):
        LOCK.unlink()
        print(f"{LOCK} was cut off, as when a run is killed: it is made anew; finished methods are kept")


if __name__ == "__main__":
    main()
