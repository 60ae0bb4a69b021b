"""The contract of a task: what is asked of the network, and how its answer is read."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unrolled import registry
from unrolled.config import Study
from unrolled.data.record import Measured
from unrolled.data.system import System
from unrolled.errors import UnrolledError

Split = dict[str, NDArray[Any]]
Facts = dict[str, Any]


def columns(study: Study, system: System) -> list[int]:
    """Return which states are observed; an unknown name is an error that lists the known ones."""
    names = list(system.states)
    for name in study.observed or ():
        if name not in names:
            raise registry.unknown(f"observed state of system '{study.system}'", name, names)
    return [names.index(name) for name in study.observed or names]


class Model(Protocol):
    """A population of trained networks: inputs in, outputs of every replica out."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return (S, B, K) for a many-to-one task, (S, B, T, K) for a many-to-many one.

        Inputs (B, T, D) go to every replica alike, inputs (S, B, T, D) to each its own.
        """


class Runner(Model, Protocol):
    """A population that can also be left to itself."""

    def run_alone(self, warm_up: Tensor, steps: int) -> Tensor:
        """Return (S, B, steps, K): its own outputs fed back after a warm-up (B, T, K)."""

    def simulate(self, inputs: Tensor) -> Tensor:
        """Return (S, B, T - n, K) for (B, T, D); a network that sees its output gets its own after the first n."""


class Task(ABC):
    """What is asked: which arrays the network sees, which it must give."""

    kind: ClassVar[str]
    last: ClassVar[bool]
    """Whether only the output of the last step counts (many-to-one)."""

    def columns(self, study: Study) -> list[str]:
        """Return names for the columns of the inputs, if a method may choose among them."""
        return []

    def default(self, study: Study) -> list[str]:
        """Return the names of those that it sees if it does not choose."""
        return self.columns(study)

    @abstractmethod
    def build(self, study: Study, system: System) -> tuple[dict[str, Split], Facts]:
        """Make the splits (`inputs` (N, T, D), `targets` (N, [T,] K), ...) and the sidecar's facts."""

    def cut(self, study: Study, series: Measured) -> tuple[dict[str, Split], Facts]:
        """Make the same from a measured series; a task that cannot is an error."""
        known = "'forecast', 'response' or 'simulation'"
        raise UnrolledError(f"task '{study.task}' takes no series: use {known} in params.yaml")

    @abstractmethod
    def predict(self, model: Runner, splits: dict[str, Split]) -> dict[str, NDArray[np.float32]]:
        """Return every prediction that evaluation scores, each with the replica axis first."""

    @abstractmethod
    def forecast(self, model: Runner, warm_up: Tensor, steps: int) -> Tensor:
        """Return (S, B, steps, K) from `warm_up` (B, T, D)."""
