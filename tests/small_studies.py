"""The studies of `params.yaml` and `full.yaml`, each made small by the same rule: a new row needs no line here."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import real_table
from unrolled import config
from unrolled.config import DataRow, Table

ROOT = Path(__file__).parents[1]
TABLE: Table = config.Table.model_validate(real_table.ALL)
LONGEST = {"steps": 24, "horizon": 8, "val_horizon": 8, "transient": 20.0, "free_run": 300, "shortest": 12}
"""Of a task's own keys."""
SEQUENCES = {"train": 48, "val": 8, "test": 6}
SAMPLES = {"train": 300, "val": 100, "test": 120}
"""Of a record, whose splits are cut into windows."""


def shrunk(row: DataRow) -> DataRow:
    """Return a study's data with few and short sequences; a record keeps its columns, in the file `made_up.csv`."""
    limits = {key: min(row.settings[key], most) for key, most in LONGEST.items() if row.settings.get(key)}
    sizes: dict[str, Any] = {"window": row.window and min(row.window, 6), "washout": min(row.washout, 7), "seed": 5}
    sizes |= SEQUENCES if row.record is None else SAMPLES
    if row.record is not None:
        sizes["record"] = row.record.model_copy(update={"source": "csv", "file": "made_up.csv"})
    return row.model_copy(update=sizes | {"settings": row.settings | limits})


def study(name: str, **changes: Any) -> DataRow:
    """Return the data of a study of the table, small; with changes, of which unknown ones belong to the task."""
    row = shrunk(TABLE.study(name).data)
    own = {key: value for key, value in changes.items() if key not in DataRow.model_fields}
    rest = {key: value for key, value in changes.items() if key in DataRow.model_fields}
    return DataRow.model_validate(row.model_dump() | rest | {"settings": row.settings | own})


def studies_of(task: str) -> list[str]:
    """Return the names of the studies that put a task."""
    return [name for name, row in TABLE.studies.items() if row.data.task == task]


TASKS = sorted({row.data.task for row in TABLE.studies.values()})
"""That a study of the table puts; what only a published protocol needs is in `test_literature.py`."""


def write_record(folder: Path) -> pd.DataFrame:
    """Write `made_up.csv` with every column of every record of the table, of a driven decay; return it."""
    records = [row.data.record for row in TABLE.studies.values() if row.data.record is not None]
    inputs = sorted({name for record in records for name in record.inputs})
    outputs = sorted({name for record in records for name in record.outputs})
    random, count = np.random.default_rng(0), sum(SAMPLES.values())
    columns = {name: random.normal(3.0, 2.0, count) for name in inputs}
    force = np.sum(list(columns.values()), axis=0) if columns else random.normal(size=count)
    for k, name in enumerate(outputs):
        line = np.zeros(count)
        for t in range(1, count):
            line[t] = 0.8 * line[t - 1] + force[t] + 0.1 * random.normal() + k
        columns[name] = line
    frame = pd.DataFrame(columns)
    frame.to_csv(folder / "made_up.csv", index=False)
    return frame
