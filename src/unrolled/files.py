"""Files written whole or not at all, JSON that is read with one clear error, and hashes. Imports nothing heavy."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from unrolled.errors import FullError, UnrolledError


def write_atomic(path: Path, content: bytes) -> None:
    """Write to a temporary name, then rename, so that a half-written file is never taken for whole.

    Raises
    ------
    UnrolledError
        If it cannot be written, as where the disk is full: it says how much is free.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise unwritten(path, error) from None


def unwritten(path: Path, error: OSError) -> UnrolledError:
    """Return the error of a file that cannot be written, with the remedy; a full disk's says how much is free."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        there = next(each for each in path.absolute().parents if each.exists())
        free = shutil.disk_usage(there).free / 1e6
        return FullError(f"{path} cannot be written: {reason}, {free:.1f} MB free: free some, and run the same again")
    return UnrolledError(f"{path} cannot be written: {reason}: make it writable, or work in a folder of your own")


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON, sorted as given, atomically; NaN is not JSON and so an error."""
    write_atomic(path, (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path, remedy: str) -> Any:
    """Return what a JSON file holds; a missing or damaged one is an error that names the remedy."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnrolledError(f"{path} is missing: {remedy}") from None
    except ValueError:
        raise UnrolledError(f"{path} is damaged: delete it and {remedy}") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
