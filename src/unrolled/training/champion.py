"""Models in MLflow: of each study the champion, of which `unrolled` itself runs no code; of every method, if asked."""

import contextlib
import io
import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types.schema import ParamSchema, ParamSpec, Schema, TensorSpec

from unrolled import registry
from unrolled.data import store
from unrolled.errors import UnrolledError
from unrolled.training import mlflow_faults, mlflow_store, results
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Run

ALIAS = "champion"
FILE = "predictor.npz"
"""In the folder `data` of a registered model: all that is read of it here, arrays and JSON."""
MISSING = r"No such (file|artifact)|404|does not exist"
"""Words in the errors of MLflow's artifact stores where a file is not there."""


def register(client: MlflowClient, logged: Any, run: Run) -> None:
    """Register a run's predictor as the champion of its study, unless it is; `logged` is the run in MLflow."""
    name, tags = mlflow_store.model_name(run.study), {"fingerprint": results.mark(run), "owner": mlflow_store.owner()}
    data = store.load(run.study)
    predictor = Predictor.of(run, results.finished(run), data)
    with contextlib.suppress(MlflowException, OSError, UnrolledError):  # none yet, its files lost, or another's
        version = client.get_model_version_by_alias(name, ALIAS)
        if tags.items() <= version.tags.items() and _same(_load(name, version.version), predictor):
            return
    number = log(client, logged, predictor, data.example, name).registered_model_version
    for key, value in (tags | {"method": run.name}).items():
        client.set_model_version_tag(name, number, key, value)
    client.set_registered_model_alias(name, ALIAS, number)


def _same(one: Predictor, other: Predictor) -> bool:
    about, others = (json.dumps(each.about, sort_keys=True) for each in (one, other))
    return about == others and one.theta.tobytes() == other.theta.tobytes()


def log_models(client: MlflowClient, experiment: str, logged: dict[str, Any], runs: list[Run]) -> Iterator[str]:
    """Give each run of a study in MLflow its model, unless it has one, and yield the names of the methods.

    Parameters
    ----------
    client : MlflowClient
    experiment : str
        The study's, by its id.
    logged : dict
        The runs in MLflow by their fingerprint.
    runs : list of Run
        Finished ones; one of which the best replica diverged has no model.
    """
    there = {each.source_run_id for each in _models(client, experiment) if each.status == LoggedModelStatus.READY}
    data = store.load(runs[0].study)
    for run in runs:
        own, result = logged[results.mark(run)], results.finished(run)
        if own.info.run_id not in there and np.isfinite(result.theta[result.best]).all():
            log(client, own, Predictor.of(run, result, data), data.example)
        yield run.name


def _models(client: MlflowClient, experiment: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_logged_models([experiment], page_token=token)
        yield from page
        if not (token := page.token):
            return


def log(client: MlflowClient, logged: Any, predictor: Predictor, given: Any, name: str | None = None) -> Any:
    """Log the predictor as pyfunc with signature and example, in the data's units, and register it if it has a name.

    Nothing is pickled: MLflow too loads it by a function of ours, `predictor._load_pyfunc`.
    """
    own, example = logged.info.run_id, np.asarray(given, dtype=float)  # as the signature asks for
    output = predictor.predict(example, {"steps": 2})
    # (B, T, D) in, (B, steps, K) out: of the example only D and K bind a user.
    inputs, outputs = (
        Schema([TensorSpec(np.dtype(float), (-1, -1, n))]) for n in (len(predictor.names), output.shape[2])
    )
    signature = ModelSignature(inputs, outputs, ParamSchema([ParamSpec("steps", "long", 2)]))
    quiet = contextlib.redirect_stderr(io.StringIO())  # MLflow tells of every registration there
    with tempfile.TemporaryDirectory() as folder, quiet, warnings.catch_warnings(), mlflow.start_run(run_id=own):
        warnings.simplefilter("ignore")
        predictor.save(Path(folder) / FILE)
        info = mlflow.pyfunc.log_model(
            name="predictor",
            loader_module="unrolled.training.predictor",
            data_path=str(Path(folder) / FILE),
            signature=signature,
            input_example=example,
            registered_model_name=name,
            pip_requirements=["torch", "numpy", "pydantic"],
        )
    client.set_terminated(own, end_time=logged.info.end_time)  # MLflow had set it anew
    return info


def _load(name: str, version: str) -> Predictor:
    """Fetch the one file of a registered model that is read, and read it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = mlflow.artifacts.download_artifacts(f"models:/{name}/{version}/data/{FILE}", dst_path=folder)
        except (MlflowException, OSError) as error:
            if not re.search(MISSING, str(error)):
                raise
            raise UnrolledError(
                f"is no model that unrolled wrote (it has no data/{FILE}); nothing in it was run"
            ) from None
        return Predictor.load(Path(path))


def load_predictor(study: str, method: str | None, runs: dict[str, Run]) -> tuple[str, Predictor]:
    """Return a method's name and its predictor: the champion from the registry, or the named method.

    Raises
    ------
    UnrolledError
        If the method is unknown, the store has no such model of ours yet, or another's in its place, or of other data.
    """
    if method is not None and method not in runs:
        raise registry.unknown(f"method of study '{study}'", method, list(runs))
    client = mlflow_store.connect()
    try:
        return _champion(client, study, runs) if method is None else _result(client, runs[method])
    except (MlflowException, OSError, LookupError) as error:
        if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST" and not isinstance(error, LookupError):
            reason, remedy = mlflow_faults.of(error, mlflow_store.named())
            raise UnrolledError(f"the MLflow store {mlflow_store.named()} failed ({reason}): {remedy}") from None
        by = f" by {method}" if method else ""
        raise UnrolledError(
            f"{mlflow_store.named()} has no model of '{study}'{by}: run `dvc repro train`, or `unrolled track` if it "
            "was trained elsewhere"
        ) from None


def _champion(client: MlflowClient, study: str, runs: dict[str, Run]) -> tuple[str, Predictor]:
    name = mlflow_store.model_name(study)
    version = client.get_model_version_by_alias(name, ALIAS)
    method, who = version.tags.get("method", ""), f"{name}, version {version.version}, in {mlflow_store.named()}"
    try:
        predictor = _load(name, version.version)
    except UnrolledError as error:
        raise UnrolledError(f"{who} {error}; `unrolled track` registers ours again") from None
    if predictor.about.get("study") != study or not re.fullmatch(r"[A-Za-z0-9_-]+", method):
        raise UnrolledError(f"{who} is not of the study '{study}': `unrolled track` registers ours again")
    if any(predictor.row != run.experiment.data for run in runs.values()):
        raise UnrolledError(f"{who} was trained on other data than the table now asks for: run `dvc repro`")
    return method, predictor


def _result(client: MlflowClient, run: Run) -> tuple[str, Predictor]:
    mark, experiment = results.mark(run), client.get_experiment_by_name(mlflow_store.experiment_name(run.study))
    ours = f"tags.fingerprint = '{mark}' and attributes.status = 'FINISHED'"
    if experiment is None or not (found := mlflow_store.search(client, experiment.experiment_id, ours)):
        raise LookupError(mark)
    logged = found[0].info.run_id
    with tempfile.TemporaryDirectory() as folder:
        try:
            own, result = results.read(Path(client.download_artifacts(logged, f"{run.name}.npz", folder)))
            if own == mark:
                return run.name, Predictor.of(run, result, store.load(run.study))
        except (MlflowException, OSError, UnrolledError) as error:
            if not isinstance(error, UnrolledError) and not re.search(MISSING, str(error)):
                raise
    raise UnrolledError(
        f"what run {logged} of {mlflow_store.named()} holds is not the result of '{run.name}': delete that run in "
        "MLflow, then `unrolled track`"
    )
