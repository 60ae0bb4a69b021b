"""What a result depends on, as one hash: rows, data, the source that computed it, and the libraries it ran on."""

import functools
import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from unrolled import registry
from unrolled.files import write_atomic

LIBRARIES = ("numba", "numpy", "scipy", "torch")
FILE = "fingerprint"
"""In a folder of results: the hash of what they depend on."""


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


def write(folder: Path, mark: str) -> None:
    """Say of what fingerprint the results in a folder are; to be called when they are all there."""
    write_atomic(folder / FILE, f"{mark}\n".encode())


def kept(folder: Path, mark: str) -> bool:
    """Return whether the results in a folder are of this fingerprint."""
    return (folder / FILE).exists() and (folder / FILE).read_text().strip() == mark
