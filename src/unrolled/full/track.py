"""`unrolled track --published`: the records of the published study in MLflow, a run and a model of each."""

from collections.abc import Callable
from typing import Any

from mlflow.entities import Param, RunTag
from mlflow.tracking import MlflowClient

from unrolled import paths
from unrolled.analysis import record
from unrolled.analysis.record import Record
from unrolled.data import datasets
from unrolled.errors import UnrolledError
from unrolled.files import sha256
from unrolled.report.results import of_published
from unrolled.training import champion, mlflow_store
from unrolled.training.tracking import FINISHED, metric, note, now, source

PREFIX = "published"
NUMBERS = {"test/score": "score", "test/rank": "rank", "val/best_loss": "val_loss", "val/best_epoch": "best_epoch"}
NUMBERS |= {"cost/weights": "parameters", "diverged": "diverged"}
"""What MLflow shows of a method, and its name in metrics.json."""


def track(studies: list[str], show: Callable[[str], None]) -> dict[str, int]:
    """Log what the store lacks of the published study, or of some of its studies; return how many runs each has.

    Raises
    ------
    UnrolledError
        If there are no records, or none of a study, or the store does not answer.
    """
    records, metrics = record.read_all(paths.RECORDS), {each.name: each.metrics for each in of_published().studies}
    if missing := [name for name in studies if name not in records]:
        raise UnrolledError(f"the published study has no records of {', '.join(missing)}; it has {', '.join(records)}")
    client, found = mlflow_store.connect(), {}
    for study in studies or records:
        rows = metrics.get(study, {}).get("methods", {})
        found[study] = _study(client, study, records[study], rows, show)
    return found


def _study(
    client: MlflowClient, study: str, records: dict[str, Record], rows: dict[str, Any], show: Callable[[str], None]
) -> int:
    about = f"The published study: `{paths.FULL / 'index.html'}` (section *{study}*)."
    experiment = mlflow_store.open_experiment(client, f"{PREFIX}/{study}", about)
    there = {each.data.tags.get("record") for each in mlflow_store.search(client, experiment, FINISHED)}
    example = None
    for done, (name, own) in enumerate(records.items(), 1):
        show(f"published {study}: {done} of {len(records)} · {name}")
        mark = sha256(own.path)
        if mark in there:
            continue
        logged = _run(client, experiment, own, own.row | rows.get(name, {}), mark)
        if own.has_model:
            predictor = own.predictor()
            example = datasets.make(predictor.row).example if example is None else example
            champion.log(client, logged, predictor, example)
        client.set_terminated(logged.info.run_id, end_time=now())
    return len(records)


def _run(client: MlflowClient, experiment: str, own: Record, row: dict[str, Any], mark: str) -> Any:
    """Log the numbers, the curves and the file of one record."""
    numbers, stamp = own.numbers, now()
    tags = {
        "mlflow.runName": own.method,
        "mlflow.note.content": note(row["label"], row["about"]),
        **source("unrolled track --published", str(numbers["commit"])),
        **{"study": own.study, "method": own.method, "kind": "published", "cell": row["cell"]},
    }
    logged = client.create_run(experiment, stamp, tags)
    metrics = [metric(key, float(row[name]), stamp) for key, name in NUMBERS.items() if row.get(name) is not None]
    if numbers["seconds"] is not None:
        metrics.append(metric("cost/seconds", numbers["seconds"], stamp))
    table = own.tables()["curves"]
    losses = {kind: table[table["loss"] == kind] for kind in ("train", "val")} if len(table) else {}
    for kind, part in losses.items():
        pairs = zip(part["median"], part["epoch"], strict=True)
        metrics += [metric(f"{kind}/loss", float(loss), stamp, int(epoch)) for loss, epoch in pairs]
    rows = {kind: each for kind, each in numbers["asked"].items() if isinstance(each, dict)}
    params = {f"{kind}.{key}": str(value) for kind, each in rows.items() for key, value in each.items()}
    client.log_batch(logged.info.run_id, metrics, [Param(*each) for each in params.items()], [RunTag("record", mark)])
    client.log_artifact(logged.info.run_id, str(own.path))
    return logged
