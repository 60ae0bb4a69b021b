"""Slope and curvature of the loss along Hessian-free steps, over those along the gradient."""

from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pandas as pd

from unrolled.analysis.random_networks.estimate import Estimate, estimate
from unrolled.config import DataRow, RandomNetworks
from unrolled.data.system import make
from unrolled.data.tasks.response import Response
from unrolled.models.cells.elman import Elman
from unrolled.models.initialiser import Problem
from unrolled.models.initialisers.uniform import Uniform
from unrolled.models.network import Network
from unrolled.models.pytorch import Tensor, torch
from unrolled.training.curvature import Curvature
from unrolled.training.optimiser import Batch
from unrolled.training.optimisers.hessian_free import HessianFree, dot

if TYPE_CHECKING:  # a LightningModule, whose import takes longer than all else here
    from unrolled.training.population import Population

STEP = 0.1
"""Δt of the oscillator on whose response the networks are trained, in units of its time."""
TINY = 1e-12
"""The least ratio whose logarithm is taken."""
COLUMNS = ("update", "seed", "loss", "slope", "curvature")
"""Of the table of `measure`; slope and curvature are ratios."""


class Numbers(TypedDict):
    """log10 of both ratios, over the networks: each one's mean over the second half of the updates.

    By then the first steep descent is over.
    """

    slope: Estimate
    curvature: Estimate


def data(row: RandomNetworks) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of some driven oscillators, (N, T, D) and (N, T, K), in float64."""
    study = DataRow(task="response", system="oscillator", step=STEP, train=32, val=1, test=1, window=1)
    train = Response(steps=60).datasets(study, make("oscillator", {})).train
    return torch.from_numpy(train["inputs"]).double(), torch.from_numpy(train["targets"]).double()


def make_population(row: RandomNetworks, x: Tensor, y: Tensor, optimiser: HessianFree) -> "Population":
    """Return one small tanh network a seed, with the weights of the initialiser `uniform`."""
    from unrolled.training.population import Population

    network = Network(Elman(x.shape[2], hidden=row.newton_hidden), y.shape[2])
    problem = Problem(network.weights(), None, STEP, x.shape[1])
    drawn = [Uniform().initialise(problem, np.random.default_rng(seed)) for seed in range(3)]
    theta = torch.stack([network.pack({name: torch.from_numpy(a) for name, a in each.items()}) for each in drawn])
    return Population(network, optimiser, theta, torch.ones(len(theta), dtype=torch.float64), False)


def along(population: "Population", batch: Batch, d: Tensor) -> tuple[Tensor, Tensor]:
    """Return gᵀd/‖d‖ and dᵀGd/‖d‖², (S,): slope and Gauss-Newton curvature of the loss along d (S, P)."""
    (gradient,) = torch.autograd.grad(population.losses(batch).sum(), population.theta)
    size, none = d.norm(dim=1), torch.zeros(len(d), dtype=d.dtype)
    return dot(gradient, d) / size, dot(d, Curvature(population, batch).product(d, none)) / size**2


def measure(row: RandomNetworks) -> pd.DataFrame:
    """Return, for each update and seed, slope and curvature along the step over those along the gradient itself.

    A ratio of slopes of 0.05 says that the loss falls 20 times less steeply along the step than down
    the gradient; Newton's method still takes it if the curvature is smaller still.
    """
    x, y = data(row)
    optimiser = HessianFree()
    population = make_population(row, x, y, optimiser)
    replicas = len(population.theta)
    batch = (x.expand(replicas, *x.shape), y.expand(replicas, *y.shape))
    optimiser.begin(population, (x, batch[1]))
    tables = []
    for update in range(row.newton_updates):
        before = population.theta.detach().clone()
        loss = optimiser.update(population, batch)
        step = population.theta.detach() - before
        here = type(population)(population.network, optimiser, before, population.learning_rates, False)
        (gradient,) = torch.autograd.grad(here.losses(batch).sum(), here.theta)
        (slope, bend), (steepest, curvature) = (along(here, batch, d) for d in (step, -gradient))
        each = {"update": update, "seed": range(replicas), "loss": loss.numpy()}
        ratios = {"slope": (slope / steepest).numpy(), "curvature": (bend / curvature).detach().numpy()}
        tables.append(pd.DataFrame({**each, **ratios}))
    return pd.concat(tables, ignore_index=True)


def numbers(table: pd.DataFrame) -> Numbers:
    """Return what the table comes to."""
    late = table[table["update"] >= table["update"].max() / 2].set_index("seed")[["slope", "curvature"]]
    found = np.log10(late.clip(lower=TINY)).groupby(level="seed").mean()
    return {"slope": estimate(found["slope"]), "curvature": estimate(found["curvature"])}
