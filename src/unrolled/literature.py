"""`make literature`: train the rows of `literature.yaml`, which follow published protocols, and keep records of them.

They are no part of the default run. Each study has a folder below `literature/`; what is finished is kept, so that a
stopped run goes on. A record says what came of a study, and how: scores by seed, rows, versions, commit, date, cost.
"""

import json
import sys
from pathlib import Path
from typing import Any

from unrolled import errors, lifetime, paths, provenance, registry, run_study
from unrolled.config import Experiment
from unrolled.data import store
from unrolled.errors import UnrolledError
from unrolled.files import write_json
from unrolled.training import results, workers
from unrolled.training.runs import Run
from unrolled.training.table import Checked, check

TABLE, FOLDER = Path("literature.yaml"), Path("literature")
KEPT = ("label", "family", "hidden", "parameters", "seeds", "score", "interval", "tests", "updates", "learning_rate")
"""What a record says of a method, as metrics.json does."""


def table() -> Checked:
    """Return the table, checked.

    Raises
    ------
    UnrolledError
        If anything is wrong with it.
    """
    found = check(TABLE)
    if found.table is None or found.problems:
        raise UnrolledError("\n".join(found.problems))
    return found


def record(own: Experiment, commit: str) -> dict[str, Any] | str:
    """Return what came of a study, from the folder that one stands in; or why it was not run."""
    if (reason := store.not_run(own.name)) is not None:
        return reason
    metrics = json.loads((paths.evaluated(own.name) / "metrics.json").read_text(encoding="utf-8"))[own.name]
    if "not_run" in metrics:
        raise UnrolledError(f"{own.name}: {metrics['not_run']}")
    facts = ("label", "score", "score_label", "unit", "better", "test_label")
    rows = {}
    for name, row in metrics["methods"].items():
        cost = results.seconds(Run(own, name))
        rows[name] = {key: row.get(key) for key in KEPT} | {"fit_seconds": None if cost is None else round(cost, 1)}
    return {
        **{key: metrics[key] for key in facts},
        "tests": metrics["tests"],
        "methods": rows,
        "experiment": own.model_dump(exclude={"absent"}, exclude_defaults=True),
        **provenance.about(commit),
    }


@errors.one_line
def main(wanted: list[str]) -> None:
    """Run the studies that are named, or all, and write a record of each."""
    lifetime.begin("unrolled.literature")
    workers.preload()
    found, commit, target = table(), provenance.commit(), paths.LITERATURE.resolve()
    assert found.table is not None
    experiments = {each.name: each for each in found.experiments}
    for name in wanted:
        if name not in experiments:
            raise registry.unknown(f"study of {TABLE}", name, list(experiments))
    for name in wanted or experiments:
        with run_study.evaluated(experiments[name], found.table.methods, (FOLDER / name).resolve()):
            made = record(experiments[name], commit)
        if isinstance(made, str):
            print(f"{name}: not run: {made}")
        else:
            write_json(target / f"{name}.json", made)
            print(f"literature: {paths.LITERATURE / name}.json")


if __name__ == "__main__":
    main(sys.argv[1:])
