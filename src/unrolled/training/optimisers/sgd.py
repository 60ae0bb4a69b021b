"""Stochastic gradient descent."""

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
