"""What several test files need: a folder of their own, small runs, one-line errors, and a clone that has run."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from filelock import FileLock
from selenium import webdriver

import compiled
import pipeline
import small_studies
import source_copy
from benchmarks._browser import INSTALL, headless
from unrolled import registry
from unrolled.analysis.random_networks import experiments
from unrolled.config import DataRow, Experiment, FitRow, Method, RandomNetworks
from unrolled.data import datasets
from unrolled.data.task import Data
from unrolled.errors import STRICT, UnrolledError
from unrolled.models.cell import Cell
from unrolled.training.runs import Run

Refused = Callable[..., AbstractContextManager[None]]
MakeRun = Callable[..., tuple[Run, Data]]
Experiments = tuple[experiments.Numbers, dict[str, pd.DataFrame]]
SMALL_NETWORKS = RandomNetworks(
    **yaml.safe_load((pipeline.ROOT / "params.yaml").read_text())["random_networks"] | pipeline.RANDOM_NETWORKS
)
"""What is asked of random networks, at small sizes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhaustive", action="store_true", help="the pipeline with every pair of study and method")


def pytest_configure(config: pytest.Config) -> None:
    os.environ[STRICT] = "1"  # a fault in a part of the results fails the test
    if not hasattr(config, "workerinput"):  # before any process of pytest-xdist starts
        compiled.ensure()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, which makes their fixtures once; begin with what takes longest."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=lambda item: item.get_closest_marker("pipeline") is None)


@pytest.fixture(scope="session")
def exhaustive(request: pytest.FixtureRequest) -> bool:
    """Return whether the pipeline shall run on all pairs."""
    return bool(request.config.getoption("--exhaustive"))


def make_cell(name: str, inputs: int, **given: Any) -> Cell:
    """Return a cell by its name, with those of the given settings that it declares."""
    cell: Cell = registry.load("cells", name)(inputs, **registry.settings_of("cells", name, given))
    return cell


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder: every path in `unrolled.paths` is relative."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def made_up_record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stand where the made-up record of `small_studies` lies."""
    folder = tmp_path_factory.mktemp("record")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small_studies.write_record(folder)
        yield


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a copy of the source, of which fingerprints are taken."""
    yield from source_copy.copied(tmp_path, monkeypatch)


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


def experiment_of(row: DataRow, methods: dict[str, dict[str, Any]], score: str = "mse", **fit: Any) -> Experiment:
    """Return an experiment on a study's data, with rows of methods, and what differs in the fit."""
    budget = {"epochs": 3, "batch": 16, "seeds": 2, "tuning_seeds": fit.get("seeds", 2)} | fit
    made = {name: Method(**{"label": "?", "learning_rates": [1e-2]} | method) for name, method in methods.items()}
    scored_on = registry.load("scores", score).test
    about = {"name": "study", "label": "?", "question": "?", "seed": 0, "score": score, "scored_on": scored_on}
    return Experiment(**about, data=row, fit=FitRow(**budget), methods=made)


@pytest.fixture
def make_run() -> MakeRun:
    """Return a maker of small runs with their data: a method's row, and what differs in the study's data and fit."""

    def made(method: dict[str, Any], seeds: int = 2, **change: Any) -> tuple[Run, Data]:
        sizes = {"system": "sine", "task": "next_value", "step": 0.3, "train": 60, "val": 20, "test": 20, "window": 5}
        fit = {key: change.pop(key) for key in tuple(change) if key in FitRow.model_fields}
        score = change.pop("score", "mse")
        row = DataRow.model_validate(sizes | ({} if "task" in change else {"noise": [-0.1, 0.1]}) | change)
        return Run(experiment_of(row, {"method": method}, score, seeds=seeds, **fit), "method"), datasets.make(row)

    return made


@pytest.fixture(scope="session")
def random_networks() -> Experiments:
    """Return the numbers and tables of all experiments on small random networks; tests leave them as they are."""
    return experiments.run(SMALL_NETWORKS)


@pytest.fixture(scope="session")
def repro(tmp_path_factory: pytest.TempPathFactory, exhaustive: bool) -> Path:
    """Return a temporary clone in which `dvc repro` has run on a small table; tests leave it as it is.

    It is made once, whichever process of pytest needs it first.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, said = shared / "repro", shared / "repro.txt"
    with FileLock(shared / "repro.lock"):
        if not said.exists():
            pipeline.clone(folder, exhaustive)
            done = pipeline.run(folder, "dvc", "repro", check=False)
            said.write_text(f"{done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    assert said.read_text().startswith("0\n"), said.read_text()
    return folder


@pytest.fixture
def copy(repro: Path, tmp_path: Path) -> Path:
    """Return a copy of the clone that a test may change."""
    folder = tmp_path / "copy"
    shutil.copytree(repro, folder)
    return folder


@pytest.fixture
def store(repro: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a client of the clone's MLflow store, and stand there: the paths of its artifacts are relative."""
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(repro)
    uri = f"sqlite:///{repro / 'mlflow.db'}"
    return MlflowClient(uri, uri)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Return a headless Chromium; a test is skipped where there is none, and fails where there must be one."""
    chrome = headless(tmp_path_factory.mktemp("chromium"))
    if chrome is None:
        if os.environ.get("UNROLLED_BROWSER") == "required":
            pytest.fail(f"Chromium and its driver are required here: {INSTALL}")
        pytest.skip(f"no Chromium: {INSTALL}")
    yield chrome
    chrome.quit()
