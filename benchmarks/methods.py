"""Other cells against their textbook form, echo state networks against reservoirpy, Hessian-free in gradients."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from benchmarks._measure import Row, alternating, row, seconds
from benchmarks.training import REPLICAS, data, make
from unrolled.data.system import make as system
from unrolled.models.closed_loop import free_run
from unrolled.models.initialiser import Arrays, Problem
from unrolled.models.network import Network
from unrolled.registry import load
from unrolled.training.optimisers.ridge import GRID
from unrolled.training.population import Population

STEPS, BATCH, HIDDEN, ROUNDS, UPDATES = 200, 32, 64, 5, 3
UNITS, LENGTH, VALIDATION, FORECAST, LEAK = 500, 4000, 500, 1000, 0.3
WASHOUT = 100


def updates(cell: str, compiled: bool, replicas: int) -> float:
    """Return the seconds of some updates of some networks, by the compiled loop or by the textbook form."""
    x, y = data(STEPS, BATCH)
    population, batch = make(cell, HIDDEN, replicas), (x.expand(replicas, *x.shape), y)
    own = population.network.cell
    if not compiled:
        own.run = lambda w, x, state=None: own.unroll(w, x, own.start(x))  # type: ignore[method-assign]
    population.optimiser.update(population, batch)
    return seconds(lambda: [population.optimiser.update(population, batch) for _ in range(UPDATES)])


def one_at_a_time(cell: str) -> float:
    """Return the seconds of the textbook form in PyTorch, one network after the other."""
    return sum(updates(cell, compiled=False, replicas=1) for _ in range(REPLICAS))


def reservoir() -> tuple[Network, Arrays]:
    """Return an echo state network and its matrices, a tenth of the recurrent weights not zero."""
    network = Network(load("cells", "leaky")(1, hidden=UNITS, leak_rate=LEAK), 1, washout=WASHOUT)
    settings = {"spectral_radius": 0.95, "connections": UNITS // 10, "input_scale": 0.5}
    problem = Problem(network.weights(), system("sine", {}), 0.1)
    return network, load("initialisers", "echo_state")(**settings).initialise(problem, np.random.default_rng(0))


def series() -> np.ndarray:
    """Return a sum of two sines that do not repeat, (LENGTH + VALIDATION + 1, 1)."""
    times = 0.1 * np.arange(LENGTH + VALIDATION + 1)
    return (np.sin(times) + np.sin(0.7 * times))[:, None]


def ours(network: Network, arrays: Arrays) -> np.ndarray:
    """Return the forecast (FORECAST, 1) after fitting with the best λ of the grid on validation data."""
    values = torch.from_numpy(series()).float()
    theta = network.pack({name: torch.from_numpy(array) for name, array in arrays.items()})[None].float()
    ridge = load("optimisers", "ridge")()
    population = Population(network, ridge, theta, torch.zeros(1), many_to_one=False)

    def split(first: int, last: int) -> tuple[Tensor, Tensor]:
        return values[None, first:last], values[None, first + 1 + WASHOUT : last + 1]

    ridge.finish(population, split(0, LENGTH), split(LENGTH - WASHOUT, LENGTH + VALIDATION))
    warm = values[None, None, : LENGTH + 1][:, :, -VALIDATION:]
    return free_run(network, network.unpack(population.best), warm, FORECAST)[0, 0].numpy()


def with_reservoirpy(arrays: Arrays) -> np.ndarray:
    """Return the same by reservoirpy: states once, a ridge regression for each λ, a forecast by the best."""
    from reservoirpy.nodes import Reservoir, Ridge

    values, w = series(), scipy.sparse.csr_array(arrays["W"].T)
    nodes = Reservoir(units=UNITS, lr=LEAK, W=w, Win=arrays["U"].T.copy(), bias=arrays["b"][0])
    states = nodes.run(values[:-1])
    fit, check = slice(WASHOUT, LENGTH), slice(LENGTH, LENGTH + VALIDATION)
    ridges = []
    for penalty in GRID:
        readout = Ridge(ridge=penalty * (LENGTH - WASHOUT)).fit(states[fit], values[1:][fit])
        ridges.append((float(np.mean((readout.run(states[check]) - values[1:][check]) ** 2)), len(ridges), readout))
    readout, outputs = min(ridges)[2], []
    nodes.reset()
    y = readout.run(nodes.run(values[LENGTH + 1 - VALIDATION : LENGTH + 1]))[-1]
    for _ in range(FORECAST):
        outputs.append(y)
        y = readout.step(nodes.step(y))
    return np.array(outputs)


def hessian_free() -> tuple[Population, tuple[Tensor, Tensor]]:
    """Return ten networks before their first update, and their data: the curvature is taken on half of it."""
    x, y = data(STEPS, 2 * BATCH)
    population = make("elman", HIDDEN, REPLICAS)
    population.optimiser = load("optimisers", "hessian_free")(batches=1)
    population.optimiser.begin(population, (x, y))
    return population, (x, y)


def newton(population: Population, x: Tensor, y: Tensor) -> float:
    """Return the seconds of one update; the epoch has two batches and updates at the first."""
    replicas = len(population.theta)
    half = x[:BATCH].expand(replicas, -1, -1, -1), y[:BATCH].expand(replicas, -1, -1, -1)
    spent = seconds(lambda: population.optimiser.update(population, half))
    population.optimiser.update(population, half)
    return spent


def gradient(population: Population, x: Tensor, y: Tensor) -> float:
    """Return the seconds of one gradient on all data."""
    both = (x.expand(len(population.theta), *x.shape), y)
    return seconds(lambda: torch.autograd.grad(population.losses(both).sum(), population.theta))


def rows(rounds: int = ROUNDS) -> Iterator[Row]:
    """Yield one row for each."""
    for cell in ("cornn", "lem"):
        sides = (
            partial(updates, cell, True, REPLICAS),
            partial(one_at_a_time, cell),
            partial(updates, cell, False, REPLICAS),
        )
        mine, single, textbook = alternating(rounds, *sides)
        name = f"{cell} T{STEPS} B{BATCH} H{HIDDEN}"
        yield row(name, "textbook form in PyTorch, one at a time", mine, single)
        yield row(name, "textbook form in PyTorch, all ten at once", mine, textbook)
    network, arrays = reservoir()
    sides = partial(seconds, partial(ours, network, arrays)), partial(seconds, partial(with_reservoirpy, arrays))
    sides[0]()
    mine, theirs = alternating(rounds, *sides)
    name = f"esn {UNITS} units: fit {LENGTH} steps with {len(GRID)} penalties, forecast {FORECAST}"
    yield row(name, "reservoirpy", mine, theirs)
    population, both = hessian_free()
    gradient(population, *both)
    mine, theirs = alternating(rounds, partial(newton, population, *both), partial(gradient, population, *both))
    name = f"hessian_free, one update, T{STEPS} B{2 * BATCH} H{HIDDEN}"
    yield row(name, "one gradient on the same data", mine, theirs)
