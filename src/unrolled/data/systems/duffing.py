"""Duffing's oscillator: a spring that stiffens, so that the response is not linear in the force."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unrolled.data.system import Array, System


@dataclass(frozen=True)
class Duffing(System):
    """x'' + δ x' + α x + β x³ = F(t); dimensionless.

    Attributes
    ----------
    delta : float
        Damping δ.
    alpha, beta : float
        Linear and cubic stiffness.
    """

    equation: ClassVar[str] = "x'' + δ x' + α x + β x³ = F(t)"
    source: ClassVar[str] = "Kovacic & Brennan (eds), The Duffing Equation (2011), doi 10.1002/9780470977859"
    states: ClassVar[tuple[str, ...]] = ("x", "v")
    forced: ClassVar[bool] = True

    delta: float = 0.2
    alpha: float = 1.0
    beta: float = 1.0

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return (v, F - δ v - α x - β x³)."""
        x, v = state
        drive = 0.0 if inputs is None else inputs
        return np.array([v, drive - self.delta * v - self.alpha * x - self.beta * x * x * x])

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return [[0, 1], [-α - 3 β x², -δ]]."""
        x = state[0]
        one = np.ones_like(x)
        return np.array([[0 * one, one], [-self.alpha - 3 * self.beta * x**2, -self.delta * one]])

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Draw x₀ and v₀ uniformly in [-1, 1]."""
        return random.uniform(-1.0, 1.0, (count, 2))
