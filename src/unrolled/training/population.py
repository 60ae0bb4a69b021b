"""The population: all replicas of one method on one study, trained together."""

import math
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from unrolled.data.task import Loss, Mode
from unrolled.models.closed_loop import partly_forced
from unrolled.models.ensemble import Ensemble
from unrolled.models.forcing import forced
from unrolled.models.network import Network
from unrolled.training.forcing import ForcingSchedule
from unrolled.training.optimiser import LOSSES, Batch, Optimiser

LOWEST, FALLING = 0.01, (0.5, 0.8)
"""The factor to which the learning rates fall, and between which shares of the updates."""
History = dict[str, list[Tensor]]


class Population(pl.LightningModule):
    """S replicas as one batched computation, with everything kept per replica.

    Parameters
    ----------
    network : Network
    optimiser : Optimiser
    theta : (S, P) tensor
        Initial weights.
    learning_rates : (S,) tensor
        Learning learning_rates.
    last : bool
        Whether only the last output counts (many-to-one).
    decay : int, optional
        All updates: the learning rates stay for half of them, fall along half a cosine (Loshchilov & Hutter, ICLR 2017,
        arXiv 1608.03983) to a hundredth, and stay there for the last fifth, which shows whether anything still improves
        (a trapezoid, as in Hägele et al., NeurIPS 2024, arXiv 2405.18392). By default they stay from the beginning.
    clip_norm, clip_value : (S,) tensor, optional
        Largest norm of each replica's gradient, and largest size of its components; infinite by default.
    progress : callable, optional
        Called after each epoch with 1.
    total : int
        All updates, in the course of which a forcing may be annealed.
    validation : pair, optional
        The mode in which the validation data are run, and whether the network has its last outputs among its inputs.
    loss : str
        What is minimised, in training and in the choice by validation.
    omega : (S,) tensor, optional
        The weight of the regulariser of `training.vanishing` in each replica's gradient; zero by default.

    Attributes
    ----------
    train_epoch : callable, optional
        Trains on the indices (S, N) of a whole epoch and returns the losses (S,) before its updates; if
        there is none, a training step is a batch.
    best : (S, P) tensor
        The weights of each replica at its lowest validation loss, `best_loss` (S,).
    halfway : (S, P) tensor
        The weights after half of the epochs, to see training under way.
    active : (S,) tensor of bool
        False for a replica whose loss or gradient was not finite: frozen, counted as diverged.
    passes : dict of int
        Sequences of each replica that training has sent forward, backward, and through products
        with the curvature; validation does not count.
    history : dict
        `train` (mean loss over the epoch's batches, before each update) and `val`, one (S,) tensor
        an epoch.
    """

    def __init__(
        self,
        network: Network,
        optimiser: Optimiser,
        theta: Tensor,
        learning_rates: Tensor,
        many_to_one: bool,
        clip_norm: Tensor | None = None,
        clip_value: Tensor | None = None,
        progress: Callable[[float], None] = lambda epochs: None,
        decay: int | None = None,
        validation: tuple[Mode, bool] = ("teacher_forced", False),
        total: int = 1,
        loss: Loss = "mean_square",
        omega: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.forcing = ForcingSchedule(network, len(theta), total)
        self.train_epoch: Callable[[Tensor], list[Tensor]] | None = None
        self.automatic_optimization = False
        self.network: Network = network
        self.optimiser = optimiser
        self.many_to_one, self.progress, self.decay, self.updates = many_to_one, progress, decay, 0
        self.validation, self.loss = validation, loss
        self.theta = nn.Parameter(theta.clone())
        self.clip_norm: Tensor
        self.clip_value: Tensor
        self.omega: Tensor
        self.learning_rates: Tensor
        self.best: Tensor
        self.halfway: Tensor
        self.best_loss: Tensor
        self.active: Tensor
        self.register_buffer("learning_rates", learning_rates)
        unbounded = torch.full_like(learning_rates, torch.inf)
        self.register_buffer("clip_norm", unbounded if clip_norm is None else clip_norm)
        self.register_buffer("clip_value", unbounded if clip_value is None else clip_value)
        self.register_buffer("omega", torch.zeros_like(learning_rates) if omega is None else omega)
        self.register_buffer("best", theta.clone())
        self.register_buffer("halfway", theta.clone())
        self.register_buffer("best_loss", torch.full_like(learning_rates, torch.inf))
        self.register_buffer("active", torch.ones_like(learning_rates, dtype=torch.bool))
        self.history: History = {"train": [], "val": []}
        self.passes = {"forward": 0, "backward": 0, "curvature": 0}
        self._epoch: list[Tensor] = []

    def losses(self, batch: Batch) -> Tensor:
        """Return the loss (S,) of x (S, B, T, D) against y, (S, ...) or the same for all."""
        (x, y), network, w = batch, self.network, self.network.unpack(self.theta)
        if network.forcing is not None:
            return LOSSES[self.loss](forced(network, w, x, self.forcing.strengths()), y)
        if network.closed_loop:
            return LOSSES[self.loss](partly_forced(network, w, x, network.closed_loop), y)
        return LOSSES[self.loss](network(w, x, self.many_to_one), y)

    @torch.no_grad()
    def validation_loss(self, batch: Batch) -> Tensor:
        """Return the loss (S,) on x (N, T, D) against y, run in the mode of the validation."""
        (x, y), (mode, autoregressive) = batch, self.validation
        ensemble = Ensemble(self.network, self.theta, self.many_to_one, autoregressive)
        return LOSSES[self.loss](ensemble.run(x, mode, y.shape[1]), y).nan_to_num(torch.inf, torch.inf)

    @property
    def lr_factor(self) -> float:
        """Return the learning-rate factor of the current update (cosine schedule, or 1)."""
        if self.decay is None:
            return 1.0
        begin, end = FALLING
        done = min(max(self.updates / self.decay - begin, 0.0) / (end - begin), 1.0)
        return LOWEST + (1 - LOWEST) * 0.5 * (1 + math.cos(math.pi * done))

    def count(self, forward: int = 0, backward: int = 0, curvature: int = 0) -> None:
        """Add to the passes."""
        for kind, more in (("forward", forward), ("backward", backward), ("curvature", curvature)):
            self.passes[kind] += more

    def save_best(self, loss: Tensor) -> None:
        """Keep the weights of each replica whose validation loss is its best so far."""
        better = self.active & (loss < self.best_loss)
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.best = torch.where(better[:, None], self.theta.detach(), self.best)

    def freeze_diverged(self, diverged: Tensor) -> None:
        """Stop diverged replicas; their best weights so far take the place of the broken ones."""
        self.active = self.active & ~diverged
        with torch.no_grad():
            self.theta.copy_(torch.where(self.active[:, None], self.theta, self.best))

    def training_step(self, batch: Batch | Tensor, index: int) -> None:
        """Train every replica on a batch, or on the batches of a whole epoch given by their indices (S, N)."""
        if self.train_epoch is not None and isinstance(batch, Tensor):
            self._epoch.extend(self.train_epoch(batch))
            return
        assert not isinstance(batch, Tensor)
        if self.network.forcing is not None:
            self.forcing.update(self.network.unpack(self.theta.detach()), batch[0], self.updates)
        self._epoch.append(self.optimiser.update(self, batch))
        self.updates += 1

    def validation_step(self, batch: Batch, index: int) -> None:
        """Measure every replica on the same sequences, and keep the best weights.

        An infinite loss in closed loop does not stop a replica: an untrained network may well explode there.
        """
        loss = self.validation_loss(batch)
        if self.validation[0] == "teacher_forced":
            self.freeze_diverged(self.active & ~torch.isfinite(loss))
        self.save_best(loss)
        self.history["val"].append(loss.cpu())

    def on_train_epoch_end(self) -> None:
        """Append the epoch's mean training loss and report progress."""
        self.history["train"].append(torch.stack(self._epoch).mean(dim=0).cpu())
        self._epoch.clear()
        if len(self.history["train"]) == (int(self.trainer.max_epochs or 0) + 1) // 2:
            self.halfway = self.theta.detach().clone()
        self.progress(1)

    def configure_optimizers(self) -> None:
        """Leave the update to the optimiser item."""
