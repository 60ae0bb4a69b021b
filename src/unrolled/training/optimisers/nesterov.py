"""Nesterov's accelerated gradient with a momentum that grows."""

import math
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from unrolled import registry
from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch
from unrolled.training.optimiser import GradientDescent


class Nesterov(GradientDescent):
    """v ← μ_t v - α ∇L(θ + μ_t v), θ ← θ + v, with μ_t = min(1 - 2^(-1 - log₂(⌊t / period⌋ + 1)), momentum).

    Kept is the point θ + μ_t v where the gradient is taken; with u = -v / α its step is
    u ← μ_t u + g, d = g + μ_{t+1} u. The schedule grows from 0.5 towards its bound.

    References
    ----------
    Sutskever, Martens, Dahl & Hinton, ICML 2013, PMLR 28(3):1139, equations 3 to 5.
    """

    class Settings(registry.Settings):
        """`momentum`, its bound; `period`, updates over which it stays at its first value of one half."""

        momentum: Annotated[float, Field(ge=0.5, lt=1)] = 0.99
        period: Annotated[float, Field(gt=0)] = 250.0

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.updates, self.velocity = 0, torch.zeros(())

    def momentum(self, update: int) -> float:
        """Return μ_t."""
        return min(1 - 2 ** (-1 - math.log2(update // self.settings.period + 1)), self.settings.momentum)

    def direction(self, gradient: Tensor) -> Tensor:
        """Return g + μ_{t+1} u."""
        self.velocity = self.momentum(self.updates) * self.velocity + gradient
        self.updates += 1
        return gradient + self.momentum(self.updates) * self.velocity

    def descend(self, theta: Array, gradient: Array, rates: Array, active: Array) -> None:
        """Take the step in one pass over the weights."""
        if self.updates == 0:
            self.velocity = torch.from_numpy(np.zeros_like(gradient))
        momenta = self.momentum(self.updates), self.momentum(self.updates + 1)
        self.updates += 1
        step(theta, gradient, rates, active, self.velocity.numpy(), np.array(momenta, theta.dtype))

    def torch_peer(self, theta: list[Tensor], learning_rate: float) -> "torch.optim.Optimizer":
        """Return `torch.optim.SGD` with the momentum of the first updates."""
        return torch.optim.SGD(theta, learning_rate, momentum=self.momentum(0), nesterov=True)


@compiled
def step(theta: Array, gradient: Array, rates: Array, active: Array, velocity: Array, momenta: Array) -> None:
    """Set u ← μ_t u + g, then θ ← θ - α (g + μ_{t+1} u)."""
    now, then = momenta[0], momenta[1]
    for s in range(len(theta)):
        if active[s]:
            row, g, u, rate = theta[s], gradient[s], velocity[s], rates[s]
            for j in range(len(row)):
                u[j] = now * u[j] + g[j]
                row[j] -= rate * (g[j] + then * u[j])
