"""What several test files need: a folder of their own, small jobs, and one-line errors."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

import pipeline
from unrolled import registry
from unrolled.config import Method, Study
from unrolled.data.system import make
from unrolled.errors import UnrolledError
from unrolled.training.job import Job

Refused = Callable[..., AbstractContextManager[None]]
MakeJob = Callable[..., Job]


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder: every path in `unrolled.paths` is relative."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused() -> Refused:
    """Return a context that demands an `UnrolledError` of one line holding every given part."""

    @contextmanager
    def check(*parts: str) -> Iterator[None]:
        with pytest.raises(UnrolledError) as caught:
            yield
        message = str(caught.value)
        assert "\n" not in message
        assert [part for part in parts if part not in message] == [], message

    return check


@pytest.fixture
def make_job() -> MakeJob:
    """Return a maker of small jobs: a method's row, and what differs in the study's row."""

    def job(method: dict[str, Any], seeds: int = 2, **study: Any) -> Job:
        defaults = {"question": "?", "system": "sine", "task": "next_value", "step": 0.3, "score": "mse"}
        sizes = {"train": 60, "val": 20, "test": 20, "window": 5, "epochs": 3, "batch": 16, "noise": [-0.1, 0.1]}
        shared = {"about": "?", "initialiser": "uniform", "optimiser": "adam", "learning_rates": [1e-2]}
        row = Study(**defaults | sizes | study)
        splits, _ = registry.load("tasks", row.task)().build(row, make(row.system, row.parameters))
        return Job("study", "method", row, Method(**shared | method), seeds, splits)

    return job


@pytest.fixture(scope="session")
def repro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a temporary clone in which `dvc repro` has run on tiny parameters; tests leave it as it is."""
    folder = pipeline.clone(tmp_path_factory.mktemp("clone"))
    pipeline.run(folder, "dvc", "repro")
    return folder


@pytest.fixture
def store(repro: Path) -> Any:
    """Return a client of the clone's MLflow store."""
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{repro / 'mlflow.db'}")
