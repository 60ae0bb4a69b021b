"""Files written whole or not at all, JSON that is read with one clear error, and hashes. Imports nothing heavy."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from unrolled.errors import UnrolledError


def write_atomic(path: Path, content: bytes) -> None:
    """Write to a temporary name, then rename, so that a half-written file is never taken for whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


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
