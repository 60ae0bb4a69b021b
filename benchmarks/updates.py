"""A whole update at the sizes of the studies, against the kernels of its recurrence alone: at best the ratio is 1."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks._measure import Row, alternating, row, seconds
from benchmarks.training import PEERS, RATE, REPLICAS, make
from unrolled.training.batches import PopulationData
from unrolled.training.update import CompiledUpdate
from unrolled.training.workspace import Workspace

SIZES = [(50, 10, 32), (400, 8, 64), (1000, 2, 16), (1000, 2, 34), (20, 32, 64)]  # T, B, H
ROUNDS, LEAST = 5, 5
"""Rounds, and updates in each of which the fastest counts."""


def prepared(cell: str, steps: int, batch: int, hidden: int) -> tuple[CompiledUpdate, torch.Tensor]:
    """Return the updates of a population on noise, many-to-many, and the order (S, B) of an epoch of one batch."""
    random = np.random.default_rng(0)
    split = {key: random.standard_normal((batch, steps, 1)).astype(np.float32) for key in ("inputs", "targets")}
    data = PopulationData(split, split, batch, list(range(REPLICAS)))
    order = torch.from_numpy(np.stack([random.permutation(batch) for _ in range(REPLICAS)]))
    return CompiledUpdate(make(cell, hidden, REPLICAS), data), order


def kernels_of(update: CompiledUpdate, batch: int) -> Callable[[], None]:
    """Return what runs forward and adjoint of all replicas at once, and nothing else."""
    (segment,) = update.segments
    work, own = Workspace(update, segment, len(update.theta), batch), segment.arrangement
    forward, adjoint = work.cell.kernels()
    own.fill(update.theta)

    def run() -> None:
        for each in (*work.state, *work.d_state):
            each.fill(0)
        forward(work.x, *own.weights, *work.state, *work.buffers, *work.constants)
        adjoint(work.g, work.x, *own.weights, *work.buffers, *work.d_state, *own.gradients, work.dx, *work.constants)

    work.x.fill(RATE)
    return run


def rows(cells: tuple[str, ...] = tuple(PEERS), rounds: int = ROUNDS) -> Iterator[Row]:
    """Yield a row for each cell and size."""
    for cell in cells:
        for steps, batch, hidden in SIZES:
            update, order = prepared(cell, steps, batch, hidden)
            alone = kernels_of(update, batch)
            sides = (lambda update=update, order=order: update.epoch(order)), alone
            for side in sides:
                side()  # compiles, or reads the compiled kernel
            whole, kernels = alternating(
                rounds, *(lambda side=side: min(seconds(side) for _ in range(LEAST)) for side in sides)
            )
            yield row(f"update {cell} T{steps} B{batch} H{hidden}", "kernels alone", whole, kernels)
