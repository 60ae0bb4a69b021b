"""The population: all replicas of one method on one study, trained together."""

import math
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from unrolled.models.network import Network
from unrolled.training.optimiser import Batch, Optimiser

History = dict[str, list[Tensor]]


class Population(pl.LightningModule):
    """S replicas as one batched computation, with everything kept per replica.

    Parameters
    ----------
    network : Network
    optimiser : Optimiser
    theta : (S, P) tensor
        Initial weights.
    rates : (S,) tensor
        Learning rates.
    last : bool
        Whether only the last output counts (many-to-one).
    decay : int, optional
        Updates over which the learning rates fall to zero as (1 + cos(π i / n)) / 2 (Loshchilov & Hutter,
        ICLR 2017, arXiv 1608.03983); by default they stay.
    clip_norm, clip_value : (S,) tensor, optional
        Largest norm of each replica's gradient, and largest size of its components; infinite by default.
    progress : callable, optional
        Called after each epoch with the history so far.

    Attributes
    ----------
    best : (S, P) tensor
        The weights of each replica at its lowest validation loss, `best_loss` (S,).
    halfway : (S, P) tensor
        The weights after half of the epochs, for those who want to see learning under way.
    alive : (S,) tensor of bool
        False for a replica whose loss or gradient was not finite: frozen, counted as diverged.
    passes : dict of int
        Sequences of each replica that learning has sent forward, backward, and through products
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
        rates: Tensor,
        last: bool,
        clip_norm: Tensor | None = None,
        clip_value: Tensor | None = None,
        progress: Callable[[History], None] = lambda history: None,
        decay: int | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network: Network = network
        self.optimiser = optimiser
        self.last, self.progress, self.decay, self.updates = last, progress, decay, 0
        self.theta = nn.Parameter(theta.clone())
        self.clip_norm: Tensor
        self.clip_value: Tensor
        self.rates: Tensor
        self.best: Tensor
        self.halfway: Tensor
        self.best_loss: Tensor
        self.alive: Tensor
        self.register_buffer("rates", rates)
        unbounded = torch.full_like(rates, torch.inf)
        self.register_buffer("clip_norm", unbounded if clip_norm is None else clip_norm)
        self.register_buffer("clip_value", unbounded if clip_value is None else clip_value)
        self.register_buffer("best", theta.clone())
        self.register_buffer("halfway", theta.clone())
        self.register_buffer("best_loss", torch.full_like(rates, torch.inf))
        self.register_buffer("alive", torch.ones_like(rates, dtype=torch.bool))
        self.history: History = {"train": [], "val": []}
        self.passes = {"forward": 0, "backward": 0, "curvature": 0}
        self._epoch: list[Tensor] = []

    def losses(self, batch: Batch) -> Tensor:
        """Return the mean square error (S,) of x (S, B, T, D) against y, (S, ...) or the same for all."""
        x, y = batch
        predicted = self.network(self.network.unpack(self.theta), x, self.last)
        return (predicted - y).square().flatten(1).mean(dim=1)

    @property
    def pace(self) -> float:
        """Return by what the learning rates are multiplied in the update at hand."""
        return 1.0 if self.decay is None else 0.5 * (1 + math.cos(math.pi * self.updates / self.decay))

    def count(self, forward: int = 0, backward: int = 0, curvature: int = 0) -> None:
        """Add to the passes."""
        for kind, more in (("forward", forward), ("backward", backward), ("curvature", curvature)):
            self.passes[kind] += more

    def keep(self, loss: Tensor) -> None:
        """Remember the weights of each replica whose validation loss is its best so far."""
        better = self.alive & (loss < self.best_loss)
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.best = torch.where(better[:, None], self.theta.detach(), self.best)

    def halt(self, broken: Tensor) -> None:
        """Stop diverged replicas; their best weights so far take the place of the broken ones."""
        self.alive = self.alive & ~broken
        with torch.no_grad():
            self.theta.copy_(torch.where(self.alive[:, None], self.theta, self.best))

    def training_step(self, batch: Batch, index: int) -> None:
        """Let the optimiser update every replica."""
        self._epoch.append(self.optimiser.update(self, batch))
        self.updates += 1

    def validation_step(self, batch: Batch, index: int) -> None:
        """Measure every replica on the same sequences, and keep the best weights."""
        x, y = batch
        loss = self.losses((x.expand(len(self.theta), *x.shape[1:]), y))
        self.halt(self.alive & ~torch.isfinite(loss))
        self.keep(loss)
        self.history["val"].append(loss.cpu())

    def on_train_epoch_end(self) -> None:
        """Close the epoch's books."""
        self.history["train"].append(torch.stack(self._epoch).mean(dim=0).cpu())
        self._epoch.clear()
        if len(self.history["train"]) == (int(self.trainer.max_epochs or 0) + 1) // 2:
            self.halfway = self.theta.detach().clone()
        self.progress(self.history)

    def configure_optimizers(self) -> None:
        """Leave learning to the optimiser item."""
