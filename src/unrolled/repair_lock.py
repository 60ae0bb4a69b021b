"""`python -m unrolled.repair_lock`: remove what DVC was writing when it was killed, and cannot read again.

Without it `dvc repro` refuses to start. Without `dvc.lock` it finds what is there, and finished methods are kept.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from unrolled import lifetime

LOCK = Path("dvc.lock")
IN_USE = Path(".dvc/tmp/rwlock")
"""Which process reads and writes which path."""


def whole(lock: Any) -> bool:
    """Return whether every stage of a lock has its command and every file its hash."""
    if not isinstance(lock, dict) or "schema" not in lock or not isinstance(lock.get("stages"), dict):
        return False
    stages = lock["stages"].values()
    if not all(isinstance(stage, dict) and "cmd" in stage for stage in stages):
        return False
    files = [entry for stage in stages for kind in ("deps", "outs") for entry in stage.get(kind) or [None]]
    return all(isinstance(entry, dict) and {"path", "md5"} <= entry.keys() for entry in files)


def _lock() -> Any:
    try:
        return yaml.load(LOCK.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def main() -> None:
    """Remove each of the two files if it is damaged."""
    if LOCK.exists() and not whole(_lock()):
        LOCK.unlink()
        print(f"{LOCK} was cut off, as when a run is killed: it is made anew; finished methods are kept")
    try:
        json.loads(IN_USE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        IN_USE.unlink()


if __name__ == "__main__":
    lifetime.begin("unrolled.repair_lock")
    main()
