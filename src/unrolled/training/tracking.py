"""MLflow, a view of the files: what ran, how it was trained, which model is best.

It stands beside the pipeline. A store that cannot be written is an error before any training; one that fails later
costs its view, never a result: `unrolled track` logs it again.
"""

import contextlib
import functools
import io
import logging
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types.schema import ParamSchema, ParamSpec, Schema, TensorSpec

from unrolled import paths, registry
from unrolled.data import store
from unrolled.errors import UnrolledError
from unrolled.training import results
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Result, Run
from unrolled.training.workers import Done

DEFAULT = "sqlite:///mlflow.db"
ARTIFACTS = Path("mlartifacts")
BATCH = 1000
"""Most metrics MLflow takes in one batch."""
ENDLESS = 1e30
"""What stands for infinity, which MLflow does not show."""


def uri() -> str:
    """Return the store: `MLFLOW_TRACKING_URI`, or else the embedded one."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT


def connect() -> "Tracker":
    """Return a tracker on the store.

    Raises
    ------
    UnrolledError
        If the store does not answer or cannot be written.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    mlflow.set_tracking_uri(uri())
    mlflow.set_registry_uri(uri())
    path = Path(uri().removeprefix("sqlite:///")) if uri().startswith("sqlite:///") else None
    try:
        if path is not None and not path.exists():  # MLflow cannot go on with a SQLite store that is half made
            new = path.with_name(f".{path.name}.new")
            new.unlink(missing_ok=True)
            MlflowClient(f"sqlite:///{new}", f"sqlite:///{new}").search_experiments(max_results=1)
            new.replace(path)
        client = MlflowClient()
        client.search_experiments(max_results=1)
        if path is not None and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            raise PermissionError(f"{path} is not writable")
        return Tracker(client)
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise UnrolledError(
            f"the MLflow store {uri()} cannot be used ({reason}): make it writable, or name another in "
            "MLFLOW_TRACKING_URI; nothing already computed is lost"
        ) from None


def _now() -> int:
    return int(time.time() * 1000)


class Tracker:
    """All writing to the store; after a failure it warns once and writes no more."""

    def __init__(self, client: MlflowClient) -> None:
        self.client, self.broken, self.spent = client, False, 0.0
        self.experiments: dict[str, str] = {}

    @functools.cached_property
    def commit(self) -> str:
        """The commit that runs, read once."""
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        return found.stdout.strip() or "unknown"

    def guarded(self, action: Callable[[], Any]) -> Any:
        """Run one write, so that a failing store costs no result."""
        if self.broken:
            return None
        begun = time.perf_counter()
        try:
            return action()
        except (MlflowException, OSError) as error:
            self.broken = True
            reason = " ".join(str(error).split())[:160]
            print(f"unrolled: MLflow failed ({reason}); results are kept, `unrolled track` logs them later")
            return None
        finally:
            self.spent += time.perf_counter() - begun

    def experiment(self, run: Run) -> str:
        """Return the id of a study's experiment, made if need be; runs that a kill left open are closed."""
        if run.study not in self.experiments:
            found = self.client.get_experiment_by_name(run.study)
            place = ARTIFACTS.resolve().as_uri() if uri() == DEFAULT else None
            own = found.experiment_id if found else self.client.create_experiment(run.study, artifact_location=place)
            note = f"{run.experiment.question}\n\nThe comparison: `{paths.INDEX}` (section *{run.study}*)."
            self.client.set_experiment_tag(own, "mlflow.note.content", note)
            for left in self._search(own, "attributes.status = 'RUNNING'"):
                self.client.set_terminated(left.info.run_id, "KILLED")
            self.experiments[run.study] = own
        return self.experiments[run.study]

    def _search(self, experiment: str, condition: str) -> list[Any]:
        return list(self.client.search_runs([experiment], condition, ViewType.ACTIVE_ONLY, max_results=1000))

    def log(self, done: Done) -> None:
        """Write a finished run: parameters, data, curves of the chosen replicas, what training cost."""
        self.guarded(lambda: self._log(done.run, done.result, done.begun, done.seconds))

    def _log(self, run: Run, result: Result, begun: float, seconds: float | None) -> None:
        own, start = self.experiment(run), int(begun * 1000)
        end = start + int(1000 * (seconds or 0))
        tags = {
            "mlflow.runName": run.name,
            "mlflow.note.content": f"{run.method.label}. {run.method.about}".rstrip(". "),
            "mlflow.source.git.commit": self.commit,
            "study": run.study,
            "method": run.name,
            "kind": "method",
            "system": run.experiment.data.system or "measured",
            "task": run.experiment.data.task,
            "cell": run.method.cell,
        }
        parent = self.client.create_run(own, start, tags).info.run_id
        self.client.log_inputs(parent, [DatasetInput(_dataset(run))])
        for replica in result.chosen:
            self._replica(own, parent, run, result, int(replica), start, end)
        numbers = {
            "best_val_loss": float(np.median(result.best_loss[result.chosen])),
            "diverged": float(result.diverged.sum()),
            **dict(zip(("forward_passes", "backward_passes", "curvature_passes"), result.passes.tolist(), strict=True)),
            **({} if seconds is None else {"training_seconds": seconds}),
        }
        mark = [RunTag("fingerprint", results.mark(run))]
        self.client.log_batch(parent, [_metric(k, v, end) for k, v in numbers.items()], _params(run, result), mark)
        self.client.log_artifact(parent, str(results.path_of(run.study, run.name)))
        self.client.set_terminated(parent, end_time=end)

    def _replica(self, own: str, parent: str, run: Run, result: Result, replica: int, start: int, end: int) -> None:
        """Write the curves of one chosen replica as a child of its method's run."""
        seed, rate = int(result.seeds[replica]), float(result.learning_rates[replica])
        tags = {"mlflow.parentRunId": parent, "mlflow.runName": f"{run.name} seed {seed}", "kind": "replica"}
        child = self.client.create_run(own, start, tags).info.run_id
        curves = {"train_loss": result.train_loss[:, replica], "val_loss": result.val_loss[:, replica]}
        metrics = [_metric(n, v, end, epoch) for n, curve in curves.items() for epoch, v in enumerate(curve, start=1)]
        metrics.append(_metric("best_val_loss", result.best_loss[replica], end))
        params = [Param("seed", str(seed)), Param("learning_rate", f"{rate:g}")]
        for first in range(0, len(metrics), BATCH):
            self.client.log_batch(child, metrics[first : first + BATCH], params if first == 0 else [])
        self.client.set_terminated(child, end_time=end)

    def complete(self, runs: list[Run]) -> None:
        """Log what the store does not have yet, and register the champion of each study."""
        for study in dict.fromkeys(run.study for run in runs):
            self.guarded(functools.partial(self._complete, [run for run in runs if run.study == study]))

    def _complete(self, runs: list[Run]) -> None:
        own = self.experiment(runs[0])
        whole = self._search(own, "tags.kind = 'method' and attributes.status = 'FINISHED'")
        there = {each.data.tags.get("fingerprint") for each in whole}
        for run in runs:
            if results.mark(run) not in there:
                seconds = results.seconds(run)
                self._log(run, results.finished(run), results.ended(run) - (seconds or 0.0), seconds)
        if trained := [run for run in runs if run.optimiser.trains]:
            self._register_champion(own, min(trained, key=lambda run: results.finished(run).loss))

    def _register_champion(self, own: str, run: Run) -> None:
        """Register the method that validation chooses under the alias `champion`, as the report does."""
        name, mark = model_name(run.study), results.mark(run)
        with contextlib.suppress(MlflowException):  # there may be none yet
            if self.client.get_model_version_by_alias(name, "champion").tags.get("fingerprint") == mark:
                return
        [*_, logged] = self._search(own, f"tags.fingerprint = '{mark}' and attributes.status = 'FINISHED'")
        version = _log_model(logged.info.run_id, name, run, results.finished(run))
        self.client.set_terminated(logged.info.run_id, end_time=logged.info.end_time)  # MLflow had set it anew
        self.client.set_model_version_tag(name, version, "fingerprint", mark)
        self.client.set_model_version_tag(name, version, "method", run.name)
        self.client.set_registered_model_alias(name, "champion", version)

    def log_comparison(self, study: str, figures: list[Path], numbers: dict[str, float | None]) -> None:
        """Put a study's figures and numbers into its run `comparison`, made anew each time."""
        self.guarded(lambda: self._log_comparison(study, figures, numbers))

    def _log_comparison(self, study: str, figures: list[Path], numbers: dict[str, float | None]) -> None:
        found = self.client.get_experiment_by_name(study)
        if found is None:
            return
        for old in self._search(found.experiment_id, "tags.kind = 'comparison'"):
            self.client.delete_run(old.info.run_id)
        tags = {"mlflow.runName": "comparison", "kind": "comparison", "mlflow.source.git.commit": self.commit}
        run = self.client.create_run(found.experiment_id, tags=tags).info.run_id
        self.client.log_batch(
            run, [_metric(name, value, _now()) for name, value in numbers.items() if value is not None]
        )
        for path in figures:
            self.client.log_artifact(run, str(path), "figures")
        self.client.set_terminated(run)


def _metric(name: str, value: float, stamp: int, step: int = 0) -> Metric:
    return Metric(name, float(np.nan_to_num(value, nan=ENDLESS, posinf=ENDLESS)), stamp, step)


def _params(run: Run, result: Result) -> list[Param]:
    """Return the rows that a run was trained by, and the hyperparameters that were chosen."""
    row = {key: value for key, value in run.experiment.data.model_dump().items() if key != "settings"}
    rows = {"data": row | run.experiment.data.settings, "fit": run.experiment.fit.model_dump()}
    rows["method"] = run.method.model_dump(exclude=results.NOT_TRAINED_BY)
    params = {f"{kind}.{key}": str(value) for kind, each in rows.items() for key, value in each.items()}
    params["parameters"] = str(run.network().parameters)
    chosen = run.hyperparameters[int(result.tried[result.chosen[0]])]._asdict()
    params |= {f"chosen.{key}": f"{value:g}" for key, value in chosen.items() if np.isfinite(value)}
    return [Param(key, value) for key, value in params.items()]


def _dataset(run: Run) -> Dataset:
    source = f'{{"uri": "{paths.dataset(run.study)}"}}'
    return Dataset(run.study, store.checksum(run.study)[:16], "local", source)


def model_name(study: str) -> str:
    """Return the name of a study's registered model."""
    return f"unrolled-{study}"


def _log_model(logged: str, name: str, run: Run, result: Result) -> str:
    """Log the predictor as pyfunc with signature and example, in the data's units; return the new version."""
    data = store.load(run.study)
    predictor = Predictor.of(run, result, data)
    example = np.asarray(data.example, dtype=float)  # as the signature asks for
    output = predictor.predict(example, {"steps": 2})
    # (B, T, D) in, (B, steps, K) out: of the example only D and K bind a user.
    inputs, outputs = (
        Schema([TensorSpec(np.dtype(float), (-1, -1, n))]) for n in (len(predictor.names), output.shape[2])
    )
    signature = ModelSignature(inputs, outputs, ParamSchema([ParamSpec("steps", "long", 2)]))
    quiet = contextlib.redirect_stderr(io.StringIO())  # MLflow tells of every registration there
    with tempfile.TemporaryDirectory() as folder, quiet, warnings.catch_warnings(), mlflow.start_run(run_id=logged):
        warnings.simplefilter("ignore")
        path = Path(folder) / "predictor.npz"
        predictor.save(path)
        info = mlflow.pyfunc.log_model(
            name="predictor",
            loader_module="unrolled.training.predictor",
            data_path=str(path),
            signature=signature,
            input_example=example,
            registered_model_name=name,
            pip_requirements=["torch", "numpy", "pydantic"],
        )
    return str(info.registered_model_version)


def load_predictor(study: str, method: str | None, runs: dict[str, Run]) -> tuple[str, Predictor]:
    """Return a method's name and its predictor: the champion from the registry, or the named method.

    Raises
    ------
    UnrolledError
        If the method is unknown, or the store has no such model yet.
    """
    if method is not None and method not in runs:
        raise registry.unknown(f"method of study '{study}'", method, list(runs))
    client = connect().client
    try:
        with tempfile.TemporaryDirectory() as folder:
            if method is None:
                version = client.get_model_version_by_alias(model_name(study), "champion")
                place = mlflow.artifacts.download_artifacts(f"models:/{model_name(study)}@champion", dst_path=folder)
                return version.tags["method"], Predictor.load(Path(place) / "data" / "predictor.npz")
            experiment = client.get_experiment_by_name(study)
            marks = f"tags.fingerprint = '{results.mark(runs[method])}' and attributes.status = 'FINISHED'"
            [found, *_] = client.search_runs([experiment.experiment_id], marks, max_results=1)
            path = client.download_artifacts(found.info.run_id, f"{method}.npz", folder)
            return method, Predictor.of(runs[method], results.read(Path(path))[1], store.load(study))
    except (MlflowException, OSError, ValueError, AttributeError):
        raise UnrolledError(
            f"{uri()} has no model of '{study}'{f' by {method}' if method else ''}: run `dvc repro train`, "
            "or `unrolled track` if it was trained elsewhere"
        ) from None
