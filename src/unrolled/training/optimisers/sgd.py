"""Stochastic gradient descent."""

import torch
from torch import Tensor

from unrolled.training.optimiser import GradientDescent


class SGD(GradientDescent):
    """θ ← θ - α ∇L.

    References
    ----------
    Robbins & Monro, Ann. Math. Statist. 22 (1951) 400, doi 10.1214/aoms/1177729586.
    """

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the gradient itself."""
        return gradient

    def torch_peer(self, theta: list[Tensor], learning_rate: float) -> torch.optim.Optimizer:
        """Return `torch.optim.SGD`."""
        return torch.optim.SGD(theta, learning_rate)
