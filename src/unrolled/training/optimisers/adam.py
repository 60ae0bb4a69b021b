"""Adam: steps scaled by running moments of the gradient."""

from typing import Any

import torch
from torch import Tensor

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

    def torch_peer(self, theta: list[Tensor], learning_rate: float) -> torch.optim.Optimizer:
        """Return `torch.optim.Adam`."""
        return torch.optim.Adam(theta, learning_rate, betas=(self.beta1, self.beta2), eps=self.epsilon)
