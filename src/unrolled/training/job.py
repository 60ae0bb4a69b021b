"""A job (one method on one study), its result, and the population it has trained."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled import discover
from unrolled.params import Method, Study
from unrolled.tasks._base import Split, Task
from unrolled.training.network import Network

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
        return network_of(
            self.method,
            self.study.window,
            self.splits["train"]["inputs"].shape,
            self.splits["train"]["targets"].shape[-1],
        )

    def task(self) -> Task:
        """Return the study's task."""
        task: Task = discover.load("tasks", self.study.task)()
        return task


def network_of(method: Method, window: int, inputs: tuple[int, ...], outputs: int) -> Network:
    """Build the network of a method's row for inputs (N, T, D) and K outputs."""
    size = inputs[1] * inputs[2] if method.fold else inputs[2]
    cell = discover.load("cells", method.cell)(size, method.hidden, method.activation, window, method.options)
    return Network(cell, outputs, tuple(method.readout), method.fold, method.truncate)


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
    passes : (3,) array
        Passes of each replica through the training set: forward, backward, products with the curvature.
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
    passes: Array
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
