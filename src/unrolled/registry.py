"""Items are found by their place: a file in the folder of its kind is the item of that name."""

import difflib
import dis
import functools
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from pydantic import BaseModel, ConfigDict

from unrolled.errors import UnrolledError

ROOT = Path(__file__).parent
KINDS = {
    "systems": "data.systems",
    "records": "data.records",
    "tasks": "data.tasks",
    "cells": "models.cells",
    "initialisers": "models.initialisers",
    "optimisers": "training.optimisers",
    "scores": "analysis.scores",
    "claims": "analysis.claims",
    "figures": "report.figures",
    "stages": "stages",
}
"""The folder of each kind, as a package below `unrolled`."""
PLUMBING = {
    "__init__.py",
    "config.py",
    "environment.py",
    "errors.py",
    "explain.py",
    "files.py",
    "fingerprint.py",
    "lifetime.py",
    "paths.py",
    "processes.py",
    "registry.py",
    "yaml_file.py",
}
"""What reads names, rows and paths, knows what has changed, or starts processes, and computes no number."""


class Settings(BaseModel):
    """Settings of an item: typed, unknown ones are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Item:
    """What every kind's contract builds on: an item with typed settings."""

    class Settings(Settings):
        """None, unless an item declares some."""

    def __init__(self, **settings: Any) -> None:
        self.settings: Any = self.Settings(**settings)


def folder(kind: str) -> Path:
    """Return the folder that holds the items of one kind."""
    return ROOT / KINDS[kind].replace(".", "/")


def path(kind: str, name: str) -> Path:
    """Return the file of an item."""
    return folder(kind) / f"{name}.py"


def names(kind: str) -> list[str]:
    """Return the names of all items of one kind, sorted (`names("cells")`)."""
    with os.scandir(folder(kind)) as entries:  # many times as fast as a glob
        files = [Path(entry.name) for entry in entries if entry.name.endswith(".py")]
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def unknown(what: str, name: str, known: list[str]) -> UnrolledError:
    """Return the error for a name that is not known, with the nearest known one."""
    near = difflib.get_close_matches(name.rpartition(".")[2], known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    shown = name[:80] if name.isprintable() else repr(name[:80])
    return UnrolledError(f"{what} '{shown}' is not known{hint} Known: {', '.join(known) or 'none'}")


def load(kind: str, name: str, place: str = "") -> Any:
    """Return the item: the one public class that its file defines (a stage is its module).

    Raises
    ------
    UnrolledError
        If there is no such item (the message lists the known ones), or its file defines no class, or several.
    """
    if name not in names(kind):
        raise unknown(f"{place}{kind.removesuffix('s')}", name, names(kind))
    module = importlib.import_module(f"unrolled.{KINDS[kind]}.{name}")
    if kind == "stages":
        return module
    own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
    public = [each for each in own if not each.__name__.startswith("_")]
    if len(public) != 1:
        found = ", ".join(each.__name__ for each in public) or "none"
        raise UnrolledError(f"{path(kind, name)} must define one public class, the item; it defines {found}")
    return public[0]


def settings_of(kind: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return those of the given settings that an item declares."""
    declared = load(kind, name).Settings.model_fields
    return {key: value for key, value in given.items() if key in declared}


def make(kind: str, name: str, given: dict[str, Any] | None = None) -> Any:
    """Return the item, made with those of the given settings that it declares."""
    return load(kind, name)(**settings_of(kind, name, given or {}))


@functools.cache
def imports(file: Path) -> frozenset[Path]:
    """Return the files of this package that a file imports by a statement anywhere in it, their packages included."""
    modules = set()
    for name, level, names in _imported(compile(file.read_bytes(), str(file), "exec", dont_inherit=True)):
        above = file.relative_to(ROOT.parent).parts[:-level] if level else ()
        module = ".".join([*above, *([name] if name else [])])
        modules |= {module, *(f"{module}.{each}" for each in names)}
    parts = [module.split(".") for module in modules if module.split(".")[0] == ROOT.name]
    own = {ROOT.parent.joinpath(*each[:length]) for each in parts for length in range(1, len(each) + 1)}
    found = (each / "__init__.py" if each.is_dir() else each.with_suffix(".py") for each in own)
    return frozenset(each for each in found if each.is_file())


def _imported(code: CodeType) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Yield module, level and names of each import in compiled code.

    `ast.parse` would do, but in CPython 3.11 it may fail where two threads call it at once (its issue 106905).
    """
    before: list[Any] = [0, ()]
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, names = before[-2:]
            yield instruction.argval, level, names or ()
        before.append(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _imported(constant)


def sources(*files: Path) -> list[Path]:
    """Return the files and all of this package that they import, directly or not, sorted; the plumbing ends a path."""
    closure, todo = set(), list(files)
    while todo:
        file = todo.pop()
        if file not in closure and not (file.parent == ROOT and file.name in PLUMBING):
            closure.add(file)
            todo.extend(imports(file))
    return sorted(closure)
