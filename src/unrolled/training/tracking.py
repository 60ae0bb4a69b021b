"""MLflow, a view of the files: what ran, how it was trained, which model is best.

It stands beside the pipeline. A store that cannot be used is an error before any training; one that fails later costs
neither a result nor much time: what it missed is logged when it answers again, or by `unrolled track`.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from unrolled import paths, provenance
from unrolled.data import store
from unrolled.errors import UnrolledError
from unrolled.training import mlflow_faults, mlflow_store, results
from unrolled.training.runs import Array, Hyperparameters, Result, Run
from unrolled.training.workers import Done

POINTS = 100
"""Of a curve, at most about so many are logged; MLflow takes 1000 numbers in one batch."""
ENDLESS = 1e30
"""What stands for infinity, which MLflow does not show."""
FINISHED = "attributes.status = 'FINISHED'"
TRAINED_BY = "python -m unrolled.stages train"
PAUSE = 60.0
"""Seconds after a failure in which nothing is tried."""


def connect() -> "Tracker":
    """Return a tracker on the store.

    Raises
    ------
    UnrolledError
        If the store does not answer or cannot be written.
    """
    return Tracker(mlflow_store.connect())


def now() -> int:
    """Return the time as MLflow has it."""
    return int(time.time() * 1000)


def note(label: str, about: str) -> str:
    """Return what stands beside the run of a method."""
    return f"{label}. {about}".rstrip(". ")


def source(name: str, commit: str) -> dict[str, str]:
    """Return the tags that say where a run comes from, and whose it is."""
    return {
        "mlflow.source.name": name,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
        "mlflow.user": mlflow_store.user(),
        "owner": mlflow_store.owner(),
    }


class Tracker:
    """All writing to the store; a failure is said once, and tried again after a pause."""

    def __init__(self, client: MlflowClient) -> None:
        self.client, self.broken, self.spent, self.silent_until = client, False, 0.0, 0.0
        self.experiments: dict[str, str] = {}

    @functools.cached_property
    def commit(self) -> str:
        """The commit that runs, read once."""
        return provenance.head() or "unknown"

    def guarded(self, action: Callable[[], Any]) -> Any:
        """Run one write, so that a failing store costs no result, and one that does not answer little time."""
        if time.monotonic() < self.silent_until:
            return None
        begun = time.perf_counter()
        try:
            found = action()
        except UnrolledError:
            raise
        except Exception as error:  # of MLflow, of its database, of the network, of the disk
            self._failed(error)
            return None
        finally:
            self.spent += time.perf_counter() - begun
        if self.broken:
            self.broken = False
            print("unrolled: MLflow answers again; what it missed is logged at the end of training")
        return found

    def _failed(self, error: Exception) -> None:
        if not self.broken:
            reason, remedy = mlflow_faults.of(error, mlflow_store.named())
            print(
                f"unrolled: MLflow failed ({reason}): {remedy}; results are kept, and logged when it works again, "
                "or by `unrolled track`"
            )
        self.broken, self.silent_until = True, time.monotonic() + PAUSE
        self.experiments.clear()  # so that what is half written now is closed then

    def experiment(self, run: Run) -> str:
        """Return the id of a study's experiment, made if need be."""
        if run.study not in self.experiments:
            note = f"{run.experiment.question}\n\nThe comparison: `{paths.INDEX}` (section *{run.study}*)."
            self.experiments[run.study] = mlflow_store.open_experiment(self.client, run.study, note)
        return self.experiments[run.study]

    def _search(self, experiment: str, condition: str) -> list[Any]:
        return mlflow_store.search(self.client, experiment, condition)

    def log(self, done: Done) -> None:
        """Write a finished run: parameters, data, curves of the chosen replicas, what training cost."""
        self.guarded(lambda: self._log(done.run, done.result, done.begun, done.seconds))

    def _log(self, run: Run, result: Result, begun: float, seconds: float | None) -> None:
        own, start = self.experiment(run), int(begun * 1000)
        end = start + int(1000 * (seconds or 0))
        tags = {
            "mlflow.runName": run.name,
            "mlflow.note.content": note(run.method.label, run.method.about),
            **source(TRAINED_BY, self.commit),
            "study": run.study,
            "method": run.name,
            "kind": "method",
            "system": run.experiment.data.system or ("measured" if run.experiment.data.record else "none"),
            "task": run.experiment.data.task,
            "cell": run.method.cell,
        }
        parent = self.client.create_run(own, start, tags).info.run_id
        self.client.log_inputs(parent, [DatasetInput(_dataset(run))])
        for replica in range(len(result.seeds)):
            self._replica(own, parent, run, result, replica, start, end)
        numbers = {
            "val/best_loss": float(np.median(result.best_loss[result.chosen])),
            "diverged": float(result.diverged.sum()),
            "cost/passes": float(result.passes @ [1, 1, 2]),
            "cost/weights": float(run.network().parameters),
            **({} if seconds is None else {"cost/seconds": seconds}),
        }
        if len(result.val_loss):
            best = result.val_loss[:, result.chosen].argmin(axis=0) + 1
            numbers["val/best_epoch"] = float(np.median(best))
        train, val = (np.median(each[:, result.chosen], axis=1) for each in (result.train_loss, result.val_loss))
        metrics = [metric(k, v, end) for k, v in numbers.items()] + _curves(train, val, end)
        mark = [RunTag("fingerprint", results.mark(run))]
        self.client.log_batch(parent, metrics, _params(run, result), mark)
        self.client.log_artifact(parent, str(results.path_of(run.study, run.name)))
        self.client.set_terminated(parent, end_time=end)

    def _replica(self, own: str, parent: str, run: Run, result: Result, replica: int, start: int, end: int) -> None:
        """Write one replica as a child of its method's run: its curves, and its hyperparameters."""
        seed, tried = int(result.seeds[replica]), run.hyperparameters[int(result.tried[replica])]
        chosen = _set(tried)
        tags = {"mlflow.parentRunId": parent, "mlflow.runName": f"{run.name} seed {seed} rate {tried.learning_rate:g}"}
        tags |= source(TRAINED_BY, self.commit) | {"kind": "replica", "chosen": str(replica in result.chosen).lower()}
        child = self.client.create_run(own, start, tags).info.run_id
        metrics = _curves(result.train_loss[:, replica], result.val_loss[:, replica], end)
        metrics += [metric("val/best_loss", result.best_loss[replica], end)]
        metrics += [metric("diverged", float(result.diverged[replica]), end)]
        params = [Param("seed", str(seed)), *(Param(key, value) for key, value in chosen.items())]
        self.client.log_batch(child, metrics, params)
        self.client.set_terminated(child, end_time=end)

    def complete(self, runs: list[Run]) -> bool:
        """Log what the store does not have yet, and register the champion of each study; return whether all is there.

        A store that failed before is tried once more, without a pause.
        """
        self.silent_until = 0.0
        for study in dict.fromkeys(run.study for run in runs):
            self.guarded(functools.partial(self._complete, [run for run in runs if run.study == study]))
        return not self.broken

    def models(self, runs: list[Run], show: Callable[[str], None] = lambda text: None) -> bool:
        """Log a model of each run that has none yet, of a store that is complete; return whether all are there."""
        for study in dict.fromkeys(run.study for run in runs):
            self.guarded(functools.partial(self._models, [run for run in runs if run.study == study], show))
        return not self.broken

    def _models(self, runs: list[Run], show: Callable[[str], None]) -> None:
        from unrolled.training import champion  # here, because models need PyTorch

        own = self.experiment(runs[0])
        logged = {each.data.tags.get("fingerprint"): each for each in reversed(self._methods(own))}
        for done, name in enumerate(champion.log_models(self.client, own, logged, runs), 1):
            show(f"models of {runs[0].study}: {done} of {len(runs)} · {name}")

    def _methods(self, experiment: str) -> list[Any]:
        """Return the finished runs of methods, the last first."""
        return self._search(experiment, f"tags.kind = 'method' and {FINISHED}")

    def _complete(self, runs: list[Run]) -> None:
        from unrolled.training import champion  # here, because models need PyTorch

        own = self.experiment(runs[0])
        there = {each.data.tags.get("fingerprint") for each in self._methods(own)}
        for run in runs:
            if results.mark(run) not in there:
                seconds = results.seconds(run)
                self._log(run, results.finished(run), results.ended(run) - (seconds or 0.0), seconds)
        trained = [run for run in runs if run.optimiser.trains]
        losses = [results.finished(run).loss for run in trained]
        if np.isfinite(lowest := min(losses, default=np.inf)):
            best = trained[losses.index(lowest)]
            [*_, logged] = self._search(own, f"tags.fingerprint = '{results.mark(best)}' and {FINISHED}")
            champion.register(self.client, logged, best)

    def log_scores(self, runs: list[Run], numbers: dict[str, dict[str, float | None]], tags: dict[str, str]) -> None:
        """Put the scores of a study's methods into their runs, and what the study is scored by into its experiment.

        Parameters
        ----------
        runs : list of Run
            Of one study.
        numbers : dict
            By method: `test/score`, `test/rank`, ...; what is None is left out.
        tags : dict
            Of the experiment: `score`, and which is `better`.
        """
        self.guarded(lambda: self._log_scores(runs, numbers, tags))

    def _log_scores(self, runs: list[Run], numbers: dict[str, dict[str, float | None]], tags: dict[str, str]) -> None:
        found = self.client.get_experiment_by_name(mlflow_store.experiment_name(runs[0].study))
        if found is None or found.lifecycle_stage == "deleted":
            return
        for key, value in tags.items():
            self.client.set_experiment_tag(found.experiment_id, key, value)
        logged = reversed(self._methods(found.experiment_id))
        by_mark = {each.data.tags.get("fingerprint"): each.info.run_id for each in logged}
        for run in runs:
            if own := by_mark.get(results.mark(run)):
                known = {key: value for key, value in numbers.get(run.name, {}).items() if value is not None}
                self.client.log_batch(own, [metric(key, value, now()) for key, value in known.items()])


def metric(name: str, value: float, stamp: int, step: int = 0) -> Metric:
    """Return a number as MLflow takes it, at a time and perhaps an epoch."""
    return Metric(name, float(np.nan_to_num(value, nan=ENDLESS, posinf=ENDLESS)), stamp, step)


def _curves(train: Array, val: Array, stamp: int) -> list[Metric]:
    """Return both losses by epoch, of long trainings about `POINTS` of each."""
    every = -(-len(val) // POINTS) or 1
    return [
        metric(name, float(curve[epoch - 1]), stamp, epoch)
        for name, curve in (("train/loss", train), ("val/loss", val))
        for epoch in sorted({*range(1, len(curve) + 1, every), *([len(curve)] if len(curve) else [])})
    ]


def _params(run: Run, result: Result) -> list[Param]:
    """Return the rows that a run was trained by, and the hyperparameters that were chosen."""
    row = {key: value for key, value in run.experiment.data.model_dump().items() if key != "settings"}
    rows = {"data": row | run.experiment.data.settings, "fit": run.experiment.fit.model_dump()}
    rows["method"] = run.method.model_dump(exclude=results.NOT_TRAINED_BY)
    params = {f"{kind}.{key}": str(value) for kind, each in rows.items() for key, value in each.items()}
    params["parameters"] = str(run.network().parameters)
    chosen = run.hyperparameters[int(result.tried[result.chosen[0]])]
    params |= {f"chosen.{key}": value for key, value in _set(chosen).items()}
    return [Param(key, value) for key, value in params.items()]


def _set(tried: Hyperparameters) -> dict[str, str]:
    """Return those hyperparameters that are set."""
    return {key: f"{value:g}" for key, value in tried.named().items() if value != tried._field_defaults.get(key)}


def _dataset(run: Run) -> Dataset:
    source = f'{{"uri": "{paths.dataset(run.study)}"}}'
    return Dataset(run.study, store.checksum(run.study)[:16], "local", source)
