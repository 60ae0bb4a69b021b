"""MLflow, a view of the files: what ran, how it learned, which model is best.

The only writer is the process of a DVC stage. A store that cannot be written is an error before any
training; one that fails later costs its view, never a result: `unrolled track` builds it again.
"""

import contextlib
import io
import logging
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import yaml
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from unrolled import paths, registry
from unrolled.data import store
from unrolled.errors import UnrolledError
from unrolled.training import results
from unrolled.training.job import Job, Result
from unrolled.training.predictor import Forecaster, best_replica

if TYPE_CHECKING:
    from unrolled.training.fan_out import Progress

Predict = Callable[[Any, int], Any]
DEFAULT = "sqlite:///mlflow.db"
ARTIFACTS = Path("mlartifacts")
BATCH = 1000
"""Most metrics MLflow takes in one batch."""
EVERY = 5.0
"""Seconds between two writes of live curves."""


def uri() -> str:
    """Return the store: `MLFLOW_TRACKING_URI`, or else the embedded one."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT


def connect() -> MlflowClient:
    """Return a client of the store.

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
    try:
        _create_whole()
        client = MlflowClient()
        client.search_experiments(max_results=1)
        _probe_writable()
        return client
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise UnrolledError(
            f"the MLflow store {uri()} cannot be used ({reason}): make it writable, or name another in "
            "MLFLOW_TRACKING_URI; nothing already computed is lost"
        ) from None


def _create_whole() -> None:
    """Make a new SQLite store under a temporary name: MLflow cannot go on with one that is half made."""
    path = Path(uri().removeprefix("sqlite:///"))
    if uri().startswith("sqlite:///") and not path.exists():
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        MlflowClient(f"sqlite:///{new}", f"sqlite:///{new}").search_experiments(max_results=1)
        new.replace(path)


def _probe_writable() -> None:
    """Refuse a SQLite file that can be read but not written."""
    if not uri().startswith("sqlite:///"):
        return
    path = Path(uri().removeprefix("sqlite:///"))
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path} is not writable")


def _git_commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _data_hash(study: str) -> str:
    """Return DVC's hash of the study's data, from `dvc.lock`."""
    try:
        lock = yaml.load(Path("dvc.lock").read_text(encoding="utf-8"), yaml.CSafeLoader)  # thousands of lines
        return str(lock["stages"][f"generate@{study}"]["outs"][0]["md5"])
    except (OSError, KeyError, TypeError, IndexError):
        return "unknown"


def _median(rates: np.ndarray, losses: list[float], rate: float) -> float:
    return float(np.nan_to_num(np.median(np.asarray(losses)[rates == rate]), nan=1e30, posinf=1e30))


class Tracker:
    """The MLflow experiment of one study.

    Parameters
    ----------
    study_name : str
    client : MlflowClient
        From `connect`.
    """

    def __init__(self, study_name: str, client: MlflowClient) -> None:
        self.study_name, self.client, self.broken = study_name, client, False
        self.runs: dict[str, str] = {}
        self.buffers: dict[str, list[Metric]] = {}
        self.written = time.monotonic()
        self.spent = 0.0
        self.experiment = ""

    @cached_property
    def origin(self) -> dict[str, str]:
        """Return the commit and the data's hash, read once for all runs."""
        return {"mlflow.source.git.commit": _git_commit(), "dvc.data": _data_hash(self.study_name)}

    def guarded(self, action: Callable[[], Any]) -> Any:
        """Run one write; after a failure warn once and write no more, so that no result is lost."""
        if self.broken:
            return None
        begun = time.perf_counter()
        try:
            return action()
        except (MlflowException, OSError) as error:
            self.broken = True
            reason = " ".join(str(error).split())[:160]
            print(f"unrolled: MLflow failed ({reason}); training goes on, `unrolled track` logs it later")
            return None
        finally:
            self.spent += time.perf_counter() - begun

    def open(self, question: str) -> None:
        """Create the experiment if need be, and close what an earlier crash left running."""
        self.guarded(lambda: self._open(question))

    def _open(self, question: str) -> None:
        found = self.client.get_experiment_by_name(self.study_name)
        if found is None:
            place = ARTIFACTS.resolve().as_uri() if uri() == DEFAULT else None
            self.experiment = self.client.create_experiment(self.study_name, artifact_location=place)
        else:
            self.experiment = found.experiment_id
        note = f"{question}\n\nThe comparison: `{paths.INDEX}` (section *{self.study_name}*)."
        self.client.set_experiment_tag(self.experiment, "mlflow.note.content", note)
        for run in self._search("attributes.status = 'RUNNING'"):
            self.client.set_terminated(run.info.run_id, "KILLED")

    def _search(self, condition: str) -> list[Any]:
        return list(self.client.search_runs([self.experiment], condition, ViewType.ACTIVE_ONLY, max_results=1000))

    def has(self, job: Job) -> bool:
        """Return whether a finished run of exactly this job is in the store."""
        mark = results.fingerprint(job)
        found = self.guarded(lambda: self._search(f"tags.fingerprint = '{mark}' and attributes.status = 'FINISHED'"))
        return bool(found)

    def start(self, job: Job) -> None:
        """Open the method's parent run, with its parameters and its data."""
        self.guarded(lambda: self._start(job))

    def _start(self, job: Job) -> None:
        tags = {
            "mlflow.runName": job.method_name,
            "mlflow.note.content": job.method.about,
            "study": job.study_name,
            "method": job.method_name,
            "kind": "method",
            "system": job.study.system or "measured",
            "task": job.study.task,
            "cell": job.method.cell,
        } | self.origin
        run = self.client.create_run(self.experiment, tags=tags).info.run_id
        self.runs[job.method_name] = run
        self.buffers[job.method_name] = []
        rows = {"study": job.study.model_dump(exclude=results.NOT_LEARNED)}
        rows["method"] = job.method.model_dump(exclude=results.NOT_USED)
        values = {f"{kind}.{key}": str(value) for kind, row in rows.items() for key, value in row.items()}
        values["parameters"] = str(job.network().parameters)
        self.client.log_batch(run, params=[Param(key, value) for key, value in values.items()])
        self.client.log_inputs(run, [DatasetInput(self._dataset())])

    def _dataset(self) -> Dataset:
        known = store.facts(self.study_name)
        digest = known["files"]["train.npz"]["sha256"][:16]
        source = str(paths.dataset(self.study_name))
        return Dataset(self.study_name, digest, "local", f'{{"uri": "{source}"}}')

    def live(self, job: Job, news: "Progress") -> None:
        """Add the median curves of each learning rate; they are written every few seconds."""
        rates = np.array([job.trials()[number].rate for number in news.trials])
        who = " other seeds" if news.again else ""
        stamp = int(time.time() * 1000)
        for kind, rows in (("train", news.train), ("val", news.val)):
            for epoch, losses in enumerate(rows, start=news.first_epoch + 1):
                self.buffers.get(job.method_name, []).extend(
                    Metric(f"{kind}_loss rate {rate:g}{who}", _median(rates, losses, rate), stamp, epoch)
                    for rate in dict.fromkeys(rates.tolist())
                )
        if time.monotonic() - self.written > EVERY:
            self.flush()

    def flush(self) -> None:
        """Write all curves that wait."""
        self.guarded(self._flush)
        self.written = time.monotonic()

    def _flush(self) -> None:
        for method, waiting in self.buffers.items():
            for first in range(0, len(waiting), BATCH):
                self.client.log_batch(self.runs[method], metrics=waiting[first : first + BATCH])
            waiting.clear()

    def finish(self, job: Job, result: Result, seconds: float | None) -> None:
        """Write the nested runs of the chosen replicas and close the method's run."""
        self.guarded(lambda: self._finish(job, result, seconds))

    def _finish(self, job: Job, result: Result, seconds: float | None) -> None:
        run = self.runs[job.method_name]
        self._flush()
        for replica in result.chosen:
            self._replica(run, job, result, int(replica))
        stamp = int(time.time() * 1000)
        best = float(np.median(result.best_loss[result.chosen]))
        numbers = {"best_val_loss": best, "diverged": float(result.diverged.sum())}
        numbers |= dict(
            zip(("forward_passes", "backward_passes", "curvature_passes"), result.passes.tolist(), strict=True)
        )
        if seconds is not None:
            numbers["training_seconds"] = seconds
        metrics = [Metric(k, float(np.nan_to_num(v, posinf=1e30)), stamp, 0) for k, v in numbers.items()]
        trial = job.trials()[int(result.trials[result.chosen[0]])]
        chosen = zip(("learning_rate", "clip_norm", "clip_value"), trial, strict=True)
        tuned = [Param(f"chosen.{key}", f"{value:g}") for key, value in chosen if np.isfinite(value)]
        self.client.log_batch(run, metrics, tuned, [RunTag("fingerprint", results.fingerprint(job))])
        self.client.log_artifact(run, str(results.path_of(job.study_name, job.method_name)))
        self.client.set_terminated(run)

    def _replica(self, parent: str, job: Job, result: Result, replica: int) -> None:
        seed, rate = int(result.seeds[replica]), float(result.rates[replica])
        tags = {"mlflow.parentRunId": parent, "mlflow.runName": f"{job.method_name} seed {seed}", "kind": "replica"}
        run = self.client.create_run(self.experiment, tags=tags).info.run_id
        stamp = int(time.time() * 1000)
        curves = {"train_loss": result.train_loss[:, replica], "val_loss": result.val_loss[:, replica]}
        metrics = [
            Metric(name, float(np.nan_to_num(value, nan=1e30, posinf=1e30)), stamp, epoch)
            for name, curve in curves.items()
            for epoch, value in enumerate(curve, start=1)
        ]
        metrics.append(Metric("best_val_loss", float(np.nan_to_num(result.best_loss[replica], posinf=1e30)), stamp, 0))
        own = [Param("seed", str(seed)), Param("learning_rate", f"{rate:g}")]
        for first in range(0, len(metrics), BATCH):
            self.client.log_batch(run, metrics[first : first + BATCH], own if first == 0 else [])
        self.client.set_terminated(run)

    def fail(self, job: Job) -> None:
        """Close the run of a method that ended in an error."""
        self.guarded(lambda: self.client.set_terminated(self.runs[job.method_name], "FAILED"))

    def log_finished(self, job: Job, result: Result, seconds: float | None = None) -> None:
        """Log a result that was trained before: the same runs, without live curves."""
        self.start(job)
        if job.method_name in self.runs:
            self.finish(job, result, seconds)

    def crown(self, done: dict[str, tuple[Job, Result]]) -> None:
        """Register the learned method with the lowest validation loss as champion of the study."""
        learned = {n: pair for n, pair in done.items() if pair[0].method.optimiser != "fixed"}
        if learned:
            best = min(learned, key=lambda n: _champion_loss(learned[n][1]))
            self.guarded(lambda: self._crown(*learned[best]))

    def _crown(self, job: Job, result: Result) -> None:
        name, mark = model_name(self.study_name), results.fingerprint(job)
        try:
            current = self.client.get_model_version_by_alias(name, "champion")
            if current.tags.get("fingerprint") == mark:
                return
        except MlflowException:
            pass  # there is no champion yet
        [*_, run] = self._search(f"tags.fingerprint = '{mark}' and attributes.status = 'FINISHED'")
        version = _log_model(run.info.run_id, name, job, result)
        self.client.set_model_version_tag(name, version, "fingerprint", mark)
        self.client.set_model_version_tag(name, version, "method", job.method_name)
        self.client.set_registered_model_alias(name, "champion", version)


def _champion_loss(result: Result) -> float:
    return float(result.best_loss[best_replica(result)])


def model_name(study: str) -> str:
    """Return the name of a study's registered model."""
    return f"unrolled-{study}"


def _log_model(run: str, name: str, job: Job, result: Result) -> str:
    """Log the forecaster as pyfunc with signature and example; return the new version."""
    example = job.splits["test"]["inputs"][:1]
    forecaster = Forecaster.of(job, result)
    output = forecaster.predict(example, {"steps": 2})
    signature = mlflow.models.infer_signature(example, output, params={"steps": 2})
    quiet = contextlib.redirect_stderr(io.StringIO())  # MLflow tells of every registration there
    with tempfile.TemporaryDirectory() as folder, quiet, warnings.catch_warnings(), mlflow.start_run(run_id=run):
        warnings.simplefilter("ignore")
        forecaster.save(Path(folder) / "forecaster.npz")
        info = mlflow.pyfunc.log_model(
            name="forecaster",
            loader_module="unrolled.training.predictor",
            data_path=str(Path(folder) / "forecaster.npz"),
            signature=signature,
            input_example=example,
            registered_model_name=name,
            pip_requirements=["torch", "numpy", "pydantic"],
        )
    return str(info.registered_model_version)


def load_model(study: str, method: str | None, jobs: dict[str, Job]) -> tuple[str, Predict]:
    """Return a method's name and its predictor: the champion from the registry, or the named method.

    Raises
    ------
    UnrolledError
        If the method is unknown, or the store has no such model yet.
    """
    if method is not None and method not in jobs:
        raise registry.unknown(f"method of study '{study}'", method, list(jobs))
    client = MlflowClient()
    try:
        if method is None:
            version = client.get_model_version_by_alias(model_name(study), "champion")
            model = mlflow.pyfunc.load_model(f"models:/{model_name(study)}@champion")
            return version.tags["method"], lambda warm_up, steps: model.predict(warm_up, params={"steps": steps})
        experiment = client.get_experiment_by_name(study)
        marks = f"tags.fingerprint = '{results.fingerprint(jobs[method])}' and attributes.status = 'FINISHED'"
        [run, *_] = client.search_runs([experiment.experiment_id], marks, max_results=1)
        with tempfile.TemporaryDirectory() as folder:
            path = client.download_artifacts(run.info.run_id, f"{method}.npz", folder)
            forecaster = Forecaster.of(jobs[method], results.read(Path(path))[1])
        return method, lambda warm_up, steps: forecaster.predict(warm_up, {"steps": steps})
    except (MlflowException, OSError, ValueError, AttributeError):
        raise UnrolledError(
            f"{uri()} has no model of '{study}'{f' by {method}' if method else ''}: run `dvc repro train@{study}`, "
            "or `unrolled track` if it was trained elsewhere"
        ) from None


def training_seconds(studies: list[str]) -> dict[str, dict[str, float]]:
    """Return the training time by study and method, as far as the store knows; the newest run counts."""
    try:
        table = {study: _training_seconds(study) for study in studies}
    except (MlflowException, OSError):
        return {}
    return table if any(table.values()) else {}


def _training_seconds(study: str) -> dict[str, float]:
    client = MlflowClient()
    experiment = client.get_experiment_by_name(study)
    condition = "tags.kind = 'method' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment.experiment_id], condition) if experiment else []
    return {
        run.data.tags["method"]: run.data.metrics["training_seconds"]
        for run in reversed(runs)
        if "training_seconds" in run.data.metrics
    }


def log_figures(study: str, figures: list[Path], numbers: dict[str, float | None]) -> None:
    """Put the study's figures and numbers into its run `comparison`, made anew each time."""
    client = connect()
    tracker = Tracker(study, client)
    tracker.guarded(lambda: _log_figures(tracker, figures, numbers))


def _log_figures(tracker: Tracker, figures: list[Path], numbers: dict[str, float | None]) -> None:
    client, experiment = tracker.client, tracker.client.get_experiment_by_name(tracker.study_name)
    if experiment is None:
        return
    for old in client.search_runs([experiment.experiment_id], "tags.kind = 'comparison'"):
        client.delete_run(old.info.run_id)
    tags = {"mlflow.runName": "comparison", "kind": "comparison", "mlflow.source.git.commit": _git_commit()}
    run = client.create_run(experiment.experiment_id, tags=tags).info.run_id
    stamp = int(time.time() * 1000)
    client.log_batch(run, [Metric(n, v, stamp, 0) for n, v in numbers.items() if v is not None])
    for path in figures:
        client.log_artifact(run, str(path), "figures")
    client.set_terminated(run)
