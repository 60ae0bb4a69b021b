"""RMSprop: steps divided by the running root mean square of the gradient."""

from typing import Any

import numpy as np

from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch
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

    def descend(self, theta: Array, gradient: Array, rates: Array, active: Array) -> None:
        """Take the step in one pass over the weights."""
        if self.square is None:
            self.square = torch.from_numpy(np.zeros_like(gradient))
        numbers = np.array([self.rho, 1 - self.rho, self.epsilon], theta.dtype)
        step(theta, gradient, rates, active, self.square.numpy(), numbers)

    def torch_peer(self, theta: list[Tensor], learning_rate: float) -> "torch.optim.Optimizer":
        """Return `torch.optim.RMSprop`."""
        return torch.optim.RMSprop(theta, learning_rate, alpha=self.rho, eps=self.epsilon)


@compiled
def step(theta: Array, gradient: Array, rates: Array, active: Array, square: Array, numbers: Array) -> None:
    """θ ← θ - α g / (√v + ε); `numbers` are ρ, 1-ρ and ε."""
    keep, to_square, epsilon = numbers[0], numbers[1], numbers[2]
    for s in range(len(theta)):
        if active[s]:
            row, g, v, rate = theta[s], gradient[s], square[s], rates[s]
            for j in range(len(row)):
                v[j] = keep * v[j] + to_square * g[j] * g[j]
                row[j] -= rate * g[j] / (np.sqrt(v[j]) + epsilon)
