"""Embedded workers: forked from one process that has PyTorch and Lightning in memory already.

A process that starts from nothing spends more time on imports than a small method on learning.
Imports nothing heavy itself, so that the loading can begin before anything else.
"""

import multiprocessing
import os
from multiprocessing import forkserver

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Keep freed memory: handing a large array back and taking a new one each step cost up to 40 %.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
}
"""Of an embedded worker: one thread, because processes use the cores; and its memory is its own."""


def preload() -> None:
    """Start to load, in the background, what every worker needs; `fan_out` forks its workers from there.

    Call it before `distributed` is imported, which looks only then how to start its processes.
    """
    if os.environ.get("DASK_SCHEDULER_ADDRESS"):
        return
    os.environ["DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD"] = "forkserver"
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    multiprocessing.set_forkserver_preload(["unrolled.training.learn", "distributed"])
    forkserver.ensure_running()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
