"""The contract of an optimiser: how the weights of a population are learned."""

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from unrolled.models.cell import Cell, State, Weights

Batch = tuple[Tensor, Tensor]


class Net(Protocol):
    """What an optimiser may ask of a network."""

    layers: list[tuple[int, int]]
    cell: Cell

    def unpack(self, theta: Tensor) -> Weights:
        """Return weights by name."""

    def pack(self, weights: dict[str, Tensor]) -> Tensor:
        """Return one replica's row of θ."""

    def hidden(self, w: Weights, x: Tensor, last: bool, state: State | None = None) -> tuple[Tensor, State]:
        """Return the cell's outputs."""

    def readout(self, w: Weights, h: Tensor, upto: int | None = None) -> Tensor:
        """Return what the readout makes of them; `upto` stops before that layer."""

    def readout_tangent(self, w: Weights, dw: Weights, h: Tensor, dh: Tensor) -> Tensor:
        """Return the derivative of the readout along (dw, dh)."""

    def __call__(self, w: Weights, x: Tensor, last: bool = False) -> Tensor:
        """Return the outputs."""


class Learners(Protocol):
    """What an optimiser may ask of a population of S replicas with P weights each."""

    theta: nn.Parameter
    rates: Tensor
    clip_norm: Tensor
    clip_value: Tensor
    alive: Tensor
    last: bool

    @property
    def pace(self) -> float:
        """Return by what the learning rates are multiplied in this update, as the study's schedule has it."""

    @property
    def network(self) -> Net:
        """Return the network all replicas share."""

    def losses(self, batch: Batch) -> Tensor:
        """Return the loss (S,) of each replica on its own batch."""

    def count(self, forward: int = 0, backward: int = 0, curvature: int = 0) -> None:
        """Add to the cost: sequences that went through each kind of pass, for each replica."""

    def halt(self, broken: Tensor) -> None:
        """Stop the replicas where `broken` (S,) holds and count them as diverged."""

    def keep(self, loss: Tensor) -> None:
        """Remember the weights of each replica whose validation loss (S,) is its best so far."""


class Optimiser(ABC):
    """One way of learning; `update` runs for every batch, `finish` once at the end."""

    iterative: ClassVar[bool] = True
    """Whether it learns in epochs with a learning rate."""
    options: ClassVar[dict[str, float]] = {}
    """Settings that a method's row may change, with their defaults."""

    def __init__(self, options: dict[str, float] | None = None) -> None:
        self.option = self.options | {k: v for k, v in (options or {}).items() if k in self.options}

    def begin(self, population: Learners, train: Batch) -> None:  # noqa: B027
        """See the training set, inputs (N, T, D) and targets (N, [T,] K), before the first update."""

    @abstractmethod
    def update(self, population: Learners, batch: Batch) -> Tensor:
        """Learn from a batch of x (S, B, T, D), y (S, B, [T,] K); return the loss (S,) before it."""

    def finish(self, population: Learners, train: Batch, val: Batch) -> None:  # noqa: B027
        """Learn what remains from the whole training set; most optimisers have nothing left to do.

        Parameters
        ----------
        train, val : pair of tensors
            All inputs (N, T, D) and targets (N, [T,] K), the same for each replica.
        """


class GradientDescent(Optimiser):
    """θ ← θ - α d(∇L), each replica with its own rate α; a subclass says what d is.

    Clipping (Pascanu, Mikolov & Bengio 2013, PMLR 28:1310) is by each replica's own norm,
    ∇L ← ∇L min(1, c / ‖∇L‖), or (Mikolov 2012) of every component to [-c, c]; c is infinite where
    a replica is not clipped.
    """

    @abstractmethod
    def direction(self, gradient: Tensor) -> Tensor:
        """Return d (S, P) for the gradients (S, P)."""

    def update(self, population: Learners, batch: Batch) -> Tensor:
        """Take one step; a replica with a loss or gradient that is not finite is frozen."""
        loss = population.losses(batch)
        (gradient,) = torch.autograd.grad(loss.sum(), population.theta)
        population.count(forward=batch[0].shape[1], backward=batch[0].shape[1])
        norm = gradient.norm(dim=1)
        broken = population.alive & ~(torch.isfinite(loss) & torch.isfinite(norm))
        if broken.any():
            population.halt(broken)
        if torch.isfinite(population.clip_norm).any():
            gradient *= (population.clip_norm / (norm + 1e-12)).clamp(max=1.0)[:, None]
        if torch.isfinite(population.clip_value).any():
            most = population.clip_value[:, None]
            gradient = torch.maximum(torch.minimum(gradient, most), -most)
        with torch.no_grad():
            step = population.pace * population.rates[:, None] * self.direction(gradient)
            population.theta.sub_(torch.where(population.alive[:, None], step, 0.0))
        return loss.detach()
