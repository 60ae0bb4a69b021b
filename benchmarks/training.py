"""Training ten networks: one population, against `torch.nn` + Lightning one at a time, and against JAX."""

import logging
import time
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks._measure import Row, alternating, row, sgemm
from unrolled.models.network import Network
from unrolled.registry import load
from unrolled.training.population import Population

SIZES = [(200, 32, 32), (200, 32, 64), (1000, 32, 16)]  # T, B, H
GATES = {"elman": 1, "gru": 3, "lstm": 4}
PEERS = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}
REPLICAS, WARM, RATE, ROUNDS = 10, 2, 1e-3, 5
UPDATES = {200: 10, 1000: 4}
"""Updates that count, after `WARM` that do not, by T."""


def arithmetic(steps: int, batch: int, hidden: int, gates: int, inputs: int = 1) -> int:
    """Return the multiplications (each with an addition) of one update of one network.

    Forward [h, x, 1] w; backward δ Wᵀ and [h, x, 1]ᵀ δ; and the readout with its two gradients.
    """
    rows, columns = hidden + inputs + 1, gates * hidden
    return steps * batch * (2 * rows * columns + columns * hidden + 3 * hidden)


def data(steps: int, batch: int) -> tuple[Tensor, Tensor]:
    """Return a sine with a phase for each sequence, and the same one step later, (B, T, 1)."""
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (batch, 1, 1))
    waves = np.sin(0.1 * np.arange(steps + 1)[:, None] + phases).astype(np.float32)
    return torch.from_numpy(waves[:, :-1]), torch.from_numpy(waves[:, 1:])


class Clock(pl.Callback):
    """Seconds from the end of the warm-up to the end of the epoch."""

    begun = spent = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int) -> None:
        """Begin after the warm-up."""
        if index == WARM:
            self.begun = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop."""
        self.spent = time.perf_counter() - self.begun


def fit(module: pl.LightningModule, batches: list[tuple[Tensor, Tensor]]) -> float:
    """Return the seconds that Lightning takes for all batches but the first `WARM`."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    clock = Clock()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=1, accelerator="cpu", devices=1, callbacks=[clock], enable_model_summary=False, **quiet
        )
        trainer.fit(module, DataLoader(batches, batch_size=None))
    return clock.spent


def ours(cell: str, steps: int, batch: int, hidden: int) -> float:
    """Return the seconds of a population."""
    x, y = data(steps, batch)
    population = make(cell, hidden, REPLICAS)
    batches = [(x.expand(REPLICAS, *x.shape), y)] * (WARM + UPDATES[steps])
    return fit(population, batches)


def make(cell: str, hidden: int, replicas: int) -> Population:
    """Return a population with random weights."""
    network = Network(load("cells", cell)(1, hidden=hidden), 1)
    theta = torch.randn(replicas, network.parameters, generator=torch.Generator().manual_seed(0)) / hidden**0.5
    return Population(network, load("optimisers", "adam")(), theta, torch.full((replicas,), RATE), many_to_one=False)


class Single(pl.LightningModule):
    """What one would write with `torch.nn`: a recurrent layer, a linear one, Adam."""

    def __init__(self, cell: str, hidden: int) -> None:
        super().__init__()
        self.cell = getattr(nn, PEERS[cell])(1, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the mean square error."""
        x, y = batch
        return nn.functional.mse_loss(self.readout(self.cell(x)[0]), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), RATE)


def one_at_a_time(cell: str, steps: int, batch: int, hidden: int) -> float:
    """Return the seconds of ten networks of torch, one after the other."""
    batches = [data(steps, batch)] * (WARM + UPDATES[steps])
    return sum(fit(Single(cell, hidden), batches) for _ in range(REPLICAS))


def with_jax(cell: str, steps: int, batch: int, hidden: int) -> float:
    """Return the seconds of `scan` + `vmap` under `jit`."""
    from benchmarks import _jax  # only in the extra `bench`

    x, y = data(steps, batch)
    return _jax.train(cell, x.numpy(), y.numpy(), hidden, REPLICAS, RATE, WARM, UPDATES[steps])


def rows(cells: tuple[str, ...] = tuple(PEERS), rounds: int = ROUNDS) -> Iterator[Row]:
    """Yield two rows for each cell and size: against torch, and against JAX."""
    for cell in cells:
        for steps, batch, hidden in SIZES:
            sides = [partial(side, cell, steps, batch, hidden) for side in (ours, one_at_a_time, with_jax)]
            sides[0]()  # compiles, or reads the compiled kernel
            mine, torchs, jaxs, unit = alternating(rounds, *sides, sgemm)
            least = unit * REPLICAS * UPDATES[steps] * arithmetic(steps, batch, hidden, GATES[cell])
            name = f"{cell} T{steps} B{batch} H{hidden}"
            yield row(name, f"torch.nn.{PEERS[cell]} + Lightning", mine, torchs, least)
            yield row(name, "JAX scan + vmap under jit", mine, jaxs, least)
