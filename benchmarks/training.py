"""Training ten networks: one population, against `torch.nn` + Lightning one at a time, and against JAX.

All times are those of one update of all ten.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks._lightning import PEERS, RATE, WARM, Single, fit
from benchmarks._measure import Row, Timed, alternating, row, sgemm
from unrolled.models.network import Network
from unrolled.registry import load
from unrolled.training.batches import PopulationData
from unrolled.training.population import Population
from unrolled.training.update import CompiledUpdate

SIZES = [(200, 32, 32), (200, 32, 64), (1000, 32, 16)]  # T, B, H
GATES = {"elman": 1, "gru": 3, "lstm": 4}
REPLICAS, ROUNDS = 10, 5
STEPS, EPOCH = 1500, 16
"""Time steps of all updates of a peer that count in a round; and the fewest updates of an epoch in the studies,
over which Lightning's time for an epoch is spread in ours."""


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


def updates(steps: int) -> int:
    """Return how many updates of a peer count in a round, after `WARM` that do not."""
    return max(1, STEPS // steps)


def epoch(steps: int) -> int:
    """Return how many of ours count."""
    return max(EPOCH, updates(steps))


def make(cell: str, hidden: int, replicas: int) -> Population:
    """Return a population with random weights."""
    network = Network(load("cells", cell)(1, hidden=hidden), 1)
    theta = torch.randn(replicas, network.parameters, generator=torch.Generator().manual_seed(0)) / hidden**0.5
    return Population(network, load("optimisers", "adam")(), theta, torch.full((replicas,), RATE), many_to_one=False)


def prepared(cell: str, steps: int, batch: int, hidden: int) -> tuple[CompiledUpdate, Tensor]:
    """Return the compiled updates of a population, and the indices (S, B) of one batch."""
    inputs, targets = data(steps, batch)
    split = {"inputs": inputs.numpy(), "targets": targets.numpy()}
    batches = PopulationData(split, split, batch, list(range(REPLICAS)))
    return CompiledUpdate(make(cell, hidden, REPLICAS), batches), torch.arange(batch).expand(REPLICAS, -1)


def ours(cell: str, steps: int, batch: int, hidden: int) -> float:
    """Return the seconds of a population, all updates that count being one epoch, as the pipeline trains it."""
    (update, one), count = prepared(cell, steps, batch, hidden), epoch(steps)
    update.population.train_epoch = update.epoch
    return fit(update.population, [one] * WARM + [one.repeat(1, count)]) / count


def one_at_a_time(cell: str, steps: int, batch: int, hidden: int) -> float:
    """Return the seconds of ten networks of torch, one after the other."""
    count = updates(steps)
    batches = [data(steps, batch)] * (WARM + count)
    return sum(fit(Single(cell, hidden), batches) for _ in range(REPLICAS)) / count


def with_jax(cell: str, steps: int, batch: int, hidden: int) -> Timed:
    """Return what measures `scan` + `vmap` under `jit`, compiled once."""
    from benchmarks import _jax  # only in the extra `bench`

    x, y = data(steps, batch)
    return partial(_jax.trainer(cell, x.numpy(), y.numpy(), hidden, REPLICAS, RATE), WARM, updates(steps))


def sides(cell: str, steps: int, batch: int, hidden: int) -> list[Timed]:
    """Return ours, torch's and JAX's, compiled."""
    size = cell, steps, batch, hidden
    mine, jaxs = partial(ours, *size), with_jax(*size)
    mine(), jaxs()
    return [mine, partial(one_at_a_time, *size), jaxs]


def against(name: str, cell: str, mine: float, torchs: float, jaxs: float, least: float | None = None) -> Iterator[Row]:
    """Yield the rows of ours beside torch's, and beside JAX's."""
    yield row(name, f"torch.nn.{PEERS[cell]} + Lightning", mine, torchs, least)
    yield row(name, "JAX scan + vmap under jit", mine, jaxs, least)


def rows(cells: tuple[str, ...] = tuple(PEERS), rounds: int = ROUNDS) -> Iterator[Row]:
    """Yield two rows for each cell and size: against torch, and against JAX."""
    for cell in cells:
        for steps, batch, hidden in SIZES:
            *times, unit = alternating(rounds, *sides(cell, steps, batch, hidden), sgemm)
            least = unit * REPLICAS * arithmetic(steps, batch, hidden, GATES[cell])
            yield from against(f"{cell} T{steps} B{batch} H{hidden}", cell, *times, least)
