"""Runs spread over Dask workers: one single-threaded process a core, or any cluster that Dask can start."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

from unrolled import environment, lifetime, processes
from unrolled.errors import UnrolledError

if TYPE_CHECKING:  # this module is imported before the workers are forked, so it imports nothing heavy itself
    from distributed import Client, Future

    from unrolled.data.task import Data
    from unrolled.training.runs import Result, Run

ADDRESS = "DASK_SCHEDULER_ADDRESS"
LIBRARIES = "NumPy, SciPy, Numba or PyTorch"
TOPIC = "unrolled"
NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
"""A free port, since Dask opens one all the same and warns where its own is taken by another cluster."""
LARGE = {"distributed.admin.large-graph-warning-threshold": "1 GB"}
"""A study's data go with the graph, once, since what is scattered is lost with the worker that holds it."""
PATIENCE = 10.0
"""Seconds in which a scheduler must answer; its first worker has three times as long."""
EVERY = 1.0
"""Seconds between two progress events of a worker."""


@dataclass(frozen=True)
class Done:
    """A finished run, with the time at which its training began, its seconds, and those of compiling kernels for it."""

    run: Run
    result: Result
    begun: float
    seconds: float
    compiling: float = 0.0


@dataclass(frozen=True)
class Failed:
    """A run that ended in an error; the others go on."""

    run: Run
    reason: str


@dataclass(frozen=True)
class Passed:
    """How many epochs of a run have passed; fewer than before where its worker has died."""

    run: Run
    epochs: float


@dataclass(frozen=True)
class Lost:
    """A run whose worker has died; it is tried again."""

    run: Run


def preload() -> None:
    """Start to load, in the background, what every embedded worker needs; workers are forked from there.

    Call it before `distributed` is imported, which looks only then how to start its processes. A worker that starts
    from nothing spends more time on imports than a small method on training.
    """
    if environment.value(ADDRESS):
        return
    lifetime.own_folder()
    os.environ["DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD"] = "forkserver"
    multiprocessing.set_forkserver_preload(["unrolled.training.server", "unrolled.training.fit", "distributed"])
    with processes.own_environment():
        forkserver.ensure_running()


@contextmanager
def connect(workers: int) -> Iterator[Client]:
    """Yield a client of `DASK_SCHEDULER_ADDRESS`, or else of so many workers on this machine."""
    import dask
    from distributed import Client, LocalCluster

    address = environment.value(ADDRESS)
    if address:
        try:
            client = Client(address, timeout=PATIENCE)
            if not client.nthreads():
                print(f"waiting for a worker of the Dask scheduler at {address}", flush=True)
            client.wait_for_workers(1, timeout=3 * PATIENCE)
        except (OSError, ValueError, TimeoutError) as error:
            what = "has no workers" if isinstance(error, TimeoutError) else "does not answer"
            raise UnrolledError(
                f"the Dask scheduler at DASK_SCHEDULER_ADDRESS={address} {what}: start it, or unset the variable "
                f"to use this machine's cores ({type(error).__name__})"
            ) from None
        with client:
            yield client
        return
    # What goes wrong in a worker comes back as a `Failed`, so Dask need not print it too.
    # One run a worker, the others wait: a run queued at one worker would not move to an idle one.
    settings = {
        "distributed.nanny.pre-spawn-environ": processes.ENVIRONMENT,
        "distributed.scheduler.worker-saturation": 1.0,
        "logging.distributed": "critical",
    }
    with (
        dask.config.set(settings),
        LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit=0, scheduler_kwargs=NO_DASHBOARD) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _hold(data: Data) -> Data:
    """Return the data: as a task, unlike scattered data, they survive the worker that holds them."""
    return data


def code_of(run: Run) -> str | None:
    """Return the hash of the code that trains a run here, where workers may have another."""
    from unrolled import fingerprint
    from unrolled.training import results

    return fingerprint.of(None, results.sources(run)) if environment.value(ADDRESS) else None


def work(run: Run, data: Data, own: str | None = None, code: str | None = None) -> tuple[Result, float, float, float]:
    """Train one run on a worker, publishing its progress; parts of a long one are kept under its fingerprint `own`.

    Returns the result, when the fit began, the seconds that it took, and beside them those of compiling kernels.

    Raises
    ------
    UnrolledError
        If this worker has other code than the hash says.
    """
    import torch  # here, because only workers need it and Lightning
    from distributed import get_worker
    from numba.core import event

    from unrolled import fingerprint
    from unrolled.training import results
    from unrolled.training.fit import fit
    from unrolled.training.parts import NOWHERE, Parts

    if code is not None and fingerprint.of(None, results.sources(run)) != code:
        where = get_worker().address
        raise UnrolledError(f"the worker {where} has another version of this package, or of {LIBRARIES}: install ours")
    os.setpriority(os.PRIO_PROCESS, 0, 5)  # so that whoever starts the stage, and its log, is not kept waiting
    torch.set_num_threads(1)
    worker, passed, last = get_worker(), 0.0, time.monotonic()

    def progress(epochs: float) -> None:
        nonlocal passed, last
        passed += epochs
        if time.monotonic() - last >= EVERY:
            worker.log_event(TOPIC, (run.study, run.name, passed))
            last = time.monotonic()

    compiled: list[float] = []
    moment, begun = time.time(), time.perf_counter()
    with event.install_timer("numba:compile", compiled.append):
        parts = NOWHERE if own is None else Parts.of(run, data, results.parts_of(own))
        result = fit(run, data, progress, parts)
    compiling = sum(compiled)
    return result, moment, time.perf_counter() - begun - compiling, compiling


def train(
    client: Client, runs: list[Run], data: dict[str, Data], mark: Callable[[Run], str] | None = None
) -> Iterator[Passed | Lost | Done | Failed]:
    """Hand the runs to the workers in this order; yield how far they are, and what is done or has failed.

    The data of a study go to the workers once. A run whose worker dies is tried again elsewhere by Dask, three times.

    Parameters
    ----------
    mark : callable, optional
        Gives the fingerprint of a run, under which the parts of a long one are kept; by default none is.
    """
    import queue

    import dask
    from distributed import as_completed

    known = {(run.study, run.name): run for run in runs}
    news: queue.SimpleQueue[Passed | Lost] = queue.SimpleQueue()
    client.subscribe_topic(TOPIC, lambda event: news.put(Passed(known[event[1][:2]], event[1][2])))
    client.subscribe_topic("all", lambda event: [*map(news.put, _lost(event[1], known))])
    with dask.config.set(LARGE):
        placed = {
            study: client.submit(_hold, arrays, key=f"data {study}", pure=False) for study, arrays in data.items()
        }
    futures = {}
    for key, run in known.items():  # Dask takes the first of a pair as the name of the group, which it queues
        given = run, placed[run.study], mark and mark(run), code_of(run)
        futures[client.submit(work, *given, key=key, pure=False)] = run
    waiting = as_completed(futures, raise_errors=False)
    while futures:
        time.sleep(0.1)
        while not news.empty():
            yield news.get()
        if not waiting.is_empty() and waiting.has_ready():
            for future in waiting.next_batch(block=False):
                yield _outcome(future, futures.pop(future))
    for topic in (TOPIC, "all"):
        client.unsubscribe_topic(topic)


def _lost(message: Any, known: dict[tuple[str, str], Run]) -> list[Lost]:
    """Return what a worker was at, if the message says that it is gone."""
    if not isinstance(message, dict) or message.get("action") != "remove-worker" or message.get("expected"):
        return []
    return [Lost(known[key]) for key in message["processing-tasks"] if key in known]


def _outcome(future: Future, run: Run) -> Done | Failed:
    from distributed import KilledWorker

    try:  # `result()` waits for Dask to compute a result anew that was lost with its worker
        result, begun, seconds, compiling = future.result()
    except UnrolledError as error:
        return Failed(run, str(error))
    except KilledWorker:
        return Failed(run, "its worker died again and again, as where memory is short: set UNROLLED_WORKERS=1")
    except Exception as error:
        return Failed(run, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return Done(run, result, begun, seconds, compiling)
