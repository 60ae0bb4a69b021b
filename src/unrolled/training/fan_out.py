"""Spread jobs over Dask workers: one single-threaded process per core, or any cluster Dask can start."""

import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import dask
from dask.system import CPU_COUNT
from distributed import Client, Future, LocalCluster, as_completed, get_worker

from unrolled.errors import UnrolledError
from unrolled.training.job import Job, Replica, Result
from unrolled.training.workers import ENVIRONMENT

TOPIC = "unrolled"
EVERY = 1.0
"""Seconds between two progress events of a worker."""


@dataclass(frozen=True)
class Progress:
    """Epochs finished since the last event: losses of every replica, (S,) lists, and the trial of each."""

    job: str
    trials: list[int]
    again: bool
    """Whether these are the seeds that learn after the choice of a trial."""
    first_epoch: int
    train: list[list[float]]
    val: list[list[float]]


@dataclass(frozen=True)
class Done:
    """A finished job."""

    job: Job
    result: Result
    seconds: float


@dataclass(frozen=True)
class Failed:
    """A job that ended in an error; the others go on."""

    job: Job
    reason: str


@contextmanager
def connect(jobs: int) -> Iterator[Client]:
    """Yield a client of `DASK_SCHEDULER_ADDRESS`, or else of an embedded cluster on this machine.

    `UNROLLED_WORKERS` sets the number of embedded workers (default: one a core).
    """
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address:
        try:
            client = Client(address, timeout="10s")
        except (OSError, ValueError) as error:
            raise UnrolledError(
                f"no Dask scheduler answers at DASK_SCHEDULER_ADDRESS={address}: start it, or unset the variable "
                f"to use this machine's cores ({type(error).__name__})"
            ) from None
        with client:
            yield client
        return
    workers = min(int(os.environ.get("UNROLLED_WORKERS", CPU_COUNT)), jobs)
    # What goes wrong in a worker comes back as a `Failed`, so Dask need not print it too.
    # One job a worker, the others wait: a job queued at one worker would not move to an idle one.
    settings = {
        "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
        "distributed.scheduler.worker-saturation": 1.0,
        "logging.distributed": "critical",
    }
    with (
        dask.config.set(settings),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _key(job: Job) -> tuple[str, str]:
    """Return Dask's name of the job; of pairs Dask takes the first as the name of the group, which it queues."""
    return job.study_name, job.method_name


def _dearest_first(job: Job) -> tuple[bool, bool, int]:
    """Order jobs so that the longest are not the last: those with nothing compiled, then by weights."""
    network = job.network()
    return not job.iterative, hasattr(network.cell, "fused"), -network.parameters


def work(job: Job) -> tuple[Result, float]:
    """Learn one job on a worker, publishing its progress; return the result and the seconds it took."""
    import torch  # here, because only workers need it and Lightning

    from unrolled.training.learn import learn

    os.setpriority(os.PRIO_PROCESS, 0, 5)  # so that whoever starts the stage, and its log, is not kept waiting
    torch.set_num_threads(1)
    worker, sent, last = get_worker(), 0, time.monotonic()

    def progress(history: dict[str, list[Any]], replicas: list[Replica]) -> None:
        nonlocal sent, last
        epochs = len(history["train"])
        sent = sent if epochs > sent else 0  # the second round counts from the start
        if time.monotonic() - last >= EVERY or epochs == job.study.epochs:
            new = {name: [loss.tolist() for loss in rows[sent:epochs]] for name, rows in history.items()}
            trials, again = [trial for _, trial in replicas], replicas[0][0] > 0
            event = {"job": job.method_name, "trials": trials, "again": again, "first_epoch": sent}
            worker.log_event(TOPIC, event | new)
            sent, last = epochs, time.monotonic()

    begun = time.perf_counter()
    result = learn(job, progress)
    return result, time.perf_counter() - begun


def run(client: Client, jobs: list[Job]) -> Iterator[Progress | Done | Failed]:
    """Hand the jobs to the workers, dearest first, and yield what happens as it happens.

    A job whose worker dies is tried again elsewhere by Dask, three times.
    """
    news: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.subscribe_topic(TOPIC, lambda event: news.put(event[1]))
    futures = {client.submit(work, job, key=_key(job), pure=False): job for job in sorted(jobs, key=_dearest_first)}
    waiting = as_completed(futures, raise_errors=False)
    while futures:
        time.sleep(0.2)
        while not news.empty():
            event = news.get()
            yield Progress(**{part.name: event[part.name] for part in fields(Progress)})
        if not waiting.is_empty() and waiting.has_ready():
            for future in waiting.next_batch(block=False):
                yield _outcome(future, futures.pop(future))
    client.unsubscribe_topic(TOPIC)


def _outcome(future: Future, job: Job) -> Done | Failed:
    try:  # waits again where a worker took its result to the grave
        result, seconds = future.result()
    except UnrolledError as error:
        return Failed(job, str(error))
    except Exception as error:
        return Failed(job, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return Done(job, result, seconds)
