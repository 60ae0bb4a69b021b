"""A table of a few small studies, one a task, and methods that train in a moment."""

from pathlib import Path
from typing import Any

import yaml

import real_table
import small_studies
from unrolled import registry
from unrolled.config import Table

METHODS = ("rnn", "linear", "esn", "gru_autoregressive")
"""Of the real table: by gradients, by regression, a reservoir, on its own output."""
SIZES = {"rnn": {"hidden": 3}, "esn": {"hidden": 8}, "gru_autoregressive": {"hidden": 3}}


def raw(*tasks: str) -> dict[str, Any]:
    """Return the table as YAML holds it, of the first study of each task, or of some tasks."""
    table = real_table.ALL
    studies = {}
    for task in tasks or small_studies.TASKS:
        name = small_studies.studies_of(task)[0]
        row = small_studies.study(name).model_dump(exclude={"seed", "settings"}, exclude_none=True)
        if row.get("system") is None:
            del row["parameters"]
        columns = ["gru_autoregressive"] if task == "simulation" else []
        baselines = ["linear", "esn"] if registry.load("tasks", task).loss == "mean_square" else []
        studies[name] = table["studies"][name] | {
            "data": row | small_studies.study(name).settings,
            "fit": {"epochs": 2, "batch": 8, "seeds": 2, "learning_rates": [1.0e-2]},
            "methods": ["rnn", *baselines, *columns],
        }
    methods = {name: dict(table["methods"][name]) | SIZES.get(name, {}) for name in METHODS}
    for row in methods.values():
        row.pop("compare_with", None)
    return table | {"studies": studies, "methods": methods, "groups": {}}


def table(*tasks: str) -> Table:
    """Return the same, validated."""
    return Table.model_validate(raw(*tasks))


def write(folder: Path, *tasks: str) -> None:
    """Write `params.yaml`, and the record that it names."""
    (folder / "params.yaml").write_text(yaml.safe_dump(raw(*tasks), sort_keys=False), encoding="utf-8")
    small_studies.write_record(folder)
