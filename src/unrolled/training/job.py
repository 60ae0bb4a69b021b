"""A job (one method on one study), its result, and the population it has trained."""

from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled import registry
from unrolled.config import Method, Study
from unrolled.data.task import Split, Task
from unrolled.models.closed_loop import free_run
from unrolled.models.network import Network

Array = NDArray[Any]


class Trial(NamedTuple):
    """What is tuned: a learning rate (0 where none is used), and the largest gradient norm and component."""

    rate: float
    clip_norm: float = np.inf
    clip_value: float = np.inf


Replica = tuple[int, int]
"""A seed, and the place of a trial in `Job.trials`."""


@dataclass(frozen=True)
class Job:
    """One method on one study: all that a worker needs."""

    study_name: str
    method_name: str
    study: Study
    method: Method
    seeds: int
    splits: dict[str, Split]
    tuning_seeds: int | None = None

    @property
    def iterative(self) -> bool:
        """Whether the method learns in epochs with a learning rate."""
        return bool(registry.load("optimisers", str(self.method.optimiser)).iterative)

    def trials(self) -> list[Trial]:
        """Return every setting that is tried: each learning rate with each clipping threshold."""
        if not self.iterative:
            return [Trial(0.0)]
        norms, values = ([np.inf] if c is None else c for c in (self.method.clip_norm, self.method.clip_value))
        return [Trial(*each) for each in product(self.method.learning_rates or [], norms, values)]

    @property
    def tuners(self) -> int:
        """How many seeds try every trial: all of them where there is but one."""
        return self.seeds if len(self.trials()) == 1 else min(self.seeds, self.tuning_seeds or self.seeds)

    def first(self) -> list[Replica]:
        """Return the replicas among which a trial is chosen: every trial with the first seeds."""
        return [(seed, number) for number in range(len(self.trials())) for seed in range(self.tuners)]

    def rest(self, number: int) -> list[Replica]:
        """Return the replicas that learn afterwards: the chosen trial with the other seeds."""
        return [(seed, number) for seed in range(self.tuners, self.seeds)]

    @property
    def rounds(self) -> int:
        """How often the job goes through its epochs."""
        return 1 + bool(self.rest(0))

    def network(self) -> Network:
        """Return the network that the method's row describes, for the study's sizes."""
        return network_of(
            self.method,
            self.study.window,
            self.splits["train"]["inputs"].shape,
            self.splits["train"]["targets"].shape[-1],
            *self.residual(),
        )

    def residual(self) -> tuple[int, float | None]:
        """Return how many first steps have no target, and the spread of what a linear model lacks, if it is added."""
        x, y = self.splits["train"]["inputs"], self.splits["train"]["targets"]
        skips = 0 if self.task().last else x.shape[1] - y.shape[1]
        if self.method.adds is None:
            return skips, None
        return skips, float(np.float32((y - x[:, skips:, -y.shape[-1] :]).std(dtype=np.float64)))

    def task(self) -> Task:
        """Return the study's task."""
        task: Task = registry.load("tasks", self.study.task)()
        return task


def network_of(
    method: Method, window: int, inputs: tuple[int, ...], outputs: int, skips: int = 0, adds: float | None = None
) -> Network:
    """Build the network of a method's row for inputs (N, T, D) and K outputs; `skips`, `adds` as in `Network`."""
    size = inputs[1] * inputs[2] if method.fold else inputs[2]
    cell = registry.load("cells", method.cell)(size, method.hidden, method.activation, window, method.options)
    return Network(cell, outputs, tuple(method.readout), method.fold, method.truncate, skips, adds)


def feeds_back(method: Method) -> bool:
    """Return whether a method sees its own output of the step before (`Simulation`)."""
    return "before" in (method.sees or ())


@dataclass(frozen=True)
class Result:
    """What was learned, for all replicas (S), with predictions of those of the chosen trial.

    Attributes
    ----------
    theta : (S, P) array
        Best weights by validation loss.
    halfway : (S, P) array
        Weights after half of the epochs.
    seeds, rates, trials, best_loss, diverged : (S,) arrays
        `trials` is the place of a replica's trial in `Job.trials`.
    train_loss, val_loss : (epochs, S) arrays
    chosen : int array
        Indices of the replicas of the chosen trial, one a seed.
    passes : (3,) array
        Passes of each replica through the training set: forward, backward, products with the curvature.
    predictions : dict of arrays
        Of the chosen replicas, in the order of `chosen`.
    """

    theta: Array
    halfway: Array
    seeds: Array
    rates: Array
    trials: Array
    best_loss: Array
    diverged: Array
    train_loss: Array
    val_loss: Array
    chosen: Array
    passes: Array
    predictions: dict[str, Array]


def choose(trials: Array, best_loss: Array, diverged: Array) -> Array:
    """Return the replicas of the trial with the lowest median validation loss over the seeds.

    A diverged replica counts as infinitely bad; of equal trials the first wins.
    """
    loss = np.where(diverged, np.inf, best_loss)
    medians = {trial: float(np.median(loss[trials == trial])) for trial in dict.fromkeys(trials.tolist())}
    best = min(medians, key=lambda trial: medians[trial])
    return np.flatnonzero(trials == best)


class Trained:
    """A population with its weights set: the `Model` that tasks ask for predictions.

    Parameters
    ----------
    network : Network
    theta : (S, P) tensor
    last : bool
        Whether only the last output counts.
    feeds_back : bool
        Whether its first K inputs are its outputs of the step before.
    """

    def __init__(self, network: Network, theta: Tensor, last: bool, feeds_back: bool = False) -> None:
        self.feeds_back = feeds_back
        self.network, self.weights, self.last, self.replicas = network, network.unpack(theta), last, len(theta)

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs of every replica; see `unrolled.data.task.Model`."""
        if inputs.dim() == 3:
            inputs = inputs.expand(self.replicas, *inputs.shape)
        return self.network(self.weights, inputs, self.last)

    def run_alone(self, warm_up: Tensor, steps: int) -> Tensor:
        """Return what every replica gives when fed its own outputs; see `free_run`."""
        return free_run(self.network, self.weights, warm_up.expand(self.replicas, *warm_up.shape), steps)

    @torch.no_grad()
    def simulate(self, inputs: Tensor) -> Tensor:
        """Return the outputs after the first n steps; see `unrolled.data.task.Runner`."""
        if not self.feeds_back:
            return self(inputs)
        x, first = inputs.expand(self.replicas, *inputs.shape), self.network.skips + 1
        given = x[:, :, first:, self.network.outputs :]
        return free_run(self.network, self.weights, x[:, :, :first], given.shape[2] + 1, given)
