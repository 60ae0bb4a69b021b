"""Where Hessian-free steps go: how much gradient and how much curvature lie along them, against plain descent."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from unrolled.config import Study, Theory
from unrolled.data.system import make
from unrolled.models.initialiser import Setting
from unrolled.models.network import Network
from unrolled.registry import load
from unrolled.training.curvature import Curvature
from unrolled.training.optimiser import Batch
from unrolled.training.optimisers.hessian_free import HessianFree, dot
from unrolled.training.population import Population

STEP = 0.1
"""Δt of the oscillator whose response the networks learn, in units of its time."""


def data(row: Theory) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of some driven oscillators, (N, T, D) and (N, T, K), in float64."""
    sizes: dict[str, Any] = {"train": 32, "val": 1, "test": 1, "window": 1, "epochs": 1, "batch": 32}
    study = Study(question="?", system="oscillator", task="response", step=STEP, steps=60, score="rmse", **sizes)
    splits, _ = load("tasks", "response")().build(study, make("oscillator", {}))
    train = splits["train"]
    return torch.from_numpy(train["inputs"]).double(), torch.from_numpy(train["targets"]).double()


def population(row: Theory, x: Tensor, y: Tensor, optimiser: HessianFree) -> Population:
    """Return one small tanh network a seed, as the uniform initialiser starts it."""
    network = Network(load("cells", "elman")(x.shape[2], row.newton_hidden, "tanh", x.shape[1]), y.shape[2])
    setting = Setting(network.shapes, None, STEP, x.shape[1])
    drawn = [load("initialisers", "uniform").initialise(setting, np.random.default_rng(s)) for s in range(3)]
    theta = torch.stack([network.pack({name: torch.from_numpy(a) for name, a in each.items()}) for each in drawn])
    return Population(network, optimiser, theta, torch.ones(len(theta), dtype=torch.float64), False)


def along(learners: Population, batch: Batch, d: Tensor) -> tuple[Tensor, Tensor]:
    """Return gᵀd/‖d‖ and dᵀGd/‖d‖², (S,): slope and Gauss-Newton curvature of the loss along d (S, P)."""
    (gradient,) = torch.autograd.grad(learners.losses(batch).sum(), learners.theta)
    size, none = d.norm(dim=1), torch.zeros(len(d), dtype=d.dtype)
    return dot(gradient, d) / size, dot(d, Curvature(learners, batch).product(d, none)) / size**2


def measure(row: Theory) -> pd.DataFrame:
    """Return, for each update and seed, slope and curvature along the step over those along the gradient itself.

    A ratio of slopes of 0.05 says that the loss falls 20 times less steeply along the step than down
    the gradient; Newton goes there all the same if the curvature is smaller still.
    """
    x, y = data(row)
    optimiser = HessianFree()
    learners = population(row, x, y, optimiser)
    replicas = len(learners.theta)
    batch = (x.expand(replicas, *x.shape), y.expand(replicas, *y.shape))
    optimiser.begin(learners, (x, batch[1]))
    tables = []
    for update in range(row.newton_updates):
        before = learners.theta.detach().clone()
        loss = optimiser.update(learners, batch)
        step = learners.theta.detach() - before
        here = Population(learners.network, optimiser, before, learners.rates, False)
        (gradient,) = torch.autograd.grad(here.losses(batch).sum(), here.theta)
        (slope, bend), (steepest, curvature) = (along(here, batch, d) for d in (step, -gradient))
        each = {"update": update, "seed": range(replicas), "loss": loss.numpy()}
        ratios = {"slope": (slope / steepest).numpy(), "curvature": (bend / curvature).detach().numpy()}
        tables.append(pd.DataFrame({**each, **ratios}))
    return pd.concat(tables, ignore_index=True)


def numbers(table: pd.DataFrame) -> dict[str, Any]:
    """Return the medians over the second half of the updates, when the first steep descent is over."""
    late = table[table["update"] >= table["update"].max() / 2]
    return {"slope": float(late["slope"].median()), "curvature": float(late["curvature"].median())}
