"""Nothing is trained: the weights stay as they were initialised (reference rows)."""

from typing import ClassVar

from unrolled.models.pytorch import Tensor, no_grad
from unrolled.training.optimiser import Batch, Optimiser, Replicas


class Fixed(Optimiser):
    """Keep every weight."""

    trains: ClassVar[bool] = False
    iterative: ClassVar[bool] = False

    def update(self, population: Replicas, batch: Batch) -> Tensor:
        """Return the loss, changing nothing."""
        return population.losses(batch).detach()

    @no_grad
    def finish(self, population: Replicas, train: Batch, val: Batch) -> None:
        """Record the validation loss."""
        population.save_best(population.validation_loss(val))
