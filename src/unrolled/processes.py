"""Work side by side in processes of this machine, one thread each."""

import functools
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from typing import TypeVar

from unrolled import environment, lifetime
from unrolled.errors import UnrolledError

Item = TypeVar("Item")
Result = TypeVar("Result")
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Keep freed memory: handing a large array back and taking a new one each step cost up to 40 %.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
}
"""Of each process: one thread, because processes use the cores; and its memory is its own."""


QUIET = {"PYTHONWARNINGS": "ignore:resource_tracker"}
"""Of Python's process that removes semaphores: that there are some where a program ended at once is no news."""


@contextmanager
def own_environment() -> Iterator[None]:
    """Set `ENVIRONMENT` for processes that start meanwhile, and keep Ctrl-C from them: this one ends them."""
    own = ENVIRONMENT | QUIET | {lifetime.STARTED_BY: str(os.getpid())}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    resource_tracker.ensure_running()  # first, since it would let Ctrl-C through again
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


@functools.cache
def cores() -> int:
    """Return how many cores this process may use: those of the machine, of its affinity, of its control group."""
    from dask.system import cpu_count

    return int(cpu_count())


def count() -> int:
    """Return how many processes work side by side: as `UNROLLED_WORKERS` says, by default one a core."""
    asked = environment.value("UNROLLED_WORKERS")
    return cores() if asked is None else int(asked)


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield function(item) in the order of the items, by at most `count()` processes; longest first is best.

    Each process starts afresh, since a fork of a process with threads (MLflow's, BLAS's) may hang. It has one thread,
    also where there is one process only, so that no sum depends on how many there are. It ends with this one.

    Raises
    ------
    UnrolledError
        If a process was ended from outside.
    """
    every = list(items)
    workers = max(1, min(count(), len(every)))
    with own_environment():
        pool = ProcessPoolExecutor(workers, get_context("spawn"), lifetime.end_with_parent)
        found = pool.map(function, every)
    with pool:
        try:
            yield from found
        except BrokenProcessPool:
            raise UnrolledError(
                f"one of {workers} processes was ended from outside, as where memory is short: free some, or set "
                "UNROLLED_WORKERS=1; the same command goes on from there"
            ) from None
