"""The MLflow store: where it is, what in it is ours, whether it can be used, and what to do where not."""

import contextlib
import getpass
import logging
import os
import re
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import mlflow
from filelock import FileLock
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from unrolled import environment, paths
from unrolled.errors import UnrolledError
from unrolled.files import write_atomic
from unrolled.training import mlflow_faults

DEFAULT = "sqlite:///mlflow.db"
ARTIFACTS = "mlartifacts"
OWNER = paths.KEPT.parent / "owner"
"""The id of this folder, drawn once; another clone has another."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""So that a server that is gone costs seconds; MLflow's own defaults come to 16 minutes a request."""
QUIET = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
"""No two lines a run, and no bars, in the midst of ours."""


def uri() -> str:
    """Return the store: `MLFLOW_TRACKING_URI`, or else the embedded one."""
    return environment.value("MLFLOW_TRACKING_URI") or DEFAULT


def named() -> str:
    """Return the store as messages name it: without a password."""
    return mlflow_faults.masked(uri())


def owner() -> str:
    """Return whose runs and models are ours: `UNROLLED_OWNER`, or the user's name with this folder's id.

    Raises
    ------
    UnrolledError
        If `UNROLLED_OWNER` has other characters than letters, digits, `.`, `_` and `-`.
    """
    return environment.value("UNROLLED_OWNER") or f"{user()}-{_folder()}"


def _folder() -> str:
    if not OWNER.exists():
        OWNER.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(OWNER.with_suffix(".lock")):  # two stages may begin at once
            if not OWNER.exists():
                write_atomic(OWNER, uuid.uuid4().hex[:8].encode())
    return re.sub("[^0-9a-f]", "", OWNER.read_text())


def user() -> str:
    """Return the user's name, of letters, digits, `.`, `_` and `-`."""
    try:
        return re.sub(r"[^A-Za-z0-9._-]", "_", getpass.getuser())
    except (OSError, KeyError):  # in a container, a user may have no name
        return f"user{os.getuid()}"


def experiment_name(study: str) -> str:
    """Return the name of a study's experiment; on a store that may be shared, every owner has one."""
    return f"unrolled/{study}" if uri() == DEFAULT else f"unrolled/{owner()}/{study}"


def model_name(study: str) -> str:
    """Return the name of a study's registered model, likewise."""
    return experiment_name(study).replace("/", "-")


def database() -> Path | None:
    """Return the file of a SQLite store."""
    return Path(uri().removeprefix("sqlite:///")) if uri().startswith("sqlite:///") else None


def connect() -> MlflowClient:
    """Return a client of the store, made if it is an embedded one.

    Raises
    ------
    UnrolledError
        If the store does not answer or cannot be written.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what they report is raised too
    for name, value in (PATIENCE | QUIET).items():
        os.environ.setdefault(name, value)
    mlflow.set_tracking_uri(uri())
    mlflow.set_registry_uri(uri())
    try:
        owner()
        if path := database():
            _ready(path)
        client = MlflowClient()
        client.search_experiments(max_results=1)
        return client
    except UnrolledError:
        raise
    except Exception as error:
        reason, remedy = mlflow_faults.of(error, named())
        raise UnrolledError(
            f"the MLflow store {named()} cannot be used ({reason}): {remedy}; nothing already computed is lost"
        ) from None


def _ready(path: Path) -> None:
    """Make a SQLite store that is not there, whole or not at all, by one process; see that it can be written."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        lock, new = path.with_name(f"{path.name}.lock"), path.with_name(f"{path.name}.new")
        with FileLock(lock, timeout=60):
            if not path.exists():
                new.unlink(missing_ok=True)
                MlflowClient(f"sqlite:///{new}", f"sqlite:///{new}").search_experiments(max_results=1)
                if not path.is_absolute():
                    _place(new, "0", Path("mlruns/0"))
                new.replace(path)
        lock.unlink(missing_ok=True)
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise PermissionError(f"{path} is not writable")


def search(client: MlflowClient, experiment: str, condition: str) -> list[Any]:
    """Return the runs of ours in an experiment that meet a condition; no others are ever changed."""
    ours, token, found = f"tags.owner = '{owner()}' and {condition}", None, list[Any]()
    while True:
        page = client.search_runs([experiment], ours, max_results=1000, page_token=token)
        found.extend(page)
        if not (token := page.token):
            return found


def open_experiment(client: MlflowClient, study: str, note: str) -> str:
    """Return the id of a study's experiment, made or restored if need be; what a kill left open of ours is closed.

    Its artifacts lie beside a SQLite store. Where the path of the store is relative, so is theirs, which MLflow itself
    would make absolute: a folder that is moved or copied takes its runs along, and writes to no other.
    """
    name, path = experiment_name(study), database()
    place = None if path is None else path.parent / ARTIFACTS
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(name, place.resolve().as_uri() if place else None, {"owner": owner()})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another made it in the meantime
                raise
        found = client.get_experiment_by_name(name)
    own = str(found.experiment_id)
    if path and place and not path.is_absolute():
        _place(path, own, place)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(own)
        print(f"unrolled: the experiment {name} was deleted in MLflow; it is restored")
    client.set_experiment_tag(own, "mlflow.note.content", note)
    for left in search(client, own, "attributes.status = 'RUNNING'"):
        client.set_terminated(left.info.run_id, "KILLED")
    return own


def _place(database: Path, experiment: str, artifacts: Path) -> None:
    """Say in a SQLite store where the artifacts of an experiment's new runs go, by a relative path."""
    with contextlib.closing(sqlite3.connect(database)) as store, store:
        store.execute(
            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ? AND artifact_location <> ?",
            (artifacts.as_posix(), int(experiment), artifacts.as_posix()),
        )
