"""Runs spread over workers: in which order, how many workers, and what comes back of those that fail."""

import gc
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import distributed
import numpy as np
import pytest
from distributed import Client, LocalCluster

from conftest import MakeRun, Refused
from unrolled import processes
from unrolled.data.task import Data
from unrolled.training import parts, results, workers
from unrolled.training.fit import fit
from unrolled.training.runs import Run
from unrolled.training.workers import Done, Failed, Passed

SMALL = {"cell": "elman", "hidden": 4}
ADDRESS = "DASK_SCHEDULER_ADDRESS"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start without the user's settings, and without long waits; close clients that could not connect.

    Left to the collector, one may be closed while Dask starts the next loop, and wait for that loop's own lock.
    """
    for name in (ADDRESS, "UNROLLED_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    yield
    gc.collect()


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_workers_that_is_none_is_refused(
    asked: str, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setenv("UNROLLED_WORKERS", asked)
    with refused(f"UNROLLED_WORKERS is '{asked}'", "at least 1"):
        processes.count()


def test_the_number_of_workers_is_what_is_asked_or_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 5)
    assert processes.count() == 5
    monkeypatch.setenv("UNROLLED_WORKERS", "3")
    assert processes.count() == 3


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1:9"])
def test_a_scheduler_that_does_not_answer_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setenv(ADDRESS, address)
    with refused(f"{ADDRESS}={address}", "does not answer", "unset the variable"), workers.connect(1):
        pass


def cluster_of(count: int) -> LocalCluster:
    """Return a cluster of so many workers in this process."""
    kwargs = {"processes": False, "scheduler_kwargs": workers.NO_DASHBOARD}
    return LocalCluster(n_workers=count, threads_per_worker=1, **kwargs)


@pytest.fixture
def empty_cluster() -> Iterator[str]:
    with cluster_of(0) as cluster:
        yield cluster.scheduler_address


def test_a_scheduler_without_workers_is_named(
    empty_cluster: str, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setenv(ADDRESS, empty_cluster)
    with refused(ADDRESS, "has no workers", "start it"), workers.connect(1):
        pass


@pytest.fixture
def client() -> Iterator[Client]:
    """Return a client of two workers in this process."""
    with cluster_of(2) as cluster, Client(cluster) as own:
        yield own


def named(run: Run, study: str) -> Run:
    return Run(run.experiment.model_copy(update={"name": study}), run.name)


def test_an_embedded_cluster_has_as_many_workers_as_are_asked_for() -> None:
    with workers.connect(1) as client:
        threads = client.nthreads()
        environment = client.run(lambda: dict(os.environ))
    assert list(threads.values()) == [1]
    assert all(each.items() >= processes.ENVIRONMENT.items() for each in environment.values())


def test_a_run_that_fails_comes_back_with_the_reason_and_the_others_go_on(
    client: Client, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.setpriority", lambda *each: None)
    monkeypatch.setattr(workers, "EVERY", 0.0)
    good, data = make_run(SMALL)
    again, wrong = named(good, "again"), named(make_run(SMALL | {"initialiser": "nonsense"})[0], "wrong")
    broken, runs = named(good, "broken"), [good, again, wrong]
    studies = {"study": data, "again": data, "wrong": data, "broken": Data({}, {}, {})}
    before = time.time()
    news = list(workers.train(client, [*runs, broken], studies))
    done = {each.run.study: each for each in news if isinstance(each, Done)}
    failed = {each.run.study: each for each in news if isinstance(each, Failed)}
    assert set(done) == {"study", "again"} and set(failed) == {"wrong", "broken"}
    assert "initialiser 'nonsense' is not known" in failed["wrong"].reason
    assert failed["broken"].reason.startswith("KeyError") and "\n" not in failed["broken"].reason
    passed = [each.epochs for each in news if isinstance(each, Passed) and each.run == good]
    assert passed == sorted(passed) and passed[0] >= 1 and passed[-1] <= good.epochs
    expected = fit(good, data)
    for each in done.values():
        np.testing.assert_array_equal(each.result.theta, expected.theta)
        assert before <= each.begun <= time.time() and 0 < each.seconds <= time.time() - before


def test_large_data_reach_the_workers_without_a_warning(
    client: Client, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.setpriority", lambda *each: None)
    run, data = make_run(SMALL)
    large = replace(data, facts={"more": np.zeros(2**21)})
    (done,) = (each for each in workers.train(client, [run], {"study": large}) if isinstance(each, Done))
    np.testing.assert_array_equal(done.result.theta, fit(run, data).theta)
    with pytest.warns(UserWarning, match="Sending large graph"):
        client.submit(workers._hold, large, pure=False).result()


@pytest.mark.pipeline
def test_a_result_that_dies_with_its_worker_is_made_again(make_run: MakeRun) -> None:
    run, _ = make_run(SMALL)
    with workers.connect(1) as client:
        future = client.submit(lambda: ("the result", 3.0, 1.5, 0.5), pure=False)
        future.result()
        (worker,) = client.run(os.getpid).values()
        os.kill(worker, signal.SIGKILL)
        until = time.monotonic() + 120
        while future.status == "finished":
            assert time.monotonic() < until
            time.sleep(0.01)
        assert workers._outcome(future, run) == Done(run, "the result", 3.0, 1.5, 0.5)  # type: ignore[arg-type]


def test_a_worker_with_other_code_is_refused(
    client: Client, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data = make_run(SMALL)
    assert workers.code_of(run) is None
    monkeypatch.setattr(workers, "code_of", lambda run: "another hash")
    (news,) = workers.train(client, [run], {"study": data})
    assert isinstance(news, Failed) and "has another version of this package" in news.reason


@pytest.mark.pipeline
def test_a_worker_that_dies_is_told_and_in_the_end_named(make_run: MakeRun) -> None:
    class Deadly:
        """Data that end the process that trains on them, as the system does where memory is short."""

        def __getattr__(self, name: str) -> None:
            if name == "train":
                os.kill(os.getpid(), signal.SIGKILL)
            raise AttributeError(name)

    run, _ = make_run(SMALL)
    with workers.connect(1) as client:
        news = list(workers.train(client, [run], {"study": Deadly()}))  # type: ignore[dict-item]
    assert news[0] == workers.Lost(run) and isinstance(news[-1], Failed)
    assert "memory is short" in news[-1].reason


def test_a_long_run_is_kept_in_parts(make_run: MakeRun, in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, data = make_run(SMALL, seeds=3, tuning_seeds=1, learning_rates=[1e-2])
    monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace(log_event=lambda *event: None))
    monkeypatch.setattr(os, "setpriority", lambda *given: None)
    monkeypatch.setattr(parts, "LONGEST", parts.cost(run, data) / 3)
    result, *_ = workers.work(run, data, "mark")
    assert len(list(results.parts_of("mark").glob("*.npz"))) == 3
    assert np.array_equal(result.theta, fit(run, data).theta)
