"""Nothing is learned: the weights stay as they were initialised (reference rows)."""

from typing import ClassVar

import torch
from torch import Tensor

from unrolled.training.optimiser import Batch, Learners, Optimiser


class Fixed(Optimiser):
    """Keep every weight."""

    iterative: ClassVar[bool] = False

    def update(self, population: Learners, batch: Batch) -> Tensor:
        """Return the loss, changing nothing."""
        return population.losses(batch).detach()

    @torch.no_grad()
    def finish(self, population: Learners, train: Batch, val: Batch) -> None:
        """Record the validation loss."""
        replicas = len(population.theta)
        population.keep(population.losses((val[0].expand(replicas, *val[0].shape), val[1])))
