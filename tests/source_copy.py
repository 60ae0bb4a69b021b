"""A copy of the source to change, for tests of what depends on which file."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from unrolled import fingerprint, registry

PACKAGE = registry.ROOT


def forget() -> None:
    """Forget what was read of the source."""
    for cached in (registry.imports, fingerprint._content, fingerprint.of_sources, fingerprint._library):
        cached.cache_clear()


def copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a copy of the source, of which fingerprints are taken from now on."""
    copy = folder / "src" / "unrolled"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(registry, "ROOT", copy)
    forget()
    yield copy
    forget()


def edit(file: Path, text: str = "\n# changed\n") -> None:
    """Add to a source file, and forget what was read."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(text)
    forget()
