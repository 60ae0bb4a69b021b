"""Rows of the table, and how they are timed."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

Row = dict[str, Any]
Timed = Callable[[], float]
"""Does the work once and returns the seconds that count (without set-up)."""

SIDE = 512
"""Of the square matrices whose product gives the speed of sgemm."""


@contextmanager
def one_core() -> Iterator[None]:
    """Keep the process, and all threads any library starts, on one core."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(all_cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


def seconds(work: Callable[[], Any]) -> float:
    """Return how long some work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def sgemm() -> float:
    """Return the seconds of one multiplication and addition in a float32 product of (512, 512) matrices."""
    a = np.ones((SIDE, SIDE), np.float32)
    out = np.empty_like(a)
    return min(seconds(lambda: np.dot(a, a, out)) for _ in range(5)) / SIDE**3


def alternating(rounds: int, *sides: Timed) -> list[float]:
    """Return the median seconds of each side, all sides taking turns, so that none has the quiet machine to itself."""
    times = [[side() for side in sides] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def row(name: str, peer: str, ours: float, theirs: float, least: float | None = None) -> Row:
    """Return a row of `results.json`.

    Parameters
    ----------
    ours, theirs : float
        Seconds.
    least : float, optional
        Seconds that the arithmetic by itself would take at the speed of sgemm.
    """
    return {
        "name": name,
        "peer": peer,
        "ours_s": ours,
        "peer_s": theirs,
        "ratio": theirs / ours,
        "limit_fraction": None if least is None else least / ours,
        "threads": 1,
    }
