"""Nesterov's accelerated gradient with a momentum that grows."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from unrolled.training.optimiser import GradientDescent


class Nesterov(GradientDescent):
    """v ← μ_t v - α ∇L(θ + μ_t v), θ ← θ + v, with μ_t = min(1 - 2^(-1 - log₂(⌊t / period⌋ + 1)), momentum).

    Kept is the point θ + μ_t v where the gradient is taken; with u = -v / α its step is
    u ← μ_t u + g, d = g + μ_{t+1} u. The schedule grows from 0.5 towards its bound.

    References
    ----------
    Sutskever, Martens, Dahl & Hinton, ICML 2013, PMLR 28(3):1139, equations 3 to 5.
    """

    options: ClassVar[dict[str, float]] = {"momentum": 0.99, "period": 250.0}

    def __init__(self, options: dict[str, float] | None = None) -> None:
        super().__init__(options)
        self.updates, self.velocity = 0, torch.zeros(())

    def momentum(self, update: int) -> float:
        """Return μ_t."""
        return min(1 - 2 ** (-1 - math.log2(update // self.option["period"] + 1)), self.option["momentum"])

    def direction(self, gradient: Tensor) -> Tensor:
        """Return g + μ_{t+1} u."""
        self.velocity = self.momentum(self.updates) * self.velocity + gradient
        self.updates += 1
        return gradient + self.momentum(self.updates) * self.velocity
