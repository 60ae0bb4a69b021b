"""Nesterov's accelerated gradient with a momentum in two stages."""

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from unrolled import registry
from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch
from unrolled.training.optimiser import GradientDescent


class Nesterov(GradientDescent):
    """v ← μ_t v - α ∇L(θ + μ_t v), θ ← θ + v, with μ_t = 0.9 in the first 1000 updates, then `momentum`.

    Kept is the point θ + μ_t v where the gradient is taken; with u = -v / α its step is
    u ← μ_t u + g, d = g + μ_{t+1} u.

    References
    ----------
    Sutskever, Martens, Dahl & Hinton, ICML 2013, PMLR 28(3):1139, equations 3 and 4; section 5 on recurrent networks,
    where the later momentum is one of 0, 0.9, 0.98 and 0.995.
    """

    class Settings(registry.Settings):
        """`first_momentum` holds for so many `first_updates`, then `momentum`."""

        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.98
        first_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
        first_updates: Annotated[int, Field(ge=0)] = 1000

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.updates, self.velocity = 0, torch.zeros(())

    def momentum(self, update: int) -> float:
        """Return μ_t."""
        own = self.settings
        return own.first_momentum if update < own.first_updates else own.momentum

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
