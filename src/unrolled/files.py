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

SEAL = "checksum"
"""The key of a sealed file's checksum."""


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
        raise UnrolledError(f"{path} is damaged: {remedy}") from None


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with a checksum of itself, by which `read_sealed` knows what nobody has changed."""
    write_json(path, content | {SEAL: _seal(content)})


def read_sealed(path: Path, remedy: str) -> dict[str, Any]:
    """Return what `write_sealed` wrote; a file that is missing, damaged or changed is an error with the remedy."""
    content = read_json(path, remedy)
    if not isinstance(content, dict) or content.pop(SEAL, None) != _seal(content):
        raise UnrolledError(f"{path} is damaged or was changed by hand: {remedy}")
    return content


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, allow_nan=False).encode()).hexdigest()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
