"""Items are found by their place: a file in the folder of its kind is the item of that name."""

import difflib
import importlib
from pathlib import Path
from typing import Any

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


def folder(kind: str) -> Path:
    """Return the folder that holds the items of one kind."""
    return ROOT / KINDS[kind].replace(".", "/")


def path(kind: str, name: str) -> Path:
    """Return the file of an item."""
    return folder(kind) / f"{name}.py"


def names(kind: str) -> list[str]:
    """Return the names of all items of one kind, sorted (`names("cells")`)."""
    return sorted(file.stem for file in folder(kind).glob("*.py") if not file.stem.startswith("_"))


def options(kind: str, name: str) -> dict[str, float]:
    """Return the settings that an item declares, with their defaults: a class in `options`, a module in `OPTIONS`."""
    item = load(kind, name)
    declared: dict[str, float] = getattr(item, "options", None) or getattr(item, "OPTIONS", {})
    return declared


def unknown(what: str, name: str, known: list[str]) -> UnrolledError:
    """Return the error for a name that is not known, with the nearest known one."""
    near = difflib.get_close_matches(name.rpartition(".")[2], known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return UnrolledError(f"{what} '{name}' is not known{hint} Known: {', '.join(known)}")


def check(kind: str, name: str, place: str = "") -> None:
    """Refuse a name that is no item of its kind.

    Raises
    ------
    UnrolledError
        If there is no such item; the message lists the known ones.
    """
    if name not in names(kind):
        raise unknown(f"{place}{kind.removesuffix('s')}", name, names(kind))


def load(kind: str, name: str) -> Any:
    """Return the item: the one public class its file defines, or else the module itself."""
    check(kind, name)
    module = importlib.import_module(f"unrolled.{KINDS[kind]}.{name}")
    classes = [
        value
        for key, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not key.startswith("_")
    ]
    return classes[0] if len(classes) == 1 else module
