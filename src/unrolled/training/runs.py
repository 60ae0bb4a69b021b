"""A run: one method on one study, its replicas, and what comes of training them."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled import registry
from unrolled.config import Experiment, FitRow, Method
from unrolled.data import system
from unrolled.data.system import System
from unrolled.data.task import Data, Split, Task, TestSet, number_type
from unrolled.models.build import autoregressive, initialiser_of, network_of, problem_of, widths
from unrolled.models.ensemble import Ensemble
from unrolled.models.initialiser import Initialiser, Problem
from unrolled.models.network import Network
from unrolled.models.pytorch import Tensor, torch

Array = NDArray[Any]
WEIGHTS, ORDER, NOISE = 1, 2, 3
"""What a replica's random numbers are for, the third part of their seed; those of data have none."""


class Hyperparameters(NamedTuple):
    """What is tuned: learning rate (0: none), largest norm and component of the gradient, Ω's weight, options."""

    learning_rate: float
    clip_norm: float = np.inf
    clip_value: float = np.inf
    omega: float = 0.0
    options: tuple[tuple[str, float], ...] = ()

    def named(self) -> dict[str, float]:
        """Return them all by name."""
        return {key: value for key, value in self._asdict().items() if key != "options"} | dict(self.options)


Replica = tuple[int, int]
"""A seed, and the place of its hyperparameters in `Run.hyperparameters`."""


@dataclass(frozen=True)
class Run:
    """One method on one study: all that a worker needs beside the data."""

    experiment: Experiment
    name: str
    """The method's."""

    @property
    def study(self) -> str:
        """The study's name."""
        return self.experiment.name

    @property
    def method(self) -> Method:
        """The method's row."""
        return self.experiment.methods[self.name]

    @cached_property
    def task(self) -> Task:
        """The study's task."""
        task: Task = registry.load("tasks", self.experiment.data.task)(**self.experiment.data.settings)
        return task

    @cached_property
    def system(self) -> System | None:
        """The study's system, None for a record."""
        return system.of(self.experiment.data)

    @property
    def optimiser(self) -> type[Any]:
        """The class of the method's optimiser."""
        found: type[Any] = registry.load("optimisers", self.method.optimiser)
        return found

    @property
    def hyperparameters(self) -> list[Hyperparameters]:
        """Everything that is tried: each learning rate with each clipping threshold and each of the options."""
        method, tuned = self.method, self.method.tuned
        options = [tuple(zip(tuned, each, strict=True)) for each in product(*tuned.values())]
        if "learning_rates" not in self.optimiser.uses:
            return [Hyperparameters(0.0, options=each) for each in options]
        norms, values = (c or [np.inf] for c in (method.clip_norm, method.clip_value))
        rates, omegas = method.learning_rates or [], method.omega or [0.0]
        return [Hyperparameters(*each) for each in product(rates, norms, values, omegas, options)]

    @property
    def _tuning_seeds(self) -> list[int]:
        seeds = self.experiment.seeds
        return seeds if len(self.hyperparameters) == 1 else seeds[: self.experiment.fit.tuning_seeds]

    def tuning_replicas(self) -> list[Replica]:
        """Return the replicas among which hyperparameters are chosen: all of them with the first seeds."""
        return [(seed, number) for number in range(len(self.hyperparameters)) for seed in self._tuning_seeds]

    def final_replicas(self, number: int) -> list[Replica]:
        """Return the replicas that are trained afterwards: the chosen hyperparameters with the other seeds."""
        return [(seed, number) for seed in self.experiment.seeds[len(self._tuning_seeds) :]]

    @property
    def epochs(self) -> int:
        """How many epochs tuning and the final replicas take together; 0 where there are none."""
        rounds = 1 + bool(self.final_replicas(0))
        return rounds * self.fit.epochs if self.optimiser.iterative else 0

    @property
    def fit(self) -> FitRow:
        """How each replica is trained: as the study says, but for what the method's row says itself."""
        own = {key: getattr(self.method, key) for key in ("epochs", "batch", "schedule")}
        return self.experiment.fit.model_copy(update={key: value for key, value in own.items() if value is not None})

    def select(self, data: Data) -> Data:
        """Return the data with only those columns and steps that the method gets, in its precision."""
        columns = self.task.columns(self.experiment.data)
        inputs = self.method.inputs or self.task.default_inputs(self.experiment.data)
        chosen = [place for place, column in enumerate(columns) if column in inputs] if columns else slice(None)
        number = precision_of(self.method)

        def own(arrays: dict[str, Any]) -> dict[str, Any]:
            x, y = arrays["inputs"][..., chosen], arrays["targets"]
            return {"inputs": x.astype(number, copy=False), "targets": y.astype(number, copy=False)}

        def pick(split: Split) -> Split:
            return split | own(split)

        def of_tests(tests: dict[str, TestSet]) -> dict[str, TestSet]:
            return {n: replace(test, **own(vars(test))) for n, test in tests.items()}

        train, steps = pick(data.train), self.method.steps
        if steps is not None:
            train = train | {k: train[k][:, :n] for k, n in (("inputs", steps), ("targets", steps - data.washout))}
        return Data(train, pick(data.val), of_tests(data.tests), data.facts, val_tests=of_tests(data.val_tests))

    def validation(self, data: Data) -> TestSet:
        """Return what validation measures: the like of the test set that the study is scored on, if the data have it.

        Else it is the validation split, run as the test split is.
        """
        own = data.val_tests.get(self.experiment.scored_on)
        return own or TestSet.of(data.val, data.tests["test"].mode)

    def network(self, data: Data | None = None) -> Network:
        """Return the network of the method; with its selected data also the scale of a residual."""
        residual = None
        if self.method.residual is not None and data is not None:
            x, y = data.train["inputs"], data.train["targets"]
            lacking = y - x[:, data.washout :, -y.shape[-1] :]
            residual = float(np.float32(lacking.std(dtype=np.float64)))
        sizes = widths(self.method, self.experiment.data, self.task, self.system)
        return network_of(self.method, self.experiment.data, *sizes, residual)

    def initialiser(self, number: int = 0) -> Initialiser:
        """Return the method's initialiser, with options that are tuned as in one place of `hyperparameters`."""
        return initialiser_of(self.method, dict(self.hyperparameters[number].options))

    def problem(self, network: Network, data: Data) -> Problem:
        """Return what the initialiser may know."""
        return problem_of(network, self.experiment.data, self.system, data.train["inputs"].shape[1])

    def ensemble(self, network: Network, theta: Array) -> Ensemble:
        """Return replicas with the weights θ (S, P)."""
        return Ensemble(
            network, torch.from_numpy(theta), self.task.many_to_one, autoregressive(self.method), self.task.loss
        )


def initial_weights(run: Run, network: Network, data: Data, replicas: list[Replica]) -> Tensor:
    """Draw θ (S, P): the weights of a replica depend on its seed, and on options that are tuned, alone."""
    problem, number_type = run.problem(network, data), precision_of(run.method)
    wanted = [(seed, number if run.method.tuned else 0) for seed, number in replicas]
    rows = {}
    for seed, number in sorted(set(wanted)):
        weights = run.initialiser(number).initialise(problem, np.random.default_rng([seed, 0, WEIGHTS]))
        tensors = {name: torch.from_numpy(np.asarray(array, number_type)) for name, array in weights.items()}
        rows[seed, number] = network.pack(tensors)
    return torch.stack([rows[replica] for replica in wanted])


@dataclass(frozen=True)
class Result:
    """What came of a run, for all replicas (S), with predictions of those with the chosen hyperparameters.

    Attributes
    ----------
    theta : (S, P) array
        Best weights by validation loss.
    halfway : (S, P) array
        Weights after half of the epochs.
    seeds, learning_rates, tried, best_loss, diverged : (S,) arrays
        `tried` is the place of a replica's hyperparameters in `Run.hyperparameters`.
    train_loss, val_loss : (epochs, S) arrays
    chosen : int array
        Indices of the replicas with the chosen hyperparameters, one a seed.
    passes : (3,) array
        Passes of each replica through the training set: forward, backward, products with the curvature.
    predictions : dict of arrays
        Of the chosen replicas, in the order of `chosen`, on each test set.
    """

    theta: Array
    halfway: Array
    seeds: Array
    learning_rates: Array
    tried: Array
    best_loss: Array
    diverged: Array
    train_loss: Array
    val_loss: Array
    chosen: Array
    passes: Array
    predictions: dict[str, Array]

    @property
    def best(self) -> int:
        """Index, among all replicas, of the chosen one with the lowest validation loss."""
        return int(self.chosen[np.argmin(self.best_loss[self.chosen])])

    @property
    def loss(self) -> float:
        """The validation loss by which methods are compared, as hyperparameters are: the median over the seeds."""
        return float(np.median(np.where(self.diverged, np.inf, self.best_loss)[self.chosen]))


def precision_of(method: Method) -> type[np.floating[Any]]:
    """Return the type of a method's weights, inputs and states."""
    return number_type(method.precision)


def choose(tried: Array, best_loss: Array, diverged: Array) -> Array:
    """Return the replicas of the hyperparameters with the lowest median validation loss over the seeds.

    A diverged replica counts as infinitely bad; of equals the first wins.
    """
    loss = np.where(diverged, np.inf, best_loss)
    medians = {each: float(np.median(loss[tried == each])) for each in dict.fromkeys(tried.tolist())}
    best = min(medians, key=lambda each: medians[each])
    return np.flatnonzero(tried == best)
