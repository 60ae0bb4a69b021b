"""Learn one method on one study: a job in, a result out, nothing else touched."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled import discover
from unrolled.datasets.module import PopulationData
from unrolled.initialisers._base import Setting
from unrolled.params import Method, Study
from unrolled.systems._base import make
from unrolled.tasks._base import Split, Task
from unrolled.training.network import Network
from unrolled.training.population import History, Population

Array = NDArray[Any]


@dataclass(frozen=True)
class Job:
    """One method on one study: all that a worker needs."""

    study_name: str
    method_name: str
    study: Study
    method: Method
    seeds: int
    splits: dict[str, Split]

    @property
    def iterative(self) -> bool:
        """Whether the method learns in epochs with a learning rate."""
        return bool(discover.load("optimisers", str(self.method.optimiser)).iterative)

    def replicas(self) -> list[tuple[int, float]]:
        """Return the (seed, learning rate) of each replica; rate 0 where none is used."""
        rates = (self.method.learning_rates or []) if self.iterative else [0.0]
        return [(seed, rate) for rate in rates for seed in range(self.seeds)]

    def network(self) -> Network:
        """Return the network that the method's row describes, for the study's sizes."""
        return network_of(self.method, self.study.window, self.splits)

    def task(self) -> Task:
        """Return the study's task."""
        task: Task = discover.load("tasks", self.study.task)()
        return task


def network_of(method: Method, window: int, splits: dict[str, Split]) -> Network:
    """Build the network of a method's row for the shapes of the data."""
    inputs, targets = splits["train"]["inputs"], splits["train"]["targets"]
    size = inputs.shape[1] * inputs.shape[2] if method.fold else inputs.shape[2]
    cell = discover.load("cells", method.cell)(size, method.hidden, method.activation, window)
    return Network(cell, targets.shape[-1], tuple(method.readout), method.fold)


def initial_weights(job: Job, network: Network) -> Tensor:
    """Draw θ (S, P): the weights of a replica depend on its seed alone."""
    initialise = discover.load("initialisers", str(job.method.initialiser)).initialise
    system = make(job.study.system, job.study.parameters)
    setting = Setting(network.shapes, system, job.study.step)
    rows = {}
    for seed in range(job.seeds):
        weights = initialise(setting, np.random.default_rng([seed, 0]))
        rows[seed] = network.pack({name: torch.from_numpy(np.asarray(array)) for name, array in weights.items()})
    return torch.stack([rows[seed] for seed, _ in job.replicas()]).float()


def trainer(epochs: int) -> pl.Trainer:
    """Return a quiet Lightning trainer; it takes a GPU when there is one."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def learn(job: Job, progress: Callable[[History], None] = lambda history: None) -> "Result":
    """Train the population of a job and predict with its best weights at the best learning rate."""
    network, task = job.network(), job.task()
    seeds, rates = zip(*job.replicas(), strict=True)
    optimiser = discover.load("optimisers", str(job.method.optimiser))()
    theta = initial_weights(job, network)
    population = Population(network, optimiser, theta, torch.tensor(rates), task.last, job.method.clip_norm, progress)
    data = PopulationData(job.splits, job.study.batch, list(seeds))
    if optimiser.iterative:
        with warnings.catch_warnings():
            # Batches are index look-ups, so loader workers would only cost; the optimiser is an item;
            # LeafSpec is Lightning's own use of PyTorch.
            warnings.filterwarnings("ignore", message=".*(does not have many workers|returned `None`|LeafSpec).*")
            trainer(job.study.epochs).fit(population, datamodule=data)
    optimiser.finish(population, data.train[:], data.val[:])
    return _result(job, population.cpu(), task)


@dataclass(frozen=True)
class Result:
    """What was learned, for all replicas (S), with predictions of those at the chosen rate.

    Attributes
    ----------
    theta : (S, P) array
        Best weights by validation loss.
    seeds, rates, best_loss, diverged : (S,) arrays
    train_loss, val_loss : (epochs, S) arrays
    chosen : int array
        Indices of the replicas at the chosen learning rate, one a seed.
    predictions : dict of arrays
        Of the chosen replicas, in the order of `chosen`.
    """

    theta: Array
    seeds: Array
    rates: Array
    best_loss: Array
    diverged: Array
    train_loss: Array
    val_loss: Array
    chosen: Array
    predictions: dict[str, Array]


def choose(rates: Array, best_loss: Array, diverged: Array) -> Array:
    """Return the replicas at the rate with the lowest median validation loss over the seeds.

    A diverged replica counts as infinitely bad; of equal rates the first wins.
    """
    loss = np.where(diverged, np.inf, best_loss)
    medians = {rate: float(np.median(loss[rates == rate])) for rate in dict.fromkeys(rates.tolist())}
    best = min(medians, key=lambda rate: medians[rate])
    return np.flatnonzero(rates == best)


class Trained:
    """A population with its weights set: the `Model` that tasks ask for predictions.

    Parameters
    ----------
    network : Network
    theta : (S, P) tensor
    last : bool
        Whether only the last output counts.
    """

    def __init__(self, network: Network, theta: Tensor, last: bool) -> None:
        self.network, self.weights, self.last, self.replicas = network, network.unpack(theta), last, len(theta)

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs of every replica; see `unrolled.tasks._base.Model`."""
        if inputs.dim() == 3:
            inputs = inputs.expand(self.replicas, *inputs.shape)
        return self.network(self.weights, inputs, self.last)


def _result(job: Job, population: Population, task: Task) -> Result:
    seeds, rates = (np.array(column) for column in zip(*job.replicas(), strict=True))
    best_loss, diverged = population.best_loss.numpy(), ~population.alive.numpy()
    chosen = choose(rates, best_loss, diverged)
    model = Trained(population.network, population.best[torch.from_numpy(chosen)], task.last)

    def table(name: str) -> Array:
        rows = population.history[name]
        return torch.stack(rows).numpy() if rows else np.empty((0, len(seeds)), np.float32)

    return Result(
        theta=population.best.numpy(),
        seeds=seeds,
        rates=rates,
        best_loss=best_loss,
        diverged=diverged,
        train_loss=table("train"),
        val_loss=table("val"),
        chosen=chosen,
        predictions=task.predict(model, job.splits),
    )
