"""Stochastic gradient descent."""

from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch
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

    def descend(self, theta: Array, gradient: Array, rates: Array, active: Array) -> None:
        """Take the step in one pass over the weights."""
        step(theta, gradient, rates, active)

    def torch_peer(self, theta: list[Tensor], learning_rate: float) -> "torch.optim.Optimizer":
        """Return `torch.optim.SGD`."""
        return torch.optim.SGD(theta, learning_rate)


@compiled
def step(theta: Array, gradient: Array, rates: Array, active: Array) -> None:
    """θ ← θ - α g."""
    for s in range(len(theta)):
        if active[s]:
            row, g, rate = theta[s], gradient[s], rates[s]
            for j in range(len(row)):
                row[j] -= rate * g[j]
