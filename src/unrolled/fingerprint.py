"""What a result depends on, as one hash: rows, data, the source that computed it, and the libraries it ran on."""

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from unrolled import registry
from unrolled.errors import UnrolledError
from unrolled.files import read_sealed, sha256, write_sealed

LIBRARIES = ("numba", "numpy", "scipy", "torch")
FILE = "fingerprint"
"""In a folder of results: the hash of what they depend on, and the checksum of each file."""


@functools.cache
def _library(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


@functools.cache
def _content(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@functools.cache
def of_sources(*files: Path) -> str:
    """Return the hash of the files and of all of this package that they import, directly or not."""
    content = {str(file.relative_to(registry.ROOT)): _content(file) for file in registry.sources(*files)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@functools.cache
def of_content(file: Path) -> str:
    """Return the hash of what a file and all of this package that it imports hold, wherever they lie."""
    return hashlib.sha256("".join(map(_content, registry.sources(file))).encode()).hexdigest()


def of(rows: Any, files: tuple[Path, ...], libraries: tuple[str, ...] = LIBRARIES) -> str:
    """Return the hash of rows (anything that JSON knows), of the closure of some files, and of library versions."""
    parts = {"rows": rows, "sources": of_sources(*files), "libraries": {name: _library(name) for name in libraries}}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def write(folder: Path, mark: str, results: Iterable[Path]) -> None:
    """Say of what fingerprint the results in a folder are, and what each file holds; when they are all there."""
    found = {os.path.relpath(path, folder): sha256(path) for path in sorted(results)}
    write_sealed(folder / FILE, {"fingerprint": mark, "files": found})


def check(folder: Path, remedy: str) -> str:
    """Return the fingerprint of the results in a folder.

    Raises
    ------
    UnrolledError
        If a file is missing, damaged, or not as it was written; it names the remedy.
    """
    known = read_sealed(folder / FILE, remedy)
    for name, content in known["files"].items():
        path = Path(os.path.normpath(folder / name))
        if not path.is_file():
            raise UnrolledError(f"{path} is missing: {remedy}")
        if sha256(path) != content:
            raise UnrolledError(f"{path} is damaged or was changed by hand: {remedy}")
    return str(known["fingerprint"])


def kept(folder: Path, mark: str) -> bool:
    """Return whether the results in a folder are whole, and of this fingerprint."""
    try:
        return check(folder, "") == mark
    except UnrolledError:
        return False
