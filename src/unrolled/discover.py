"""Items are found by their place: a file in the folder of its kind is the item of that name."""

import difflib
import importlib
from pathlib import Path
from typing import Any

from unrolled.errors import UnrolledError

ROOT = Path(__file__).parent


def names(kind: str) -> list[str]:
    """Return the names of all items of one kind, sorted (`names("cells")`)."""
    return sorted(path.stem for path in (ROOT / kind).glob("*.py") if not path.stem.startswith("_"))


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


def load(kind: str, name: str) -> Any:
    """Return the item: the one public class its file defines, or else the module itself.

    Raises
    ------
    UnrolledError
        If there is no such item; the message lists the known ones.
    """
    if name not in names(kind):
        raise unknown(f"{kind.removesuffix('s')}", name, names(kind))
    module = importlib.import_module(f"unrolled.{kind}.{name}")
    classes = [
        value
        for key, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not key.startswith("_")
    ]
    return classes[0] if len(classes) == 1 else module
