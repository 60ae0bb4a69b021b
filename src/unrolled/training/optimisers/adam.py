"""Adam: steps scaled by running moments of the gradient."""

from typing import Any

import numpy as np

from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch
from unrolled.training.optimiser import GradientDescent


class Adam(GradientDescent):
    """m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g²; d = m̂ / (√v̂ + ε), with bias-corrected m̂, v̂.

    References
    ----------
    Kingma & Ba, ICLR 2015, arXiv 1412.6980; β₁ = 0.9, β₂ = 0.999, ε = 1e-8 as there.
    """

    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.updates = 0
        self.mean = self.square = torch.zeros(())

    def direction(self, gradient: Tensor) -> Tensor:
        """Return m̂ / (√v̂ + ε)."""
        if self.updates == 0:
            self.mean, self.square = torch.zeros_like(gradient), torch.zeros_like(gradient)
        self.updates += 1
        self.mean.lerp_(gradient, 1 - self.beta1)
        self.square.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        mean = self.mean / (1 - self.beta1**self.updates)
        square = self.square / (1 - self.beta2**self.updates)
        return mean / (square.sqrt() + self.epsilon)

    def descend(self, theta: Array, gradient: Array, rates: Array, active: Array) -> None:
        """Take the step in one pass over the weights."""
        if self.updates == 0:
            self.mean, self.square = (torch.from_numpy(np.zeros_like(gradient)) for _ in range(2))
        self.updates += 1
        corrections = 1 - self.beta1**self.updates, 1 - self.beta2**self.updates
        numbers = np.array([1 - self.beta1, self.beta2, 1 - self.beta2, *corrections, self.epsilon], theta.dtype)
        step(theta, gradient, rates, active, self.mean.numpy(), self.square.numpy(), numbers)

    def torch_peer(self, theta: list[Tensor], learning_rate: float) -> "torch.optim.Optimizer":
        """Return `torch.optim.Adam`."""
        return torch.optim.Adam(theta, learning_rate, betas=(self.beta1, self.beta2), eps=self.epsilon)


@compiled
def step(
    theta: Array, gradient: Array, rates: Array, active: Array, mean: Array, square: Array, numbers: Array
) -> None:
    """θ ← θ - α m̂ / (√v̂ + ε); `numbers` are 1-β₁, β₂, 1-β₂, the corrections 1-β₁ⁿ and 1-β₂ⁿ, and ε."""
    to_mean, keep, to_square = numbers[0], numbers[1], numbers[2]
    of_mean, of_square, epsilon = numbers[3], numbers[4], numbers[5]
    for s in range(len(theta)):
        if active[s]:
            row, g, m, v, rate = theta[s], gradient[s], mean[s], square[s], rates[s]
            for j in range(len(row)):
                m[j] += to_mean * (g[j] - m[j])
                v[j] = keep * v[j] + to_square * g[j] * g[j]
                row[j] -= rate * (m[j] / of_mean) / (np.sqrt(v[j] / of_square) + epsilon)
