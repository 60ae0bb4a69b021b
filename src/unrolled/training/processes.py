"""Work that is not training, side by side in processes of this machine, one thread each."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from unrolled.training import workers

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield function(item) in the order of the items, by at most `workers.count()` processes; longest first is best.

    Each process starts afresh, since a fork of a process with threads (MLflow's, BLAS's) may hang. It has one thread,
    also where there is one process only, so that no sum depends on how many there are.
    """
    every = list(items)
    with (
        workers.own_environment(),
        ProcessPoolExecutor(max(1, min(workers.count(), len(every))), get_context("spawn")) as pool,
    ):
        yield from pool.map(function, every)
