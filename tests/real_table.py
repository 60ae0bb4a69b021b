"""The real table, and copies of it, with the studies of the larger ones, in which some keys are changed."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from unrolled.full import project as full

PATH = Path(__file__).parents[1] / "params.yaml"
RAW = yaml.safe_load(PATH.read_text(encoding="utf-8"))
LARGER = [yaml.safe_load(PATH.with_name(f"{name}.yaml").read_text(encoding="utf-8")) for name in ("full", "beyond")]
FULL = full.merged(RAW, LARGER[0])
ALL = full.merged(FULL, LARGER[1])
ALL["studies"] = {name: row for name, row in ALL["studies"].items() if not name.endswith(full.AGAIN)}
DELETED = object()
"""As a value: the key is to go."""


def edited(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the table of all studies with some keys changed (`a.b.c: value`), added or deleted."""
    raw: dict[str, Any] = deepcopy(ALL)
    for key, value in changes.items():
        *parents, last = key.split(".")
        row = raw
        for parent in parents:
            row = row[parent]
        if value is DELETED:
            del row[last]
        else:
            row[last] = value
    return raw
