"""Jobs on workers: what a worker's death takes with it is made again; what a job raises comes back as one line."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from distributed import Client, Future

from conftest import MakeJob
from unrolled.errors import UnrolledError
from unrolled.training import fan_out
from unrolled.training.fan_out import Done, Failed

pytestmark = pytest.mark.pipeline
METHOD = {"cell": "elman", "hidden": 4}


def refuse() -> None:
    raise UnrolledError("no such thing: take another")


def divide() -> float:
    return 1 / 0


def submit(client: Client, function: Callable[[], Any]) -> Future:
    """Run a function on a worker to its end."""
    future = client.submit(function, pure=False)
    future.exception()
    return future


def test_a_result_that_dies_with_its_worker_is_made_again(make_job: MakeJob) -> None:
    job = make_job(METHOD)
    with fan_out.connect(1) as client:
        future = submit(client, lambda: ("the result", 1.5))
        (worker,) = client.run(os.getpid).values()
        os.kill(worker, signal.SIGKILL)
        until = time.monotonic() + 20
        while future.status == "finished":
            assert time.monotonic() < until
            time.sleep(0.01)
        assert fan_out._outcome(future, job) == Done(job, "the result", 1.5)  # type: ignore[arg-type]


def test_what_a_job_raises_comes_back(make_job: MakeJob) -> None:
    job = make_job(METHOD)
    with fan_out.connect(1) as client:
        refused, failed = fan_out._outcome(submit(client, refuse), job), fan_out._outcome(submit(client, divide), job)
    assert refused == Failed(job, "no such thing: take another")
    assert failed == Failed(job, "ZeroDivisionError: division by zero")
