"""The contract of an optimiser: how the weights of a population are trained."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Protocol

from unrolled.data.task import Loss, Mode
from unrolled.models.kernels import Array
from unrolled.models.network import Network
from unrolled.models.pytorch import Tensor, torch
from unrolled.registry import Item
from unrolled.training import vanishing

Batch = tuple[Tensor, Tensor]
Descent = Callable[[Array, Array, Array, Array], None]
TRAINING = (
    *("epochs", "batch", "schedule", "learning_rates", "clip_norm", "clip_value"),
    *("truncate", "input_noise", "centred", "closed_loop", "forcing", "steps", "omega"),
)
"""Keys of a method's row that are about how it is trained; an optimiser says which of them it uses."""


class Replicas(Protocol):
    """What an optimiser may ask of a population of S replicas with P weights each."""

    theta: "torch.nn.Parameter"
    learning_rates: Tensor
    clip_norm: Tensor
    clip_value: Tensor
    omega: Tensor
    active: Tensor
    best_loss: Tensor
    many_to_one: bool
    loss: Loss
    validation: tuple[Mode, bool]

    @property
    def lr_factor(self) -> float:
        """Return the factor of the learning rates in this update, as the study's schedule has it."""

    @property
    def network(self) -> Network:
        """Return the network that all replicas share."""

    def losses(self, batch: Batch) -> Tensor:
        """Return the loss (S,) of each replica on its own batch."""

    def validation_loss(self, batch: Batch) -> Tensor:
        """Return the loss (S,) by which a replica's weights are chosen, on all validation sequences (N, T, D)."""

    def count(self, forward: int = 0, backward: int = 0, curvature: int = 0) -> None:
        """Add to the cost: sequences that went through each kind of pass, for each replica."""

    def freeze_diverged(self, diverged: Tensor) -> None:
        """Stop the replicas where `diverged` (S,) holds."""

    def save_best(self, loss: Tensor) -> None:
        """Keep the weights of each replica whose validation loss (S,) is its lowest so far."""


class Optimiser(Item, ABC):
    """One way of training; `update` runs for every batch, `finish` once at the end."""

    trains: ClassVar[bool] = True
    """Whether it changes weights at all; what it does not is a reference row."""
    iterative: ClassVar[bool] = True
    """Whether it trains in epochs with a learning rate."""
    once_an_epoch: ClassVar[bool] = False
    """Whether it takes one update an epoch, whatever the batches."""
    solves: ClassVar[bool] = False
    """Whether it solves for the last layer, whatever weights it starts with."""
    minimises: ClassVar[tuple[Loss, ...]] = ("mean_square", "cross_entropy")
    """Which losses it can train on."""
    uses: ClassVar[tuple[str, ...]] = ()
    """Which of the keys of a method's row that are about training (`TRAINING`) it uses."""

    def begin(self, population: Replicas, train: Batch) -> None:
        """See the training set, inputs (N, T, D) and targets (N, [T,] K), before the first update."""

    @abstractmethod
    def update(self, population: Replicas, batch: Batch) -> Tensor:
        """Train on a batch of x (S, B, T, D), y (S, B, [T,] K); return the loss (S,) before it."""

    def finish(self, population: Replicas, train: Batch, val: Batch) -> None:
        """Train what remains on the whole training set; most optimisers have nothing left to do.

        Parameters
        ----------
        train, val : pair of tensors
            All inputs (N, T, D) and targets (N, [T,] K), the same for each replica.
        """

    def torch_peer(self, theta: list[Tensor], learning_rate: float) -> "torch.optim.Optimizer | None":
        """Return the same optimiser of PyTorch for the weights of one replica, for tests, where there is one."""
        return None


class GradientDescent(Optimiser):
    """θ ← θ - α d(∇L), each replica with its own rate α; a subclass says what d is.

    Clipping (Pascanu, Mikolov & Bengio 2013, PMLR 28:1310) is by each replica's own norm,
    ∇L ← ∇L min(1, c / ‖∇L‖), or (Mikolov 2012) of every component to [-c, c]; c is infinite where
    a replica is not clipped.
    """

    uses: ClassVar[tuple[str, ...]] = TRAINING

    @abstractmethod
    def direction(self, gradient: Tensor) -> Tensor:
        """Return d (S, P) for the gradients (S, P)."""

    def update(self, population: Replicas, batch: Batch) -> Tensor:
        """Take one step; a replica with a loss or gradient that is not finite is frozen."""
        loss, gradient = self._differentiated(population, batch)
        population.count(forward=batch[0].shape[1], backward=batch[0].shape[1])
        norm = gradient.norm(dim=1)
        diverged = population.active & ~(torch.isfinite(loss) & torch.isfinite(norm))
        if diverged.any():
            population.freeze_diverged(diverged)
        if torch.isfinite(population.clip_norm).any():
            gradient *= (population.clip_norm / (norm + 1e-12)).clamp(max=1.0)[:, None]
        if torch.isfinite(population.clip_value).any():
            most = population.clip_value[:, None]
            gradient = torch.maximum(torch.minimum(gradient, most), -most)
        with torch.no_grad():
            step = population.lr_factor * population.learning_rates[:, None] * self.direction(gradient)
            population.theta.sub_(torch.where(population.active[:, None], step, 0.0))
        return loss.detach()

    @staticmethod
    def _differentiated(population: Replicas, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss (S,), and its gradient (S, P), with that of Ω if the replicas have any."""
        if population.omega.any():
            about = LOSSES[population.loss], population.many_to_one, population.omega
            return vanishing.loss_and_gradient(population.network, population.theta, batch, *about)
        loss = population.losses(batch)
        return loss, torch.autograd.grad(loss.sum(), population.theta)[0]

    def descend(self, theta: Array, gradient: Array, rates: Array, active: Array) -> None:
        """θ ← θ - α d in place, where a replica is active; a subclass may do it in one compiled pass.

        Parameters
        ----------
        theta, gradient : (S, P) arrays
        rates, active : (S,) arrays
        """
        step = torch.from_numpy(rates)[:, None] * self.direction(torch.tensor(gradient))
        theta -= torch.where(torch.from_numpy(active)[:, None], step, 0.0).numpy()

    def descent(self) -> Descent:
        """Return `descend`, but the one that asks `direction` where a subclass has changed that one only."""
        classes = type(self).__mro__
        own, direction = (
            next(place for place, each in enumerate(classes) if name in vars(each)) for name in ("descend", "direction")
        )
        return self.descend if own <= direction else partial(GradientDescent.descend, self)


def mean_square(predicted: Tensor, targets: Tensor) -> Tensor:
    """Return the loss (S,): the mean square error of predictions (S, ...) against targets, (S, ...) or (...)."""
    return (predicted - targets).square().flatten(1).mean(dim=1)


def cross_entropy(predicted: Tensor, targets: Tensor) -> Tensor:
    """Return the loss (S,): the mean over sequences and steps of -Σ_k y_k log softmax(ŷ)_k, in nats.

    Predictions (S, ..., K) are logarithms of probabilities up to a constant, targets (S, ..., K) or (..., K) one-hot.
    """
    return -(targets * torch.log_softmax(predicted, dim=-1)).sum(dim=-1).flatten(1).mean(dim=1)


LOSSES: dict[Loss, Callable[[Tensor, Tensor], Tensor]] = {"mean_square": mean_square, "cross_entropy": cross_entropy}
"""What `Task.loss` names."""
