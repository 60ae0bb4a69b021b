"""RMSprop: steps divided by the running root mean square of the gradient."""

from typing import Any

import torch
from torch import Tensor

from unrolled.training.optimiser import GradientDescent


class RMSprop(GradientDescent):
    """v ← ρ v + (1-ρ) g²; d = g / (√v + ε), with the settings of Keras, ρ = 0.9 and ε = 1e-7.

    References
    ----------
    Tieleman & Hinton, Coursera: Neural Networks for Machine Learning, lecture 6.5 (2012).
    """

    rho, epsilon = 0.9, 1e-7

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.square: Tensor | None = None

    def direction(self, gradient: Tensor) -> Tensor:
        """Return g / (√v + ε)."""
        if self.square is None:
            self.square = torch.zeros_like(gradient)
        self.square.mul_(self.rho).addcmul_(gradient, gradient, value=1 - self.rho)
        return gradient / (self.square.sqrt() + self.epsilon)

    def torch_peer(self, theta: list[Tensor], learning_rate: float) -> torch.optim.Optimizer:
        """Return `torch.optim.RMSprop`."""
        return torch.optim.RMSprop(theta, learning_rate, alpha=self.rho, eps=self.epsilon)
