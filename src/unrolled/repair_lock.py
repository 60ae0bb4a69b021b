"""`python -m unrolled.repair_lock`: see to it that DVC starts: remove what a kill cut off, and do without git.

Without `dvc.lock` it finds what is there, and finished methods are kept. What git left of a merge is no such thing: it
stays, with a word.
"""

import io
import json
import re
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import yaml

from unrolled import lifetime
from unrolled.errors import UnrolledError, one_line
from unrolled.files import write_atomic

LOCK = Path("dvc.lock")
MERGED = rb"^(<<<<<<<|>>>>>>>)( |$)"
"""What git writes around either side of a merge that it leaves to be settled."""
IN_USE = Path(".dvc/tmp/rwlock")
"""Which process reads and writes which path."""
LOCAL = Path(".dvc/config.local")


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


def _do_without_git() -> None:
    """Tell DVC that there is no git here, as in an unpacked archive; else it refuses to start."""
    here = Path.cwd()
    if any((each / ".git").exists() for each in (here, *here.parents)):
        return
    settings = ConfigParser()
    settings.read(LOCAL)
    known = settings["core"] if settings.has_section("core") else {}
    if known.get("no_scm") != "true":
        settings["core"] = {**known, "no_scm": "true"}
        text = io.StringIO()
        settings.write(text)
        write_atomic(LOCAL, text.getvalue().encode())
        print(f"no git here: DVC does without it ({LOCAL})")


@one_line
def main() -> None:
    """Remove each of the two files if it is damaged; see to it that DVC starts without git."""
    if LOCK.exists() and re.search(MERGED, LOCK.read_bytes(), re.MULTILINE):
        raise UnrolledError(
            f"{LOCK} holds both sides of a merge (<<<<<<< and >>>>>>>): take one, `git checkout --ours {LOCK}`, "
            "or delete it; then run `dvc repro`"
        )
    _do_without_git()
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
