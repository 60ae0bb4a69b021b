"""Lorenz's model of convection: the standard chaotic system."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unrolled.data.system import Array, System


@dataclass(frozen=True)
class Lorenz63(System):
    """x' = σ (y - x), y' = x (ρ - z) - y, z' = x y - β z; dimensionless.

    Attributes
    ----------
    sigma, rho, beta : float
        Prandtl number, reduced Rayleigh number, and geometry. At the values of Lorenz the largest
        Lyapunov exponent is 0.9056 per unit of time (Viswanath 1998), so that errors grow e-fold in 1.10.
    """

    equation: ClassVar[str] = "x' = σ (y − x),  y' = x (ρ − z) − y,  z' = x y − β z"
    source: ClassVar[str] = "Lorenz, J. Atmos. Sci. 20 (1963) 130, doi 10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2"
    states: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    rtol: ClassVar[float] = 1e-12
    lyapunov: ClassVar[float] = 0.9056

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8 / 3

    def exponent(self) -> float | None:
        """Return that of the default parameters, or of ρ = 38, as it was measured here (`analysis.lyapunov`)."""
        return 1.104 if self == Lorenz63(rho=38.0) else super().exponent()

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return (σ (y - x), x (ρ - z) - y, x y - β z)."""
        x, y, z = state
        return np.array([self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z])

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        """Return [[-σ, σ, 0], [ρ - z, -1, -x], [y, x, -β]]."""
        x, y, z = state
        one = np.ones_like(x)
        rows = [
            [-self.sigma * one, self.sigma * one, 0 * one],
            [self.rho - z, -one, -x],
            [y, x, -self.beta * one],
        ]
        return np.array(rows)

    def start(self, random: np.random.Generator, count: int) -> Array:
        """Draw around the attractor: x, y normal with deviation 8, z with mean ρ - 1 and deviation 8."""
        return random.normal(0.0, 8.0, (count, 3)) + np.array([0.0, 0.0, self.rho - 1])
